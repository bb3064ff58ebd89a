"""What CI systems take from the repository, tried as they do: hook, action and role."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from core import venv
from tests.support.packaging import apart, source

pytestmark = pytest.mark.integration

OVERLAY = """\
description: What a project of its own changes.
why: To see that it is checked.
"""
GOOD = "{% block base_footer %}RUN true{% endblock %}\n"
BAD = "{% block no_such_block %}RUN true{% endblock %}\n"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository as a CI system clones it."""
    return source(tmp_path_factory.mktemp("ci") / "kollarm")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with an overlay of its own."""
    folder = tmp_path / "project"
    write(folder, GOOD)
    (folder / "dockerfile_overlays/own/overlay.yml").write_text(OVERLAY, "utf-8")
    return folder


def write(project: Path, override: str) -> None:
    file = project / "dockerfile_overlays/own/template-override.j2"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(override, "utf-8")


def finish(
    words: list[str | Path], folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words, cwd=folder, env=environment,
        capture_output=True, text=True, check=False, timeout=1200,
    )  # fmt: skip


def test_the_hook_checks_overlays(repository: Path, project: Path, tmp_path: Path) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", "-C", project, *words], check=True)

    hooks = {"repo": str(repository), "rev": "HEAD", "hooks": [{"id": "kollarm-lint"}]}
    (project / ".pre-commit-config.yaml").write_text(yaml.safe_dump({"repos": [hooks]}), "utf-8")
    git("init", "-q")
    git("add", ".")
    program = venv.environment("pre-commit", ["pre-commit"]) / "bin/pre-commit"
    environment = apart(PRE_COMMIT_HOME=str(tmp_path / "hooks"))
    passes = finish([program, "run"], project, environment)
    assert passes.returncode == 0, passes.stdout + passes.stderr
    assert "Passed" in passes.stdout
    write(project, BAD)
    git("add", ".")
    refused = finish([program, "run"], project, environment)
    assert refused.returncode == 1
    assert "no_such_block" in refused.stdout
    git("rm", "-rfq", "--cached", "dockerfile_overlays")
    assert "Skipped" in finish([program, "run"], project, environment).stdout


def test_the_action_runs_its_commands(repository: Path, project: Path, tmp_path: Path) -> None:
    action = yaml.safe_load((repository / "action.yml").read_text("utf-8"))
    found = tmp_path / "path"
    environment = apart(
        ACTION=str(repository), RUNNER_TEMP=str(tmp_path / "temp"), GITHUB_PATH=str(found)
    )
    (tmp_path / "temp").mkdir()

    def step(script: str, **more: str) -> subprocess.CompletedProcess[str]:
        # as GitHub's runner does for "shell: bash"
        file = tmp_path / "script.sh"
        file.write_text(script, "utf-8")
        bash: list[str | Path] = ["bash", "--noprofile", "--norc", "-eo", "pipefail", file]
        return finish(bash, project, environment | more)

    install, run = [one["run"] for one in action["runs"]["steps"]]
    installed = step(install)
    assert installed.returncode == 0, installed.stderr
    path = f"{found.read_text('utf-8').strip()}{os.pathsep}{os.environ['PATH']}"
    default = action["inputs"]["command"]["default"]
    passes = step(run, COMMAND=f"--version\n\n{default} own\n", PATH=path)
    assert passes.returncode == 0, passes.stderr
    assert "version" in passes.stdout
    assert "1 overlay" in passes.stdout
    write(project, BAD)
    refused = step(run, COMMAND=f"{default}\n--version", PATH=path)
    assert refused.returncode == 2
    assert "version" not in refused.stdout


@pytest.mark.full
def test_the_role_runs_its_commands(repository: Path, project: Path, tmp_path: Path) -> None:
    program = venv.environment("ansible", ["ansible-core"]) / "bin/ansible-playbook"
    variables = {
        "zuul": {"project": {"src_dir": str(project)}},
        "kollarm_venv": str(tmp_path / "venv"),
        "ansible_python_interpreter": sys.executable,
    }
    playbook = tmp_path / "playbook.yaml"

    def play(**more: str) -> subprocess.CompletedProcess[str]:
        role = {"role": "kollarm", "vars": variables | more}
        play = {"hosts": "localhost", "connection": "local", "roles": [role]}
        playbook.write_text(yaml.safe_dump([play]), "utf-8")
        environment = apart(ANSIBLE_ROLES_PATH=str(repository / "roles"), LC_ALL="C.UTF-8")
        return finish([program, "-v", playbook], tmp_path, environment)

    unset = play()
    assert unset.returncode != 0
    assert "kollarm_source" in unset.stdout
    passes = play(kollarm_source=str(repository))
    assert passes.returncode == 0, passes.stdout
    assert " overlays, Kolla " in passes.stdout
    write(project, BAD)
    refused = play(kollarm_source=str(repository))
    assert refused.returncode != 0
    assert "no_such_block" in refused.stdout
