#!/usr/bin/env bash
# The morning health check of all five systems as their runbooks have it (procedures 000-01, 001-14, 002-01, 003-01):
# commands one after another, one for each thing that is looked at. Where a runbook's command cannot show what its author
# wanted, this is what was meant: `lambda list-functions` has no state, so each function is asked; metrics have the
# dimensions without which there are none, and are asked for one by one as the runbooks do. Names are not resolved and
# throttled tables are not looked at: no runbook does, and what is left out favours this side.
# From outside: AWS_* (endpoint, keys), WEB (address), PG* (server and role), REDIS (host and port) and REDISCLI_AUTH.
set -uo pipefail

WRONG=0
OPERATOR_KEY=$AWS_ACCESS_KEY_ID
OPERATOR_SECRET=$AWS_SECRET_ACCESS_KEY
# For the two services that this version of the AWS CLI sends to their old names whatever AWS_ENDPOINT_URL says.
HERE=(--endpoint-url "$AWS_ENDPOINT_URL")
RIGHT_BACKUP=$(date -d '26 hours ago' +%s)

wrong() { printf 'WRONG: %s\n' "$1"; WRONG=$((WRONG + 1)); }
# is WHAT EXPECTED ACTUAL
is() { if [ "$3" = "$2" ]; then printf '%s: %s\n' "$1" "$3"; else wrong "$1: $3"; fi; }
# at_most WHAT LIMIT ACTUAL; nothing at all is wrong too
at_most() {
  if awk "BEGIN { exit !(\"$3\" != \"\" && $3 + 0 <= $2) }"; then printf '%s: %s\n' "$1" "$3"; else wrong "$1: $3"; fi
}
# age TIMESTAMP: seconds, nothing for what is no time
age() { local then; if then=$(date +%s -d "$1"); then echo $(($(date +%s) - then)); fi; }

# system NAME ACCOUNT REGION: the keys of the next commands
system() {
  printf '== %s\n' "$1"
  ACCOUNT=$2
  export AWS_DEFAULT_REGION=$3 AWS_ACCESS_KEY_ID=$OPERATOR_KEY AWS_SECRET_ACCESS_KEY=$OPERATOR_SECRET
  unset AWS_SESSION_TOKEN
  if [ "$1" = commerce ]; then return; fi
  local keys
  keys=$(aws sts assume-role --role-arn "arn:aws:iam::$2:role/opsbook-operations" --role-session-name health \
    --query '[Credentials.AccessKeyId, Credentials.SecretAccessKey, Credentials.SessionToken]' --output text)
  read -r AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN <<< "$keys"
  export AWS_SESSION_TOKEN
}

# endpoint PATH PATTERN: what an answer must contain
endpoint() { if ! curl -sS --fail -m 10 "$WEB/$1" | tee answer.txt | grep -qE "$2"; then wrong "endpoint $1"; fi; }

services() {
  local cluster=$1
  shift
  is "services of $cluster that are not as desired" 0 "$(aws ecs describe-services --cluster "$cluster" --services "$@" \
    --query 'length(services[?runningCount != desiredCount || length(deployments) != `1`] || failures)' --output text)"
}

targets() {
  local group
  for group in $(aws elbv2 describe-target-groups --query 'TargetGroups[].TargetGroupArn' --output text); do
    is "unhealthy targets of ${group##*:}" 0 "$(aws elbv2 describe-target-health --target-group-arn "$group" --output text \
      --query 'length(TargetHealthDescriptions[?TargetHealth.State != `healthy`])')"
  done
}

# functions PREFIX
functions() {
  local function
  for function in $(aws lambda list-functions --output text \
    --query "Functions[?starts_with(FunctionName, '$1')].FunctionName"); do
    is "function $function" Active \
      "$(aws lambda get-function-configuration --function-name "$function" --query State --output text)"
  done
}

# metric STATISTIC MINUTES NAMESPACE NAME DIMENSION...: one number, nothing where there is no data
metric() {
  local statistic=$1 minutes=$2 namespace=$3 name=$4
  shift 4
  aws cloudwatch get-metric-statistics --namespace "$namespace" --metric-name "$name" --dimensions "$@" \
    --statistics "$statistic" --period $((minutes * 60)) --start-time "$(date -u -d "$minutes minutes ago" +%FT%TZ)" \
    --end-time "$(date -u +%FT%TZ)" --query "Datapoints[].$statistic | [0]" --output text | sed 's/^None$//'
}

# error_rate NAMESPACE ERRORS REQUESTS DIMENSION...: of the last hour
error_rate() {
  local namespace=$1 errors=$2 requests=$3
  shift 3
  errors=$(metric Sum 60 "$namespace" "$errors" "$@")
  requests=$(metric Sum 60 "$namespace" "$requests" "$@")
  at_most "error rate" 0.01 "$(awk "BEGIN { if (${requests:-0} + 0) print ${errors:-0} / $requests; else print 0 }")"
}

tables() {
  local table capacity
  for table in "$@"; do
    is "table $table" ACTIVE "$(aws dynamodb describe-table --table-name "$table" --query Table.TableStatus --output text)"
    for capacity in Read Write; do
      at_most "consumed by $table" 32000 \
        "$(metric Sum 15 AWS/DynamoDB "Consumed${capacity}CapacityUnits" "Name=TableName,Value=$table" |
          awk '{ print $1 / 900 }')"
    done
    at_most "new backups missing of $table" 0 "$(aws dynamodb list-backups --table-name "$table" --output text \
      --time-range-lower-bound "$RIGHT_BACKUP" --query 'length(BackupSummaries) == `0` && `1` || `0`')"
  done
}

# queues LIMIT NAME...: depth, age where there is a message to have one, and what nobody could work off
queues() {
  local limit=$1 queue waiting age
  shift
  for queue in "$@"; do
    waiting=$(depth "$queue")
    at_most "depth of $queue" "$limit" "$waiting"
    age=$(metric Maximum 15 AWS/SQS ApproximateAgeOfOldestMessage "Name=QueueName,Value=$queue")
    if [ "$waiting" != 0 ]; then at_most "age in $queue" 900 "$age"; fi
    at_most "dead letters of $queue" 0 "$(depth "$queue-dead-letters")"
  done
}
depth() {
  aws sqs get-queue-attributes "${HERE[@]}" --queue-url "$AWS_ENDPOINT_URL/$ACCOUNT/$1" \
    --attribute-names ApproximateNumberOfMessages --query Attributes.ApproximateNumberOfMessages --output text
}

caches() {
  is "cache clusters that are not available" 0 "$(aws elasticache describe-cache-clusters --output text \
    --query 'length(CacheClusters[?CacheClusterStatus != `available`])')"
}

# files BUCKET PREFIX: the newest is there and new
files() {
  at_most "age of the newest in $1/$2" $((26 * 3600)) \
    "$(age "$(aws s3api list-objects-v2 --bucket "$1" --prefix "$2" --output text --query 'max(Contents[].LastModified)')")"
}

# alarms PREFIX, or none for those of all names
alarms() {
  is "alarms" 0 "$(aws cloudwatch describe-alarms ${1:+--alarm-name-prefix "$1"} --state-value ALARM \
    --alarm-types MetricAlarm CompositeAlarm --query 'length([MetricAlarms, CompositeAlarms][])' --output text)"
}

database() {
  at_most "connections of $1, percent" 80 "$(psql -d "$1" -XAtc \
    "SELECT 100 * count(*) / current_setting('max_connections')::int FROM pg_stat_activity")"
  at_most "sessions of $1 that wait or hold up" 0 "$(psql -d "$1" -XAtc \
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND (cardinality(pg_blocking_pids(pid)) > 0
      OR state LIKE 'idle in%' AND state_change < now() - interval '5 min' OR xact_start < now() - interval '1 h')")"
}

# redis NUMBER of its database
redis() {
  if ! command -v redis-cli > said.txt; then printf 'skipped: redis-cli is not installed\n'; return; fi
  redis-cli -h "${REDIS%:*}" -p "${REDIS#*:}" -n "$1" --no-auth-warning info | tr -d '\r' > info.txt
  grep instantaneous_ops_per_sec info.txt
  at_most "memory of Redis" 0.9 \
    "$(awk -F: '$1 == "used_memory" { used = $2 } $1 == "maxmemory" { print used / $2 }' info.txt)"
  at_most "clients of Redis" 0.8 \
    "$(awk -F: '$1 == "connected_clients" { used = $2 } $1 == "maxclients" { print used / $2 }' info.txt)"
}

system commerce 123456789012 us-east-1
endpoint commerce/api/health '"status": *"ok"'
endpoint commerce/products/health '"status": *"ok"'
services production-cluster ingestion-api product-service
targets
functions tiktok-commerce-
tables tiktok-commerce-{products,videos,clicks,creators,links,orders}-prod
caches
queues 100 tiktok-commerce-video-jobs tiktok-commerce-link-events
alarms production-
for service in ingestion-api product-service; do
  at_most "CPU of $service" 90 \
    "$(metric Average 60 AWS/ECS CPUUtilization Name=ClusterName,Value=production-cluster "Name=ServiceName,Value=$service")"
done
error_rate AWS/ApplicationELB HTTPCode_Target_5XX_Count RequestCount Name=LoadBalancer,Value=app/commerce/50dc6c495c0c9188
files tiktok-commerce-backups terraform/
files tiktok-commerce-backups exports/

system analytics 234567890123 us-east-1
endpoint analytics/health '"status": *"ok"'
endpoint analytics/health/ready '"status": *"ok"'
endpoint analytics/api/jobs '^[{]"status": *"ok"'
services social-analytics-cluster backend-service frontend-service scheduler-service collector-service report-service
targets
functions social-analytics-
is "databases that are not available" 0 "$(aws rds describe-db-instances "${HERE[@]}" --output text \
  --query 'length(DBInstances[?DBInstanceStatus != `available`])')"
for instance in social-analytics-db social-analytics-reports; do
  at_most "storage missing to 10 GiB on $instance" 0 "$(metric Average 15 AWS/RDS FreeStorageSpace \
    "Name=DBInstanceIdentifier,Value=$instance" | awk '{ print 10 * 1024 ^ 3 - $1 }')"
  at_most "age of the newest snapshot of $instance" $((26 * 3600)) "$(age "$(aws rds describe-db-snapshots --output text \
    "${HERE[@]}" --db-instance-identifier "$instance" \
    --query 'max(DBSnapshots[?Status == `available`].SnapshotCreateTime)')")"
done
database analytics
redis 0
caches
queues 500 social-analytics-collect social-analytics-reports
alarms production-
at_most "CPU of the backend" 90 "$(metric Average 60 AWS/ECS CPUUtilization \
  Name=ClusterName,Value=social-analytics-cluster Name=ServiceName,Value=backend-service)"
at_most "CPU of the database" 90 \
  "$(metric Average 60 AWS/RDS CPUUtilization Name=DBInstanceIdentifier,Value=social-analytics-db)"
at_most "evictions of the cache" 1000 "$(metric Sum 60 AWS/ElastiCache Evictions \
  Name=CacheClusterId,Value=social-analytics-redis Name=CacheNodeId,Value=0001)"
error_rate AWS/ApplicationELB HTTPCode_Target_5XX_Count RequestCount \
  Name=LoadBalancer,Value=app/social-analytics/50dc6c495c0c9188
files social-analytics-exports exports/

system metering 345678901234 eu-west-1
endpoint metering/health '"status": *"healthy"'
services ioanyt-prod delivery-standard delivery-priority usage-aggregator quota-service invoice-export
targets
functions ioanyt-
tables ioanyt-{usage-events,usage-totals,customers,quotas,invoices,api-keys}-prod
queues 1000 ioanyt-usage-events
alarms
at_most "CPU of delivery-standard" 90 "$(metric Average 60 AWS/ECS CPUUtilization \
  Name=ClusterName,Value=ioanyt-prod Name=ServiceName,Value=delivery-standard)"
balancer=Name=LoadBalancer,Value=app/delivery-standard-prod/50dc6c495c0c9188
at_most "response time" 1 "$(metric Average 60 AWS/ApplicationELB TargetResponseTime "$balancer")"
error_rate AWS/ApplicationELB HTTPCode_Target_5XX_Count RequestCount "$balancer"
files ioanyt-usage-archive usage/

system media 456789012345 eu-central-1
endpoint media/api/health '"status": *"ok"'
endpoint media/api/admin/queues/stats '^[{]"status": *"ok"'
endpoint media/metrics http_requests_total
functions media-search-
database media
redis 1
queues 1000 media-{processing,embeddings,thumbnails,notifications}
alarms media-
at_most "CPU of the host" 80 "$(metric Average 60 MediaSearch CPUUtilization Name=Host,Value=media-host-1)"
at_most "memory of the host" 90 "$(metric Average 60 MediaSearch MemoryUtilization Name=Host,Value=media-host-1)"
error_rate MediaSearch HttpErrors HttpRequests Name=Host,Value=media-host-1
files media-search-backups postgres/
files media-search-backups media/

system reviews 567890123456 us-west-2
endpoint reviews/api/reviews '"id": *"demo"'
endpoint reviews/ '<h1>reviews'
functions reviews-
tables reviews-prod reviews-{products,users,ratings,votes,reports,images,sessions}-prod
queues 500 reviews-moderation
is "distributions that are not deployed" 0 "$(aws cloudfront list-distributions --output text \
  --query 'length(DistributionList.Items[?Status != `Deployed` || !Enabled])')"
alarms reviews-
at_most "duration of the list" 3000 "$(metric Average 60 AWS/Lambda Duration Name=FunctionName,Value=reviews-list)"
error_rate AWS/ApiGateway 5xx Count Name=ApiId,Value=a1l69g19s9
files reviews-backups export/

[ "$WRONG" = 0 ] || { printf '%s things are wrong\n' "$WRONG"; exit 1; }
printf 'All is well\n'
