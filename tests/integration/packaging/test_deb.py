"""The Debian package, built in a fresh root of Debian 13, installed in another one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from core.debian_root import DEFAULT_MIRROR
from core.version import __version__
from tests.support.packaging import apart, source

pytestmark = [pytest.mark.integration, pytest.mark.full, pytest.mark.timeout(5400)]

BUILD = """\
set -eux
cd /try/kollarm
apt-get build-dep -y --no-install-recommends . >&2
dpkg-buildpackage -us -uc -b >&2
lintian --fail-on error ../*.changes
mv ../*.deb /try/kollarm.deb
"""

#: What somebody does who has just got it, in a folder that isn't the checkout.
USE = """\
set -ex
apt-get install -y --no-install-recommends /try/kollarm.deb man-db bash-completion zsh fish >&2
export HOME=/root
cd "$HOME"
kollarm --version
kollarm overlays list
kollarm init
kollarm lint
man kollarm
. /usr/share/bash-completion/bash_completion
__load_completion kollarm
complete -p kollarm
zsh -c 'autoload -U compinit; compinit -u; echo "zsh has ${_comps[kollarm]}"'
fish -c 'complete -C "kollarm gue"'
"""


def in_root(folder: Path, script: str, packages: str, *hooks: str) -> str:
    """What a script says in a new root; ``/try`` there has what the hooks put into it."""
    (folder / "script").write_text(script, "utf-8")
    # where these variables name an authority of this site, the root needs it as well
    bundles = {os.environ.get(name) for name in ("PIP_CERT", "SSL_CERT_FILE")} - {None}
    done = subprocess.run(
        [
            "mmdebstrap",
            "--variant=apt",
            f"--include={packages}",
            '--customize-hook=mkdir "$1/try"',
            f"--customize-hook=copy-in {folder}/script /try",
            *(f"--customize-hook=upload {bundle} {bundle}" for bundle in bundles),
            *(f"--customize-hook={hook}" for hook in hooks[:1]),
            '--customize-hook=chroot "$1" bash /try/script >"$1/try/output"',
            f"--customize-hook=download /try/output {folder}/output",
            *(f"--customize-hook={hook}" for hook in hooks[1:]),
            "--", "trixie", "/dev/null", DEFAULT_MIRROR,
        ],
        capture_output=True, text=True, check=False, timeout=2400, env=apart(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return (folder / "output").read_text("utf-8")


@pytest.fixture(scope="module")
def deb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("deb")
    put = f"copy-in {source(folder / 'kollarm')} /try"
    take = f"download /try/kollarm.deb {folder}/kollarm.deb"
    in_root(folder, BUILD, "build-essential,debhelper,lintian", put, take)
    return folder / "kollarm.deb"


@pytest.fixture(scope="module")
def output(deb: Path) -> str:
    return in_root(deb.parent, USE, "ca-certificates", f"copy-in {deb} /try")


def test_it_takes_no_name_but_its_own(deb: Path) -> None:
    done = subprocess.run(["dpkg-deb", "-c", deb], check=True, capture_output=True, text=True)
    below = "./usr/lib/python3/dist-packages/"
    names = {line.split()[5] for line in done.stdout.splitlines()}
    tops = {name.removeprefix(below).split("/")[0] for name in names if name.startswith(below)}
    assert {top for top in tops if top and not top.endswith(".dist-info")} == {"kollarm"}


def test_it_runs_where_it_is_installed(output: str) -> None:
    assert f"version {__version__}" in output
    assert "ca-certificates:" in output
    assert " overlays, Kolla " in output
    assert "no overlays" not in output


def test_the_manual_page_and_completions_are_found(output: str) -> None:
    assert "KOLLARM(1)" in output
    assert "complete -o nosort -F _kollarm_completion kollarm" in output
    assert "zsh has _kollarm" in output
    assert "guest\t" in output or "\nguest\n" in output
