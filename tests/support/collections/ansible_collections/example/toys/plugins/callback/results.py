"""Writes every result to a file as core's own encoder keeps it: types, warnings and trust in templates included."""

from __future__ import annotations

import json
import os

from ansible.module_utils.common.json import get_encoder
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: results
type: notification
short_description: Write every result to a file
description: For tests that compare results.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "example.toys.results"
    CALLBACK_NEEDS_ENABLED = True

    def v2_runner_on_ok(self, result):
        self._write("ok", result)

    def v2_runner_on_skipped(self, result):
        self._write("skipped", result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._write("failed", result)

    def _write(self, status, result):
        line = {"status": status, "host": result.host.name, "task": result.task.get_name(),
                "result": json.loads(json.dumps(_whole(result), cls=get_encoder("cache_persistence")))}
        with open(os.environ["TOYS_RESULTS"], "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def _whole(result):
    """What a playbook registers. The public `result` is simplified for display and, under no_log, censored."""
    if "censored" in result.result:
        return result.result
    if hasattr(result, "_return_data"):
        return result._return_data
    return result._CallbackTaskResult__utr.as_result_dict(for_round_trip=True)  # ansible-core 2.21
