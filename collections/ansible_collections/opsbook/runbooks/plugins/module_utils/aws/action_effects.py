# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which AWS actions change something: the one table behind check mode's promise and the lab's audit log.

Only reads are listed. An action that is not listed counts as changing, so that a new call is suspicious until
somebody has looked at it. Decided explicitly, because their names do not tell:

* `sts:AssumeRole` hands out credentials and changes no resource: a read.
* `logs:StartQuery`, `logs:StopQuery` evaluate a query and change no resource: reads.
* `lambda:Invoke` runs code that may do anything: changing.
* `secretsmanager:GetRandomPassword` stores nothing: a read.
* `ecs:ExecuteCommand` runs a command in a container: changing.
"""

from __future__ import annotations

READS: dict[str, frozenset[str]] = {
    "acm": frozenset({"DescribeCertificate", "GetCertificate", "ListCertificates"}),
    "application-autoscaling": frozenset({
        "DescribeScalableTargets", "DescribeScalingActivities", "DescribeScalingPolicies", "DescribeScheduledActions",
    }),
    "cloudfront": frozenset({"GetDistribution", "ListDistributions"}),
    "cloudtrail": frozenset({"DescribeTrails", "GetTrailStatus", "LookupEvents"}),
    "cloudwatch": frozenset({
        "DescribeAlarmHistory", "DescribeAlarms", "DescribeAlarmsForMetric", "GetDashboard", "GetMetricData",
        "GetMetricStatistics", "ListDashboards", "ListMetrics",
    }),
    "dynamodb": frozenset({
        "BatchGetItem", "DescribeBackup", "DescribeContinuousBackups", "DescribeExport", "DescribeLimits",
        "DescribeTable", "DescribeTimeToLive", "GetItem", "ListBackups", "ListExports", "ListTables",
        "ListTagsOfResource", "Query", "Scan",
    }),
    "ec2": frozenset({
        "DescribeInstanceStatus", "DescribeInstances", "DescribeNetworkInterfaces", "DescribeSecurityGroupRules",
        "DescribeSecurityGroups", "DescribeSubnets", "DescribeVpcs",
    }),
    "ecs": frozenset({
        "DescribeClusters", "DescribeServiceDeployments", "DescribeServiceRevisions", "DescribeServices",
        "DescribeTaskDefinition", "DescribeTaskSets", "DescribeTasks", "ListClusters", "ListServiceDeployments",
        "ListServices", "ListTagsForResource", "ListTaskDefinitionFamilies", "ListTaskDefinitions", "ListTasks",
    }),
    "elasticache": frozenset({
        "DescribeCacheClusters", "DescribeCacheParameterGroups", "DescribeCacheParameters", "DescribeEvents",
        "DescribeReplicationGroups", "DescribeSnapshots",
    }),
    "elbv2": frozenset({
        "DescribeListeners", "DescribeLoadBalancerAttributes", "DescribeLoadBalancers", "DescribeRules",
        "DescribeTargetGroupAttributes", "DescribeTargetGroups", "DescribeTargetHealth",
    }),
    "events": frozenset({"DescribeRule", "ListRules", "ListTargetsByRule"}),
    "lambda": frozenset({
        "GetAccountSettings", "GetAlias", "GetEventSourceMapping", "GetFunction", "GetFunctionConcurrency",
        "GetFunctionConfiguration", "GetPolicy", "GetProvisionedConcurrencyConfig", "ListAliases",
        "ListEventSourceMappings", "ListFunctions", "ListProvisionedConcurrencyConfigs", "ListTags",
        "ListVersionsByFunction",
    }),
    "logs": frozenset({
        "DescribeLogGroups", "DescribeLogStreams", "DescribeMetricFilters", "DescribeQueries",
        "DescribeSubscriptionFilters", "FilterLogEvents", "GetLogEvents", "GetQueryResults", "ListTagsForResource",
        "ListTagsLogGroup", "StartQuery", "StopQuery",
    }),
    "rds": frozenset({
        "DescribeDBClusterSnapshots", "DescribeDBInstances", "DescribeDBSnapshots", "DescribeEvents",
        "DescribePendingMaintenanceActions",
    }),
    "route53": frozenset({
        "GetChange", "GetHealthCheckStatus", "GetHostedZone", "ListHostedZones", "ListResourceRecordSets", "TestDNSAnswer",
    }),
    "s3": frozenset({
        "GetBucketLocation", "GetBucketLogging", "GetBucketVersioning", "GetObject", "HeadBucket", "HeadObject",
        "ListBuckets", "ListObjectVersions", "ListObjects", "ListObjectsV2",
    }),
    "secretsmanager": frozenset({
        "BatchGetSecretValue", "DescribeSecret", "GetRandomPassword", "GetResourcePolicy", "GetSecretValue",
        "ListSecretVersionIds", "ListSecrets",
    }),
    "sns": frozenset({"GetTopicAttributes", "ListSubscriptions", "ListSubscriptionsByTopic", "ListTopics"}),
    "sqs": frozenset({"GetQueueAttributes", "GetQueueUrl", "ListDeadLetterSourceQueues", "ListQueues"}),
    "sts": frozenset({"AssumeRole", "GetCallerIdentity", "GetSessionToken"}),
}


def is_changing(service: str, action: str) -> bool:
    """Tell whether an AWS call changes anything.

    :param service: the service's name as boto3 spells it (`ecs`, `logs`, `elbv2`)
    :param action: the operation's name as the API spells it (`UpdateService`)
    :returns: False only for a listed read
    """
    return action not in READS.get(service, frozenset())
