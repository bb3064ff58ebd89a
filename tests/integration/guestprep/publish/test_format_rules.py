"""What is refused for its format, compared with Glance's own code and with a Glance."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path
from typing import Any

import openstack
import pytest

from core.run import run
from guestprep.publish import format_rules
from kollarm.services.openstack_tools import tools
from tests.support.boot_sector import PROTECTIVE, boot_sector, entry

pytestmark = pytest.mark.integration

#: Reads pairs of a format and an image's beginning, and tells of each whether it is accepted.
JUDGE = """
import json, sys
from oslo_utils.imageutils import format_inspector as inspector
rules = {"qcow2": inspector.QcowInspector, "raw": inspector.GPTInspector}
for line in sys.stdin:
    kind, head = json.loads(line)
    looked = rules[kind]()
    looked.eat_chunk(bytes.fromhex(head))
    looked.finish()
    try:
        if looked.format_match:
            looked.safety_check()
        print("accepted")
    except inspector.SafetyCheckFailed:
        print("refused")
"""


def beginnings() -> list[tuple[str, bytes]]:
    """The beginnings of disks, most of them with a few changed bytes in what matters."""
    chosen = random.Random(12)
    usual = [
        ("raw", boot_sector(entry(), entry(flag=0x80))),
        ("raw", boot_sector(PROTECTIVE)),
        ("raw", boot_sector(PROTECTIVE, entry())),
        ("raw", boot_sector()),
        ("qcow2", (b"QFI\xfb\0\0\0\x03" + bytes(96)).ljust(512, b"\0")),
        ("qcow2", (b"QFI\xfb\0\0\0\x02" + bytes(64)).ljust(512, b"\xff")),
    ]
    result = list(usual)
    for _ in range(4000):
        kind, head = chosen.choice(usual)
        changed = bytearray(head)
        places = [*range(72, 80)] if kind == "qcow2" else [0x10, 0x15, *range(446, 512)]
        for place in chosen.sample(places, chosen.randint(1, 3)):
            changed[place] = chosen.choice([0, 1, 2, 0x10, 0x80, 0xEE, 0xF8, chosen.randrange(256)])
        result.append((kind, bytes(changed)))
    return result


def test_glances_own_code_refuses_the_same() -> None:
    made = beginnings()
    lines = "\n".join(json.dumps([kind, head.hex()]) for kind, head in made)
    theirs = run([tools() / "bin" / "python", "-c", JUDGE], stdin=lines.encode()).stdout.split()
    ours = ["refused" if format_rules.fault(*one) else "accepted" for one in made]
    assert len(theirs) == len(made)
    assert [one for one in zip(made, theirs, ours, strict=True) if one[1] != one[2]] == []
    assert {"refused", "accepted"} == set(ours)


@pytest.mark.parametrize("kind", ["qcow2", "raw"])
def test_glance_takes_all_of_it_and_then_refuses(
    connection: Any, tmp_path: Path, kind: str
) -> None:
    disk = tmp_path / "disk"
    if kind == "raw":
        disk.write_bytes(boot_sector(PROTECTIVE, entry()).ljust(1 << 20, b"\0"))
    else:
        subprocess.run(
            ["qemu-img", "create", "-q", "-f", "qcow2", "-o", "extended_l2=on", disk, "1M"],
            check=True,
        )
    assert format_rules.fault(kind, disk.read_bytes()[:512])
    with pytest.raises(openstack.exceptions.SDKException, match="415"):
        connection.image.create_image(
            f"refused-{kind}", filename=str(disk), disk_format=kind, container_format="bare"
        )
