#!/usr/bin/env bash
# The weekly maintenance of the commerce system as its runbook has it (procedure 000-09): commands one after another.
# Where the runbook's command is wrong or dangerous, this is what its author meant, in the fewest calls that are correct:
# the versions that something serves stay, as do the newest three; a rotation is awaited; only log groups that nobody
# writes to go, every other gets a retention; Terraform applies the plan that was shown, with its variables.
# From outside: AWS_* (endpoint, region, keys), WEB and SLACK (addresses), PROJECT (the Terraform configuration).
set -euo pipefail

CLUSTER=production-cluster
SERVICES=(ingestion-api product-service)
TABLES=(tiktok-commerce-{products,videos,clicks,creators,links,orders}-prod)
SECRETS=(tiktok-commerce/api-keys tiktok-commerce/webhook-signing)
KEEP=3

say() { printf '== %s\n' "$1"; }
fail() { printf 'FAILED: %s\n' "$1" >&2; exit 1; }
notice() { curl -sS --fail -o answer.txt -X POST -H 'Content-type: application/json' -d "{\"text\": \"$1\"}" "$SLACK"; }

healthy() {
  local path function
  for path in api/health products/health; do
    curl -sS --fail -o answer.txt "$WEB/commerce/$path"
  done
  [ "$(aws ecs describe-services --cluster $CLUSTER --services "${SERVICES[@]}" --output text \
    --query 'length(services[?runningCount != desiredCount || length(deployments) != `1`])')" = 0 ] || fail "a service"
  for function in "${FUNCTIONS[@]}"; do
    [ "$(aws lambda get-function-configuration --function-name "$function" --query State --output text)" = Active ] ||
      fail "$function"
  done
  [ "$(aws cloudwatch describe-alarms --alarm-name-prefix production- --state-value ALARM --output text \
    --query 'length(MetricAlarms)')" = 0 ] || fail "an alarm"
}

metrics() {
  local service
  for service in "${SERVICES[@]}"; do
    aws cloudwatch get-metric-statistics --namespace AWS/ECS --metric-name CPUUtilization --statistics Average \
      --period 300 --start-time "$(date -u -d '30 minutes ago' +%FT%TZ)" --end-time "$(date -u +%FT%TZ)" \
      --dimensions "Name=ClusterName,Value=$CLUSTER" "Name=ServiceName,Value=$service" \
      --query 'Datapoints[].Average' --output text
  done
}

say "Pre-checks"
mapfile -t FUNCTIONS < <(aws lambda list-functions --output text \
  --query 'Functions[?starts_with(FunctionName, `tiktok-commerce-`)].[FunctionName]')
for table in "${TABLES[@]}"; do
  [ "$(aws dynamodb list-backups --table-name "$table" --time-range-lower-bound "$(date -d '24 hours ago' +%s)" \
    --query 'length(BackupSummaries)' --output text)" != 0 ] || fail "no backup of $table"
done
healthy
metrics
notice "Starting the weekly maintenance"

say "Services"
for service in "${SERVICES[@]}"; do
  aws ecs update-service --cluster $CLUSTER --service "$service" --force-new-deployment \
    --query service.serviceName --output text
done
aws ecs wait services-stable --cluster $CLUSTER --services "${SERVICES[@]}"
# Stable after the circuit breaker went back is stable too.
[ "$(aws ecs describe-services --cluster $CLUSTER --services "${SERVICES[@]}" --output text \
  --query 'length(services[?deployments[0].rolloutState != `COMPLETED`])')" = 0 ] || fail "a deployment"

say "Old versions"
for function in "${FUNCTIONS[@]}"; do
  versions=$(aws lambda list-versions-by-function --function-name "$function" --output text \
    --query 'Versions[?Version != `$LATEST`].[Version]' | sort -n)
  if [ "$(wc -w <<< "$versions")" -le $KEEP ]; then continue; fi
  {
    tail -n $KEEP <<< "$versions"
    aws lambda list-aliases --function-name "$function" --output text \
      --query 'Aliases[].[FunctionVersion, keys(not_null(RoutingConfig.AdditionalVersionWeights, `{}`))][]' | tr '\t' '\n'
    aws lambda list-provisioned-concurrency-configs --function-name "$function" --output text \
      --query 'ProvisionedConcurrencyConfigs[].[FunctionArn]' | sed 's/.*://'
    aws lambda list-event-source-mappings --output text --query "EventSourceMappings[].[FunctionArn]" |
      sed -n "s/.*:function:$function://p"
  } | sort -u > kept.txt
  for version in $(grep -vxF -f kept.txt <<< "$versions"); do
    aws lambda delete-function --function-name "$function" --qualifier "$version"
  done
done

say "Secrets"
for secret in "${SECRETS[@]}"; do
  wanted=$(aws secretsmanager rotate-secret --secret-id "$secret" --query VersionId --output text)
  for _attempt in {1..60}; do
    stages=$(aws secretsmanager describe-secret --secret-id "$secret" --output text \
      --query "join(',', VersionIdsToStages.\"$wanted\")")
    if [[ $stages == *AWSCURRENT* ]]; then break; fi
    sleep 1
  done
  [[ $stages == *AWSCURRENT* ]] || fail "the rotation of $secret"
done

say "Log groups"
now=$(date +%s)
aws logs describe-log-groups --output text \
  --query 'logGroups[].[logGroupName, not_null(retentionInDays, `0`), creationTime]' > groups.txt
while read -r group retention created; do
  case $group in
    /ecs/tiktok-commerce-audit) ;;
    /ecs/old-* | /ecs/tiktok-commerce-*)
      last=$(aws logs describe-log-streams --log-group-name "$group" --output text \
        --query 'max(logStreams[].lastEventTimestamp)' < /dev/null)
      if [ "$last" = None ]; then last=$created; fi
      kept=$retention
      if [ "$kept" = 0 ]; then kept=30; fi
      if [ $((now - last / 1000)) -gt $(((kept + 1) * 86400)) ]; then
        aws logs delete-log-group --log-group-name "$group" < /dev/null
        continue
      fi ;;
  esac
  if [ "$retention" != 0 ]; then continue; fi
  case $group in
    /aws/lambda/*) days=14 ;;
    /aws/apigateway/*) days=90 ;;
    /ecs/tiktok-commerce-audit) days=365 ;;
    *) days=30 ;;
  esac
  aws logs put-retention-policy --log-group-name "$group" --retention-in-days $days < /dev/null
done < groups.txt

say "Terraform"
if terraform=$(command -v terraform || command -v tofu); then
  "$terraform" -chdir="$PROJECT" init -input=false -no-color
  "$terraform" -chdir="$PROJECT" plan -input=false -no-color -var-file=production.tfvars -out=weekly.tfplan
  "$terraform" -chdir="$PROJECT" apply -input=false -no-color weekly.tfplan
else
  echo "skipped: neither terraform nor tofu is installed"
fi

say "Verification"
healthy
for path in api/links/demo products/products/demo; do
  curl -sS --fail -o answer.txt "$WEB/commerce/$path"
done
metrics
notice "The weekly maintenance is complete"
