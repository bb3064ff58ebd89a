"""Native programs started in place of emulated ones, in a container of another architecture."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.native.root import MOUNT
from core import debian_root
from core.config.model import Architecture
from tests.support.emulated_image import WHICH, InEmulation, emulation, foreign

pytestmark = [pytest.mark.integration, pytest.mark.slow]

NATIVE = f"{MOUNT}/usr/bin/bash"

#: Calls each of the C library's functions that start a program, by a name and from a child each.
CALLS = f"""
import ctypes, os
c = ctypes.CDLL(None)
words = [b"bash", b"-c", {WHICH.encode()!r}]
argv = (ctypes.c_char_p * 4)(*words, None)
envp = (ctypes.c_char_p * 2)(b"PATH=/usr/bin:/bin", None)
path, name = b"/bin/bash", b"bash"
def spawn(function, program):
    pid = ctypes.c_int()
    function(ctypes.byref(pid), program, None, None, argv, envp)
    os.waitpid(pid.value, 0)
calls = dict(
    execve=lambda: c.execve(path, argv, envp),
    execv=lambda: c.execv(path, argv),
    execvp=lambda: c.execvp(name, argv),
    execvpe=lambda: c.execvpe(name, argv, envp),
    execl=lambda: c.execl(path, *words, None),
    execlp=lambda: c.execlp(name, *words, None),
    execle=lambda: c.execle(path, *words, None, envp),
    posix_spawn=lambda: spawn(c.posix_spawn, path),
    posix_spawnp=lambda: spawn(c.posix_spawnp, name),
)
for function, call in calls.items():
    if not os.fork():
        os.write(1, function.encode() + b" ")
        call()
        os._exit(0)
    os.wait()
"""


def test_each_function_that_starts_programs(in_emulation: InEmulation) -> None:
    lines = in_emulation(f"python3 - <<'END'\n{CALLS}\nEND")
    assert len(lines) == 9
    assert {line.split()[0]: line.split()[1] for line in lines} == {
        line.split()[0]: NATIVE for line in lines
    }


@pytest.mark.parametrize(
    "words",
    [
        "env {}",
        "env -i {}",
        "echo one | xargs -I_ {}",
        "find /etc/hostname -exec {} ';'",
        "nice {}",
        "perl -e 'exec @ARGV' -- {}",
        "perl -e 'system @ARGV' -- {}",
    ],
)
def test_native_programs_start_native_ones(words: str, in_emulation: InEmulation) -> None:
    assert in_emulation(words.format(f"bash -c '{WHICH}'")) == [NATIVE]


def test_scripts_get_a_native_interpreter(in_emulation: InEmulation) -> None:
    script = f"printf '%s\\n' '#! /bin/bash -e ' '{WHICH}' 'echo $0 $1 $-' >/s; chmod +x /s; /s a"
    which, words = in_emulation(script)
    assert which == NATIVE
    assert words.startswith("/s a e")


@pytest.mark.parametrize("change", ["touch /bin/bash", "chmod u+s /bin/bash"])
def test_a_changed_program_runs_itself(change: str, in_emulation: InEmulation) -> None:
    (which,) = in_emulation(f"{change}; bash -c '{WHICH}'")
    assert not which.startswith(MOUNT)


def answers(run: InEmulation, architecture: Architecture) -> None:
    script = "uname -m; dpkg --print-architecture; apt-config dump APT::Architecture"
    script += '; perl -e \'use POSIX; print "$^X\\n", (POSIX::uname())[4], "\\n"\''
    machine, dpkg, apt, perl, perl_machine = run(script)
    assert machine == perl_machine == architecture
    assert dpkg == architecture.debian
    assert apt == f'APT::Architecture "{dpkg}";'
    assert perl == "/usr/bin/perl"


def test_answers_are_those_of_the_image(in_emulation: InEmulation) -> None:
    answers(in_emulation, foreign())


@pytest.mark.full
@pytest.mark.timeout(1800)  # this machine emulates all that the other one does natively
def test_images_of_this_machine_on_the_other(tmp_path: Path) -> None:
    own = debian_root.host_architecture()
    assert own is not None
    run = emulation(tmp_path, own)
    answers(run, own)
    maps = f"mapfile -t m < /proc/self/maps; [[ ${{m[*]}} == *{NATIVE}* ]] && echo {NATIVE}"
    compiled = "echo 'int x;' | cc -x c -c -o /x.o - && od -An -tu2 -j18 -N2 /x.o"
    which, machine = run(f"bash -c '{maps}'; {compiled}")
    assert which == NATIVE
    assert int(machine) == {Architecture.X86_64: 62, Architecture.AARCH64: 183}[own]  # elf(5)


@pytest.mark.parametrize(
    ("options", "native"),
    [("-g -O2", True), ("-lm", False), ("-fopenmp", False), ("-march=native", False)],
)
def test_the_compilers_driver(options: str, native: bool, in_emulation: InEmulation) -> None:
    starter = 'sh,-c,\'readlink /proc/$PPID/exe; exec "$0" "$@"\''
    script = f"echo 'int x;' >/x.c; cc {options} -c /x.c -o /x.o -wrapper {starter} || true"
    drivers = {line.startswith(f"{MOUNT}/usr/bin/") for line in in_emulation(script)}
    assert drivers == {native}
