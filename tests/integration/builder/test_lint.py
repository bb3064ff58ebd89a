"""``kollarm lint`` with the release's own Kolla: overlays are rendered for each architecture."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.lint.check import LintReport, check_overlays
from core.config.model import Architecture, Build, Engine

pytestmark = pytest.mark.integration

X86 = Architecture.X86_64

STEPS = """\
{% block cron_footer %}
RUN curl -o /x https://h/tool-amd64.tgz && echo "00 /x" | sha256sum -c
RUN curl -o /x https://h/tool-{{ debian_arch }}.tgz && echo "00 /x" | sha256sum -c
RUN curl -o /x https://h/{{ base_arch }}/tool.tgz && echo "00 /x" | sha256sum -c
RUN case $(uname -m) in x86_64) ln -s /opt/x86_64 /o;; aarch64) ln -s /opt/aarch64 /o;; esac
ENV HOME_OF=/usr/lib/jvm/java-17-openjdk-arm64
RUN apt-get install -y gcc-aarch64-linux-gnu
{% if base_arch == 'aarch64' %}
RUN ln -s /usr/lib/aarch64-linux-gnu/x /x
{% else %}
RUN ln -s /usr/lib/aarch64-linux-gnu/x /x
{% endif %}
COPY overlays/x/tool_1.0_amd64.deb /
{% endblock %}
"""


def overlay(root: Path, template: str, name: str = "mine") -> Path:
    folder = root / name
    folder.mkdir()
    (folder / "overlay.yml").write_text("description: x\nwhy: y\n")
    (folder / "template-override.j2").write_text(template)
    return root


def lines(report: LintReport) -> set[int]:
    return {int(fault.where.rpartition(":")[2]) for fault in report.faults}


def test_names_of_another_architecture_have_their_line(tmp_path: Path) -> None:
    folders = [overlay(tmp_path, STEPS)]
    assert lines(check_overlays("2026.1", folders)) == {2, 6, 11, 13}
    build = Build(overlays=["mine"], engines={X86: Engine()})
    assert lines(check_overlays("2026.1", folders, build=build)) == {6, 11}


def test_what_does_not_render_is_a_fault(tmp_path: Path) -> None:
    text = "{% block cron_footer %}{{ image_name.missing.more }}{% endblock %}"
    report = check_overlays("2026.1", [overlay(tmp_path, text)])
    assert any("render" in fault.message for fault in report.faults)


def test_each_is_rendered_alone_where_two_contradict(tmp_path: Path) -> None:
    overlay(tmp_path, "{% block cron_footer %}RUN ln -s /opt/amd64 /a{% endblock %}", "one")
    overlay(tmp_path, "{% block cron_footer %}RUN true{% endblock %}", "two")
    report = check_overlays("2026.1", [tmp_path])
    (fault,) = report.faults
    assert "one/template-override.j2:1" in fault.where and "amd64" in fault.message
