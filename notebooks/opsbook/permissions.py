"""What each function of `opsbook.collect` needs: IAM actions, or rights in a database. Notebooks list what theirs need.

What a reader needs only where the inventory is written otherwise (names with patterns are listed first) is not here: the
service map names everything by its id.
"""

from __future__ import annotations

from collections.abc import Iterable

INSIGHTS = ("logs:StartQuery", "logs:GetQueryResults", "logs:StopQuery")
METRICS = ("cloudwatch:GetMetricData",)
POSTGRES = ("pg_monitor in PostgreSQL",)
"""Of the login of `opsbook_postgres`: with less it sees its own sessions and statements only."""

PERMISSIONS: dict[str, tuple[str, ...]] = {
    "alarms": ("cloudwatch:DescribeAlarms",),
    "api_changes": ("cloudtrail:LookupEvents",),
    "balancers": ("elasticloadbalancing:DescribeLoadBalancers", "elasticloadbalancing:DescribeListeners",
                  "ec2:DescribeSecurityGroups"),
    "cache_clusters": ("elasticache:DescribeCacheClusters", "elasticache:DescribeReplicationGroups"),
    # CONFIG GET where INFO does not tell maxclients.
    "cache_server": ("PING in Redis", "INFO in Redis", "CONFIG GET in Redis"),
    "cache_slowness": ("INFO in Redis", "SLOWLOG GET in Redis"),
    "certificates": (),
    "component_series": METRICS,
    # DescribeServices of those services of which ECS keeps no history.
    "deployments": ("ecs:ListServiceDeployments", "ecs:DescribeServiceRevisions", "ecs:DescribeServices"),
    "endpoints": (),
    "error_line_series": INSIGHTS,
    # FilterLogEvents where Insights is not to be had.
    "error_lines": (*INSIGHTS, "logs:FilterLogEvents"),
    "function_changes": ("lambda:ListVersionsByFunction",),
    "functions": ("lambda:GetFunctionConfiguration", "lambda:GetFunctionConcurrency", "lambda:GetAccountSettings"),
    "insights": INSIGHTS,
    "instances": ("rds:DescribeDBInstances",),
    "metrics_page": (),
    "names": (),
    "providers": (),
    "queues": ("sqs:ListQueues", "sqs:GetQueueAttributes", "sqs:ListDeadLetterSourceQueues"),
    # Metrics where a log has not one line of a request: they tell whether there was any.
    "request_groups": (*INSIGHTS, *METRICS),
    "service_events": ("ecs:DescribeServices",),
    "services": ("ecs:DescribeServices", "ecs:ListTasks", "ecs:DescribeTasks"),
    "sessions": POSTGRES,
    "statements": POSTGRES,
    "statements_lately": POSTGRES,
    "table_statistics": POSTGRES,
    "tables": ("dynamodb:DescribeTable", *METRICS),
    "targets": ("elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeTargetHealth"),
}
"""By function; none for what only uses the network as everybody may."""


def permissions_of(collected: Iterable[str]) -> list[str]:
    """What a notebook needs that calls these functions, each once, in the order of the calls.

    :raises KeyError: for a function that the table does not know
    """
    return list(dict.fromkeys(permission for name in collected for permission in PERMISSIONS[name]))
