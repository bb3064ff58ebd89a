"""Reading Ansible's output.  The lines are from real runs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deploy.recap import TaskFailure, parse_recap

FAILED = """
TASK [service-images-pull : Pull images for kolla_toolbox] *********************
FAILED - RETRYING: [arm1]: Pull images for kolla_toolbox (3 retries left).
failed: [ctl1] (item=kolla-toolbox) => {"ansible_loop_var": "item", "msg": "No module 'dbus'"}
fatal: [ctl1]: FAILED! => {"changed": false, "msg": "One or more items failed"}

TASK [prechecks : Check NTP] ***************************************************
fatal: [arm1 -> localhost]: FAILED! => {"changed": false, "msg": "No \\"daemon\\"\\nruns."}
fatal: [far]: UNREACHABLE! => {"msg": "Failed to connect", "unreachable": true}

PLAY RECAP *********************************************************************
arm1                       : ok=5    changed=0    unreachable=0    failed=1    skipped=2    rescued=0    ignored=0
ctl1                       : ok=6    changed=1    unreachable=0    failed=1    skipped=2    rescued=0    ignored=0
far                        : ok=0    changed=0    unreachable=1    failed=0    skipped=0    rescued=0    ignored=0
localhost                  : ok=4    changed=0    unreachable=0    failed=0
""".splitlines()  # noqa: E501


def test_hosts_and_failures() -> None:
    recap = parse_recap(FAILED)
    assert [(h.host, h.ok, h.failed, h.unreachable) for h in recap.hosts] == [
        ("arm1", 5, 1, 0),
        ("ctl1", 6, 1, 0),
        ("far", 0, 0, 1),
        ("localhost", 4, 0, 0),
    ]
    assert recap.failures == (
        TaskFailure(
            "ctl1",
            "service-images-pull : Pull images for kolla_toolbox",
            "kolla-toolbox: No module 'dbus'",
        ),
        TaskFailure("arm1", "prechecks : Check NTP", 'No "daemon" runs.'),
        TaskFailure("far", "prechecks : Check NTP", "Failed to connect"),
    )
    table = recap.to_text().splitlines()
    assert table[0].split() == ["host", "ok", "changed", "unreachable", "failed", "skipped"]
    assert table[2].split() == ["ctl1", "6", "1", "0", "1", "2"]


def test_an_ignored_failure_does_not_count() -> None:
    lines = ["TASK [x] ***", 'fatal: [a]: FAILED! => {"msg": "m"}', "...ignoring", "PLAY RECAP **"]
    assert not parse_recap([*lines, "a : ok=1 changed=0 unreachable=0 failed=0"]).failures


@given(st.lists(st.text(max_size=80)))
def test_any_output_is_read(lines: list[str]) -> None:
    parse_recap(lines)
