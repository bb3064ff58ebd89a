"""Boots that prove an image; a report is kept as long as the image does not change."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from core import files, progress
from core.config.model import Guest
from guestprep.boot import BootReport, boot
from guestprep.record import PreparationRecord


@dataclass(frozen=True)
class KeptBoot:
    """The report of a boot, with the screenshot."""

    image: Path
    report: BootReport
    screenshot: Path
    kept: bool
    """Whether it is the report of an earlier boot of the same bytes."""

    @property
    def summary(self) -> str:
        """The outcome in one line."""
        earlier = " (an earlier boot of the same image)" if self.kept else ""
        return f"{self.report.summary}{earlier}"

    def to_dict(self) -> dict[str, object]:
        return {
            "image": str(self.image),
            "screenshot": str(self.screenshot),
            "kept": self.kept,
            **self.report.to_dict(),
        }


def of_source(guest: Guest, made: Path, prepared: PreparationRecord) -> tuple[Path, str, Path, str]:
    """What :func:`prove` and :func:`earlier` take for the image that a guest is made from.

    :param made: the prepared image, in whose folder the reports are.
    """
    return Path(prepared.source), prepared.source_sha256, made.parent, f"{guest.name}-before"


def of_result(guest: Guest, made: Path, prepared: PreparationRecord) -> tuple[Path, str, Path, str]:
    """The same for the prepared image."""
    return made, prepared.sha256, made.parent, f"{guest.name}-after"


def prove(image: Path, sha256: str, folder: Path, name: str, timeout: float) -> KeptBoot:
    """Boot an image, or return the report of an earlier boot of the same bytes.

    :param sha256: the image's digest.
    :param folder: the folder for ``NAME.png`` and ``NAME.boot.json``.
    :param timeout: seconds that the boot may take.
    """
    kept = earlier(image, sha256, folder, name)
    if kept is not None:
        return kept
    record, screenshot = _files(folder, name)
    report = boot(image, timeout=timeout, screenshot=screenshot)
    saved = {"sha256": sha256, "report": report.to_dict()}
    files.write(record, json.dumps(saved, indent=2) + "\n")
    return KeptBoot(image, report, screenshot, False)


def earlier(image: Path, sha256: str, folder: Path, name: str) -> KeptBoot | None:
    """The report of an earlier boot of the same bytes; None if there was none.

    The parameters are those of :func:`prove`.
    """
    record, screenshot = _files(folder, name)
    if record.exists() and screenshot.exists():
        try:
            saved = json.loads(record.read_text(encoding="utf-8"))
            if saved["sha256"] == sha256:
                return KeptBoot(image, BootReport.from_dict(saved["report"]), screenshot, True)
        except (ValueError, KeyError, TypeError):
            progress.current().warn(f"{record} is damaged; the image has to be booted again")
    return None


def _files(folder: Path, name: str) -> tuple[Path, Path]:
    """Where a report and its screenshot are."""
    return folder / f"{name}.boot.json", folder / f"{name}.png"
