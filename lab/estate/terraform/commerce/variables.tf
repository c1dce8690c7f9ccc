variable "environment" {
  description = "The environment, part of no name here; it must be given, so that no default is deployed unseen."
  type        = string

  validation {
    condition     = contains(["production", "staging"], var.environment)
    error_message = "The environment is production or staging."
  }
}

variable "ingress_rules" {
  description = "What may reach which security group. Without a value nothing may: that default is what a forgotten variable file would deploy."
  type = list(object({
    name        = string
    group       = string
    port        = number
    cidr        = string
    description = string
  }))
  default = []
}

variable "partner_token" {
  description = "The token that partners' gateways present."
  type        = string
  default     = ""
  sensitive   = true
}
