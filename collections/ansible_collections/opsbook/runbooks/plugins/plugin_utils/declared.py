# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a system declares in the inventory: all of it can be read, or the system is not begun with.

`X is defined` and `X | default(...)` do not tell a variable that is not there from one whose template does not resolve. A
mistyped name in a template would be taken for "no window", "no freeze", "no tables": checks and protection would vanish
without a word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleError

from ..module_utils.core.errors import Refused

KEYS = (
    "alarm_names", "change_freezes", "cloudfront_distributions", "component_metrics", "dns_records", "dns_server",
    "dynamodb_limits", "dynamodb_tables", "ecs_cluster", "ecs_services", "elasticache_clusters", "expected_account_id",
    "http_endpoints", "investigation_limits", "lambda_functions", "lambda_versions_kept", "log_fields",
    "log_groups_pruned", "log_retention_rules", "maintenance_windows", "metric_checks", "notice_channels",
    "opsbook_aws", "opsbook_environment", "opsbook_lock", "opsbook_postgres", "opsbook_postgres_operator",
    "opsbook_redis", "opsbook_require_guard", "postgres_backup", "postgres_clients", "postgres_idle_limits",
    "postgres_limits", "postgres_maintenance", "postgres_rds_instance", "postgres_restore_test",
    "postgres_retention_rules", "postgres_views", "protected_log_groups", "rds_instances", "redis_limits",
    "rotated_secrets", "s3_backups", "service_map", "smoke_tests", "sqs_queues", "storage_trends", "target_groups",
    "terraform_projects",
)
"""The keys of inventory/schema.json that are not Ansible's own."""


def refuse_unresolved(system: str, variables: Mapping[str, Any], resolve: Callable[[Any], Any]) -> None:
    """Resolve everything that a system declares, and forget it again.

    :param variables: the variables of the host
    :param resolve: a templar's; raises AnsibleError for what it cannot resolve
    :raises Refused: naming each key that cannot be read, and why
    """
    unread = {name: reason for name in KEYS if name in variables and (reason := _unread(variables[name], resolve))}
    if unread:
        raise Refused("read what the inventory declares", system,
                      "; ".join(f"{name}: {reason}" for name, reason in unread.items()),
                      "Mend the inventory or what it looks up, then start again.")


def _unread(value: Any, resolve: Callable[[Any], Any]) -> str:
    """Why a value cannot be read; empty where it can. Templates inside of lists and maps are resolved too."""
    try:
        resolve(value)
    except AnsibleError as error:
        return " ".join(str(error).split()).rstrip(".")
    return ""
