"""Notes on what overlays take from the network without a check."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.lint.check import LintReport
from builder.lint.downloads import notes_of
from builder.overlays.model import read
from tests.support import hostile_overlays

SUM = "echo 00 /x | sha256sum -c"

NOTED = (
    "RUN curl -fsSL https://h/install.sh | bash",
    "RUN curl https://h/get-helm | head -n -1 | bash",
    "RUN wget -qO- https://h/x | sudo /bin/sh -s",
    f"RUN curl https://h/x | python3 - && {SUM}",
    "RUN curl -o /x https://h/x && \\\n    install /x /usr/bin",
    "ADD https://h/x /x",
)
FINE = (
    f"RUN curl -o /x https://h/x && {SUM}",
    "RUN curl -o /x https://h/x && gpgv --keyring /k /x.sig /x",
    "ADD --checksum=sha256:00 https://h/x /x",
    "RUN apt-get install -y curl bash",
    "RUN curl http://localhost/{{ x }} || bash -c true",
)


@pytest.mark.parametrize("step", [*NOTED, *FINE[:4]])
def test_unchecked_downloads_are_noted(tmp_path: Path, step: str) -> None:
    folder = hostile_overlays.make(tmp_path)
    (folder / "template-override.j2").write_text(f"{{% block x %}}\n{step}\n{{% endblock %}}\n")
    places = [note.where for note in notes_of(read(folder))]
    assert places == ([f"{folder}/template-override.j2:2"] if step in NOTED else [])


def test_what_is_piped_nowhere_is_not_run(tmp_path: Path) -> None:
    folder = hostile_overlays.make(tmp_path)
    (folder / "template-override.j2").write_text(f"{{% block x %}}\n{FINE[4]}\n{{% endblock %}}\n")
    (note,) = notes_of(read(folder))
    assert "digest" in note.message


def test_patches_and_sources_are_looked_at(tmp_path: Path) -> None:
    folder = hostile_overlays.make(tmp_path)
    (folder / "tree.patch").write_text(
        "--- a/cron/Dockerfile.j2\n+++ b/cron/Dockerfile.j2\n@@ -1,2 +1,3 @@\n"
        " RUN curl https://own/x | sh\n+RUN curl https://h/x | sh\n RUN true\n"
    )
    (folder / "kolla-build.conf").write_text(
        "[nova-base]\ntype = url\nlocation = https://h/nova.tgz\n"
    )
    notes = tuple(notes_of(read(folder)))
    assert [note.where.rpartition("/")[2] for note in notes] == [
        "tree.patch:5",
        "kolla-build.conf:3",
    ]
    report = LintReport("2026.1", "22.2.0", ("hostile",), (), notes=notes)
    assert report.ok and report.to_text().startswith("note: ")
    assert len(report.to_dict()["notes"]) == 2  # type: ignore[arg-type]
