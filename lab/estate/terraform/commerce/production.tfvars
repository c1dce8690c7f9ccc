environment = "production"

ingress_rules = [
  {
    name        = "https"
    group       = "commerce-load-balancer"
    port        = 443
    cidr        = "0.0.0.0/0"
    description = "customers"
  },
  {
    name        = "from-load-balancer"
    group       = "commerce-ingestion-api"
    port        = 8080
    cidr        = "10.20.0.0/16"
    description = "load balancer to the ingestion API"
  },
  {
    name        = "from-load-balancer"
    group       = "commerce-product-service"
    port        = 8080
    cidr        = "10.20.0.0/16"
    description = "load balancer to the product service"
  },
  {
    name        = "from-services"
    group       = "commerce-cache"
    port        = 6379
    cidr        = "10.20.16.0/20"
    description = "services to the cache"
  },
]
