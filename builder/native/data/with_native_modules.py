"""Run a build of pip's natively, whose requirements have compiled modules.

    with_native_modules.py _in_process.py HOOK FOLDER

pip has installed the build's requirements for the image's architecture.  What is compiled of them is
installed for this machine too, in the same versions from the same index, and put beside them: names
of compiled modules tell the architecture (PEP 3149), so the native interpreter finds its own.
All else stays the image's.  The folder is a temporary one of pip's, and no part of an image.

Where that can't be done, the build runs emulated.  Read by ``twin.c``, which starts this.
"""

import csv
import os
import shutil
import subprocess
import sys
from importlib.metadata import Distribution
from pathlib import Path

#: pip's options that don't tell where packages come from; with any other one the index isn't
#: known here, and the same name in another index may be somebody else's package.
OPTIONS = frozenset(
    "-m -c --constraint -r --requirement -w --wheel-dir --prefix -q --quiet -v -U --upgrade -I "
    "--ignore-installed --force-reinstall --no-deps --no-binary --only-binary --no-cache-dir "
    "--no-compile --no-warn-script-location --disable-pip-version-check".split()
)


def index_is_known(words):
    """Whether pip was told where packages come from by its settings and the environment alone."""
    for word, following in zip(words, [*words[1:], ""]):
        if word.startswith("-") and word.partition("=")[0] not in OPTIONS:
            return False
        name, _, value = word.partition("=")
        if name in ("-c", "--constraint", "-r", "--requirement"):
            lines = Path(value or following).read_text(encoding="utf-8").splitlines()
            if any(line.lstrip().startswith("-") for line in lines):
                return False
    return True


def compiled(folders):
    """The installed distributions that have compiled modules: their folders of metadata."""
    for folder in folders:
        for info in folder.rglob("*.dist-info"):
            if any(name.endswith(".so") for name in files(info)):
                yield info


def files(info):
    """The files of a distribution beside it, relative to where it is installed: no programs."""
    with (info / "RECORD").open(newline="", encoding="utf-8") as record:
        return [row[0] for row in csv.reader(record) if row and not row[0].startswith("..")]


def platforms():
    """The platforms whose wheels this interpreter loads (PEP 600)."""
    architecture = sys.implementation._multiarch.partition("-")[0]
    minor = int(os.confstr("CS_GNU_LIBC_VERSION").rpartition(".")[2])
    names = [f"manylinux_2_{number}" for number in range(minor, 4, -1)]
    return [f"{name}_{architecture}" for name in [*names, "manylinux2014", "manylinux2010"]]


def install(infos, target):
    """Install the same versions for this machine."""
    wanted = [Distribution.at(info) for info in infos]
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PIP_CONSTRAINT")}
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile",
         "--no-cache-dir", "--disable-pip-version-check", "--target", target,
         "--only-binary=:all:", *(f"--platform={name}" for name in platforms()),
         *(f"{one.metadata['Name']}=={one.version}" for one in wanted)],
        env=environment, check=True,
    )  # fmt: skip


def put_beside(infos, target):
    """Put the compiled files of the installed distributions beside the image's."""
    for info in infos:
        own = {*files(info)}
        for name in files(target / info.name):
            if name in own and name.endswith(".so"):
                raise ValueError(f"{name} has the same name on both architectures")
            place = info.parent / name
            if name not in own and not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(target / name, place)
        (info / "NATIVE").touch()


def main(environment):
    infos = [
        info
        for info in compiled([environment / "overlay", environment / "normal"])
        if not (info / "NATIVE").exists()
    ]
    if infos:
        words = os.fsdecode(Path(f"/proc/{os.getppid()}/cmdline").read_bytes()).split("\0")[1:-1]
        for path in os.environ.get("PIP_CONSTRAINT", "").split():
            words += ["-c", path]
        if not index_is_known(words):
            raise ValueError("pip's command line tells where packages come from")
        target = environment / "native"
        install(infos, target)
        put_beside(infos, target)


if __name__ == "__main__":
    os.environ["KOLLARM_BUILD"] = "native"
    try:
        main(Path(os.environ["PYTHONPATH"]).parent)
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        print(f"this build runs emulated: {error}", file=sys.stderr)
        os.environ["KOLLARM_BUILD"] = "emulated"
    os.execv(sys.executable, [sys.orig_argv[0], *sys.argv[1:]])
