"""Ansible callback plugin: one JSON object a line for each event of a run, in $KOLLARM_EVENTS.

Runs in kolla-ansible's own environment, with Ansible 2.9 to today's.  The lines, by "event":

    play         name, hosts: how many
    task         name
    done         host: it finished the task, whichever way
    failed       host, item (of a loop, or null), message, ignored
    unreachable  host, message
    stats        hosts: {name: {"ok": N, "changed": N, ...}}
"""

import json
import os

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: kollarm_events
type: notification
short_description: events of a run as lines of JSON
description: Writes the results of tasks to a file, for kollarm deploy.
"""

COUNTS = ("ok", "changed", "dark", "failures", "skipped", "rescued", "ignored")


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "kollarm_events"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        path = os.environ.get("KOLLARM_EVENTS")
        if path:
            self.stream = open(path, "a", encoding="utf-8", errors="replace")  # noqa: SIM115
        else:
            self.disabled = True

    def write(self, event, **values):
        self.stream.write(json.dumps(dict(values, event=event)) + "\n")
        self.stream.flush()

    def v2_playbook_on_play_start(self, play):
        try:
            hosts = len(play.get_variable_manager()._inventory.get_hosts(play.hosts))
        except Exception:  # a private attribute, for the progress line alone
            hosts = 0
        self.write("play", name=play.get_name(), hosts=hosts)

    def v2_playbook_on_task_start(self, task, is_conditional):
        self.write("task", name=task.get_name())

    def v2_playbook_on_handler_task_start(self, task):
        self.write("task", name=task.get_name())

    def _done(self, result):
        self.write("done", host=result._host.get_name())

    def v2_runner_on_ok(self, result):
        self._done(result)

    def v2_runner_on_skipped(self, result):
        self._done(result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._failed(result, ignore_errors)
        self._done(result)

    def v2_runner_item_on_failed(self, result):
        values = result._result
        item = values.get("_ansible_item_label", values.get("item"))
        # an item of a nested loop is the whole result of another task
        named = str(item) if isinstance(item, (str, int, float)) else "an item"
        self._failed(result, bool(result._task.ignore_errors), named)

    def v2_runner_on_unreachable(self, result):
        name = result._host.get_name()
        self.write("unreachable", host=name, message=message(result._result))
        self._done(result)

    def _failed(self, result, ignored, item=None):
        self.write(
            "failed",
            host=result._host.get_name(),
            item=item,
            message=message(result._result),
            ignored=bool(ignored),
        )

    def v2_playbook_on_stats(self, stats):
        self.write(
            "stats",
            hosts={
                host: {name: getattr(stats, name, {}).get(host, 0) for name in COUNTS}
                for host in sorted(stats.processed)
            },
        )


def message(values):
    """What a person needs of a failed task's result; no_log has censored it already."""
    text = str(values.get("censored") or values.get("msg") or values.get("reason") or "")
    # of a command, the message alone says "non-zero return code"
    for name in ("stderr", "module_stderr", "stdout", "module_stdout"):
        if "rc" in values and values.get(name):
            return text + ": " + str(values[name])[-2000:]
    return text
