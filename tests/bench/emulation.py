"""Which programs an emulated build spends its time in: ``python -m tests.bench.emulation``.

It looks at the processes of build steps again and again until it is interrupted, or for a number
of seconds, and prints the processor time of each program, emulated or native, in all builds of
the machine's engine.  What starts and ends between two looks is missed.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from builder.native.root import MOUNT

#: Seconds between two looks.
PAUSE = 0.03
#: qemu as it runs a program, not a machine.
QEMU = re.compile(r"/qemu-(?!system)[\w.]+(-static)?$")
#: The interpreters whose script says more than their name.
INTERPRETERS = ("python3", "perl", "sh", "bash", "dash")


def program(exe: str, words: list[str]) -> str | None:
    """A program of a build step by kind and name; None for one of the machine itself.

    :param exe: the file that runs, as ``/proc/PID/exe`` says.
    :param words: its command line; the kernel starts qemu with the program's path in front
        (binfmt_misc's flag P).
    """
    if QEMU.search(exe):
        kind, path, words = "emulated", words[1] if len(words) > 1 else "?", words[2:]
    elif exe.startswith(f"{MOUNT}/"):
        kind, path = "native", exe
    else:
        return None
    name = Path(path).name
    if name.startswith(INTERPRETERS):
        return f"{kind} {name} {_script(words[1:])}".rstrip()
    return f"{kind} {name}"


def _script(words: list[str]) -> str:
    """What an interpreter runs: its module or script, without further words."""
    for number, word in enumerate(words):
        if number and words[number - 1] in ("-W", "-X"):
            continue
        if word == "-m":
            return f"-m {' '.join(words[number + 1 : number + 2])}"
        if word in ("-c", "-e", "-ec", "-o"):
            return word
        if word and not word.startswith("-"):
            return Path(word).name
    return ""


def looks(end: float, only: str | None = None) -> Iterator[dict[tuple[str, str], tuple[str, int]]]:
    """Each look: (process, its start) → (its program, its processor time in ticks).

    :param only: builds ``with`` native tools, or ``without``.
    """
    while time.monotonic() < end:
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                exe = str((folder / "exe").readlink())
                if not (QEMU.search(exe) or exe.startswith(MOUNT)):
                    continue
                if only and (folder / f"root{MOUNT}/ld.so").exists() != (only == "with"):
                    continue
                words = (folder / "cmdline").read_text(errors="replace").split("\0")[:-1]
                fields = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
            except OSError:  # ended meanwhile, or one of the kernel's own
                continue
            if name := program(exe, words):
                found[folder.name, fields[19]] = name, int(fields[11]) + int(fields[12])
        yield found
        time.sleep(PAUSE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--least", type=float, default=1, help="percent that a program must have")
    parser.add_argument(
        "--only", choices=["with", "without"], help="builds with native tools or not"
    )
    arguments = parser.parse_args()
    # a shell's background job begins with the interrupt ignored
    signal.signal(signal.SIGINT, signal.default_int_handler)
    spent: Counter[str] = Counter()
    before: dict[tuple[str, str], int] = {}
    try:
        for found in looks(time.monotonic() + arguments.seconds, arguments.only):
            for process, (name, ticks) in found.items():
                spent[name] += ticks - before.get(process, 0)
            before = {process: ticks for process, (_, ticks) in found.items()}
    except KeyboardInterrupt:
        pass
    total = sum(spent.values()) or 1
    print(f"{total / os.sysconf('SC_CLK_TCK'):.0f} s of processor time")
    for name, ticks in spent.most_common():
        if ticks / total >= arguments.least / 100:
            print(f"{100 * ticks / total:5.1f} %  {name}")


if __name__ == "__main__":
    main()
