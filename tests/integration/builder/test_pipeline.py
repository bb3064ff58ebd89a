"""The whole builder on real parts: Kolla's templates, the engine, a registry on loopback."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
import uuid
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from builder import pipeline
from builder.context import certificates
from builder.plan import BuildAction
from builder.record import BuildRecord, State
from builder.request import BuildRequest
from core import trust
from core.config.model import Architecture, NativeTools
from core.errors import ConfigError, KollarmError
from core.oci.registry import RegistryClient
from tests.support.project import Project

pytestmark = [pytest.mark.integration, pytest.mark.slow]

X86, ARM = Architecture.X86_64, Architecture.AARCH64

#: Builds cron in a process of its own: its argument is a configuration.
PROGRAM = (
    "import sys; from pathlib import Path; from builder import pipeline;"
    "from builder.request import BuildRequest;"
    "from core.config.model import Config;"
    "config = Config.model_validate_json(Path(sys.argv[1]).read_text());"
    "pipeline.build(BuildRequest(config, images=['cron']))"
)


def run_in(reference: str, *command: str, platform: str = "linux/amd64") -> str:
    shown = subprocess.run(
        ["docker", "run", "--rm", "--pull=always", "--platform", platform, "--network=host",
         "--user=root", reference, *command],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return shown.stdout


def test_native_tools_change_no_key(project: Project) -> None:
    keys = []
    for choice in NativeTools:
        config = project.config(ARM)
        build = config.build.model_copy(update={"native_tools": choice})
        config = config.model_copy(update={"build": build})
        steps = pipeline.plan(BuildRequest(config, images=["base", "cron"])).images
        keys.append({step.target.name: step.target.key for step in steps})
    assert keys[0] == keys[1]
    assert len(keys[0]) == 2


def test_built_pushed_and_joined(built: BuildRecord, project: Project) -> None:
    assert [row.image for row in built.images] == ["base", "cron"]
    assert all(row.digest and row.size for row in built.images)
    assert {row.state for row in built.indices} == {State.WRITTEN}
    document = json.loads(json.dumps(built.to_dict()))
    assert document["ok"] is True
    assert run_in(f"{project.registry.address}/kolla/cron:t", "uname", "-m") == "x86_64\n"


def test_a_second_run_builds_and_pushes_nothing(built: BuildRecord, project: Project) -> None:
    before = project.stored()
    record = project.build(project.config(), "base", "cron")
    assert project.stored() == before
    assert {row.state for row in record.images} == {State.KEPT}
    assert {row.state for row in record.indices} == {State.KEPT}
    assert [row.digest for row in record.images] == [row.digest for row in built.images]


def test_a_refresh_asks_how_old_the_steps_are(built: BuildRecord, project: Project) -> None:
    def actions(hours: int) -> list[BuildAction]:
        plan = pipeline.plan(
            BuildRequest(
                project.config(),
                images=["base", "cron"],
                refresh=timedelta(hours=hours),
            )
        )
        return [step.action for step in plan.images]

    # an engine that has built before has old steps in its cache: then all is old
    assert actions(24 * 365) == [BuildAction.KEEP, BuildAction.KEEP]
    assert actions(0) == [BuildAction.BUILD, BuildAction.BUILD]


def test_the_sites_authorities_are_trusted_in_the_image(
    built: BuildRecord, project: Project
) -> None:
    bundle = trust.bundle(None)
    extra = certificates.extra(bundle)
    reference = f"{project.registry.address}/kolla/base:t"
    listed = run_in(reference, "ls", "/usr/local/share/ca-certificates").split()
    assert listed == sorted(extra)
    if not extra:
        return  # a machine that trusts nobody but the public: the images do the same
    answer = run_in(
        reference,
        "sh",
        "-c",
        "curl --output /dev/null https://pypi.org/simple/six/ >&2"
        " && python3 -c \"import urllib.request as u; u.urlopen('https://pypi.org/simple/six/')\""
        " && pip download --quiet --no-deps --dest /tmp/six six && ls /tmp/six",
    )
    assert "six" in answer


def test_an_overlay_change_costs_what_it_touches(built: BuildRecord, project: Project) -> None:
    project.template.write_text("{% block cron_footer %}RUN echo changed{% endblock %}\n")
    try:
        request = BuildRequest(project.config(), images=["base", "cron"])
        plan = pipeline.plan(request)
        assert {step.target.name: step.action for step in plan.images} == {
            "base": BuildAction.KEEP,
            "cron": BuildAction.BUILD,
        }
        record = project.build(project.config(), "base", "cron")
        assert {row.image: row.state for row in record.images} == {
            "base": State.KEPT,
            "cron": State.BUILT,
        }
    finally:
        project.template.write_text("")
    back = project.build(project.config(), "base", "cron")
    assert {row.image: row.state for row in back.images}["cron"] is State.PUSHED


def test_a_failing_step_leaves_the_old_index(built: BuildRecord, project: Project) -> None:
    client = RegistryClient(project.registry.address)
    before = client.index("kolla/cron", "t")
    project.template.write_text(
        "{% block cron_header %}"
        "RUN echo telling words && echo exec format error && false{% endblock %}\n"
    )
    try:
        record = project.build(project.config(), "base", "cron")
    finally:
        project.template.write_text("")
    row = record.images[1]
    assert row.state is State.FAILED
    assert row.step is not None and "telling words" in row.step
    assert "telling words" in row.lines
    assert row.log is not None and "telling words" in row.log.read_text()
    assert client.index("kolla/cron", "t") == before
    assert [row.state for row in record.indices] == [State.KEPT, State.LEFT]
    with pytest.raises(KollarmError, match="1 of 2") as caught:
        record.raise_for_failures()
    assert caught.value.details is not None and "qemu-user-static" in caught.value.details


def test_arguments_and_retries_reach_the_build(built: BuildRecord, project: Project) -> None:
    asked: list[str] = []

    class FirstFails(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(500 if len(asked) == 1 else 200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), FirstFails)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}/"
    project.template.write_text(
        "{% block cron_footer %}ARG SITE\n"
        f'RUN curl --noproxy "*" -sf {url} && echo $SITE > /site{{% endblock %}}\n'
    )
    config = project.config(tag="args")
    build = config.build.model_copy(update={"args": {"SITE": "here"}, "retries": 1})
    config = config.model_copy(update={"build": build})
    try:
        project.build(config, "base", "cron").raise_for_failures()
        shown = run_in(f"{project.registry.address}/kolla/cron:args", "cat", "/site")
        assert (shown, len(asked)) == ("here\n", 2)
        build = build.model_copy(update={"args": {"SITE": "there"}})
        changed = config.model_copy(update={"build": build})
        steps = pipeline.plan(BuildRequest(changed, images=["base", "cron"])).images
        assert [step.action for step in steps] == [BuildAction.KEEP, BuildAction.BUILD]
        build = build.model_copy(update={"args": {"SITES": "there"}})
        wrong = config.model_copy(update={"build": build})
        with pytest.raises(ConfigError) as caught:
            pipeline.plan(BuildRequest(wrong, images=["base", "cron"]))
        assert caught.value.faults[0].where == "build.args.SITES"
    finally:
        project.template.write_text("")
        server.shutdown()


def test_ctrl_c_ends_the_build_and_leaves_the_old_index(
    built: BuildRecord, project: Project
) -> None:
    client = RegistryClient(project.registry.address)
    before = client.index("kolla/cron", "t")
    mark = f"falling-asleep-{uuid.uuid4().hex}"  # the engine has no layer of this step
    project.template.write_text(
        f"{{% block cron_header %}}RUN echo {mark} && sleep 600{{% endblock %}}\n"
    )
    config = project.folder / "config.json"
    config.write_text(project.config().model_dump_json())
    try:
        process = subprocess.Popen([sys.executable, "-c", PROGRAM, config], stderr=subprocess.PIPE)
        limit = time.monotonic() + 120
        while mark not in running():
            assert process.poll() is None and time.monotonic() < limit
            time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        try:
            _, said = process.communicate(timeout=30)
        finally:
            process.kill()
    finally:
        project.template.write_text("")
    assert b"KeyboardInterrupt" in said
    while mark in running():
        assert time.monotonic() < limit, "the build's container still runs"
        time.sleep(0.2)
    assert client.index("kolla/cron", "t") == before


class Gate:
    """An HTTP server whose first visitor waits for ever; all later ones are let through."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        gate = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if not gate.reached.is_set():
                    gate.reached.set()
                    self.rfile.read()  # ends with the visitor
                    return
                self.send_response(204)
                self.end_headers()

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/"


def test_a_killed_build_goes_on_where_it_was(built: BuildRecord, project: Project) -> None:
    client = RegistryClient(project.registry.address)
    before = client.index("kolla/cron", "t")
    gate = Gate()
    project.template.write_text(
        "{% block cron_header %}RUN echo done-before\n"
        f"RUN curl --fail --noproxy '*' {gate.url}\n{{% endblock %}}\n"
    )
    config = project.folder / "config.json"
    config.write_text(project.config().model_dump_json())
    try:
        process = subprocess.Popen([sys.executable, "-c", PROGRAM, config])
        assert gate.reached.wait(120)
        process.kill()
        process.wait()
        assert client.index("kolla/cron", "t") == before
        record = project.build(project.config(), "base", "cron")
    finally:
        gate.server.shutdown()
        project.template.write_text("")
    record.raise_for_failures()
    cron = record.images[1]
    assert (record.images[0].state, cron.state) == (State.KEPT, State.BUILT)
    assert cron.log is not None
    told = cron.log.read_text()
    assert "---> Using cache" in told[told.index("done-before") : told.index("curl")]
    after = client.index("kolla/cron", "t")
    assert after is not None and after != before


def running() -> str:
    shown = subprocess.run(
        ["docker", "ps", "--no-trunc", "--format", "{{.Command}}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return shown.stdout


def test_two_architectures_under_one_tag(project: Project) -> None:
    """Emulated work: minutes when the engine doesn't have the images from an earlier run."""
    record = project.build(project.config(X86, ARM, tag="both"))
    record.raise_for_failures()
    assert len(record.images) == 6
    client = RegistryClient(project.registry.address)
    for name in ("base", "cron", "memcached"):
        index = client.index(f"kolla/{name}", "both")
        assert index is not None
        assert sorted(entry.architecture for entry in index.entries) == ["amd64", "arm64"]
    for architecture in (X86, ARM):
        said = run_in(
            f"{project.registry.address}/kolla/memcached:both",
            "uname", "-m", platform=architecture.platform,
        )  # fmt: skip
        assert said == f"{architecture}\n"
