"""DescribeAlarms as AWS has it: all filters together, in pages. Source: CloudWatch API reference (DescribeAlarms)."""

from __future__ import annotations

from typing import Any

from moto.cloudwatch.exceptions import CloudWatchException, ValidationError
from moto.cloudwatch.models import Alarm
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult

from lab.aws.paging import BadToken, page_of

_PAGE = 50
_LARGEST_PAGE = 100


def invalid_token() -> CloudWatchException:
    """The refusal of a paging token that was never given out."""
    return CloudWatchException("InvalidNextToken", "The next token is invalid.")


def install() -> None:
    """Rebind moto's DescribeAlarms."""
    CloudWatchResponse.describe_alarms = _describe_alarms


def _describe_alarms(self: CloudWatchResponse) -> ActionResult:
    names, prefix = self._get_param("AlarmNames", []), self._get_param("AlarmNamePrefix")
    if names and prefix:
        raise ValidationError("You cannot specify both AlarmNames and AlarmNamePrefix.")
    size = int(self._get_param("MaxRecords") or _PAGE)
    if not 1 <= size <= _LARGEST_PAGE or len(names) > _LARGEST_PAGE:
        raise ValidationError(f"MaxRecords and the number of AlarmNames must be within 1 and {_LARGEST_PAGE}.")
    # Without AlarmTypes only metric alarms are described, also where a composite one is named.
    types = self._get_param("AlarmTypes", []) or ["MetricAlarm"]
    alarms = sorted(self.cloudwatch_backend.describe_alarms(), key=lambda alarm: str(alarm.name))
    found = [alarm for alarm in alarms if _type(alarm) in types and _matches(alarm, self)]
    try:
        page, token = page_of(found, size, self._get_param("NextToken"), lambda alarm: str(alarm.name))
    except BadToken as error:
        raise invalid_token() from error
    answer: dict[str, Any] = {
        "MetricAlarms": [alarm for alarm in page if _type(alarm) == "MetricAlarm"],
        "CompositeAlarms": [alarm for alarm in page if _type(alarm) == "CompositeAlarm"],
        "NextToken": token,
    }
    return ActionResult(answer)


def _type(alarm: Alarm) -> str:
    return "MetricAlarm" if alarm.rule is None else "CompositeAlarm"


def _matches(alarm: Alarm, request: CloudWatchResponse) -> bool:
    names, state = request._get_param("AlarmNames", []), request._get_param("StateValue")
    action_prefix = request._get_param("ActionPrefix")
    actions = [*alarm.alarm_actions, *alarm.ok_actions, *alarm.insufficient_data_actions]
    return (
        (not names or alarm.name in names)
        and alarm.name.startswith(request._get_param("AlarmNamePrefix") or "")
        and (not state or alarm.state_value == state)
        and (not action_prefix or any(action.startswith(action_prefix) for action in actions))
    )
