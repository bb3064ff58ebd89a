"""Native programs started in place of emulated ones, in a container of another architecture."""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.engines.docker import DockerEngine
from builder.native.dockerfile import PRELOAD_LIST
from builder.native.root import MOUNT, PRELOAD, NativeRoot, tarball
from core import debian_root
from tests.support.emulated_image import TRIXIE, WHICH, emulated_image, foreign

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

Run = Callable[[str], list[str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The native root, unpacked."""
    host = debian_root.host_architecture()
    assert host is not None
    root = tmp_path_factory.mktemp("native")
    with tarfile.open(tarball(NativeRoot(TRIXIE, host, foreign()))) as tar:
        tar.extractall(root)  # our own
    return root


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    """Runs a script in a container whose programs would be emulated; its lines."""
    image = emulated_image(DockerEngine())

    def in_container(script: str) -> list[str]:
        done = subprocess.run(
            ["docker", "run", "--rm", "--platform", foreign().platform,
             "-v", f"{folder}:{MOUNT}:ro", "-v", f"{folder / PRELOAD}:{PRELOAD_LIST}:ro",
             image, "sh", "-c", script],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout.splitlines()

    return in_container


def test_each_function_that_starts_programs(run: Run) -> None:
    lines = run(f"python3 - <<'END'\n{CALLS}\nEND")
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
def test_native_programs_start_native_ones(words: str, run: Run) -> None:
    assert run(words.format(f"bash -c '{WHICH}'")) == [NATIVE]


def test_scripts_get_a_native_interpreter(run: Run) -> None:
    script = f"printf '%s\\n' '#! /bin/bash -e ' '{WHICH}' 'echo $0 $1 $-' >/s; chmod +x /s; /s a"
    which, words = run(script)
    assert which == NATIVE
    assert words.startswith("/s a e")


@pytest.mark.parametrize("change", ["touch /bin/bash", "chmod u+s /bin/bash"])
def test_a_changed_program_runs_itself(change: str, run: Run) -> None:
    (which,) = run(f"{change}; bash -c '{WHICH}'")
    assert not which.startswith(MOUNT)


def test_answers_are_those_of_the_image(run: Run) -> None:
    script = "uname -m; dpkg --print-architecture; apt-config dump APT::Architecture"
    script += '; perl -e \'use POSIX; print "$^X\\n", (POSIX::uname())[4], "\\n"\''
    machine, dpkg, apt, perl, perl_machine = run(script)
    assert machine == perl_machine == foreign()
    assert dpkg == foreign().debian
    assert apt == f'APT::Architecture "{dpkg}";'
    assert perl == "/usr/bin/perl"
