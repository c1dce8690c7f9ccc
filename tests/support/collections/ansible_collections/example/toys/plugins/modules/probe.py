#!/usr/bin/python
"""Says what a module sees of its process, and returns, raises and spoils what it is told to."""

from __future__ import annotations

import datetime
import os
import signal
import sys

from ansible.module_utils.basic import AnsibleModule

ODDITIES = {
    "bytes": b"caf\xc3\xa9",
    "moment": datetime.datetime(2026, 11, 21, 2, 0, tzinfo=datetime.UTC),
    "day": datetime.date(2026, 11, 21),
    "set": {"one"},
    "tuple": (1, 2.5, None, True),
    "template": "{{ 1 + 1 }}",
    "nested": [{"deep": "{% raw %}{{ lookup('pipe', 'id') }}"}],
    "keys": {7: "a key that is no text"},
    "text": "ünïcödé \u2028 \x07",
    "stdout": "one\ntwo\n",
}


def main():
    module = AnsibleModule(
        argument_spec={
            "show": {"type": "list", "elements": "str", "default": []},
            "given": {"type": "raw"},
            "path": {"type": "path"},
            "secret": {"type": "str", "no_log": True},
            "odd": {"type": "bool", "default": False},
            "warn": {"type": "list", "elements": "str", "default": []},
            "spoil": {"type": "bool", "default": False},
            "ends": {"type": "str", "choices": ["raising", "silently", "returning"]},
        },
        supports_check_mode=True,
    )
    seen = {
        "where": "worker" if "ansible.executor.task_executor" in sys.modules else "process",
        "environment": {name: os.environ.get(name) for name in module.params["show"]},
        "folder": os.getcwd(),
        "umask": os.umask(0o022),
        "interrupt": signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL,
        "check_mode": module.check_mode,
        "diff_mode": module._diff,
        "echo": [module.params["given"], module.params["path"]],
        "no_log": module.no_log,
        "secret_echo": f"<{module.params['secret']}>",
    }
    os.umask(seen["umask"])
    for text in module.params["warn"]:
        module.warn(text)
        module.deprecate(f"old {text}", version="9.0.0", collection_name="example.toys")
    if module.params["spoil"]:
        spoil()
    if module.params["ends"] == "raising":
        raise RuntimeError("raised outside of every handler")
    if module.params["ends"] == "silently":
        sys.exit(3)
    if module.params["ends"] == "returning":
        return
    module.exit_json(changed=False, **(ODDITIES if module.params["odd"] else {}), **seen)



def spoil():
    os.environ["SPOILED"] = "yes"
    os.environ.pop("HOME", None)
    os.chdir("/")
    os.umask(0o007)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


if __name__ == "__main__":
    main()
