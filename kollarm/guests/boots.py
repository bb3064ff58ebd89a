"""Boots that prove an image, each kept for as long as the image's bytes are the same."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from core import files, progress
from core.cache import file_digest
from guestprep.boot import BootReport, boot


@dataclass(frozen=True)
class KeptBoot:
    """A boot of one image: what was seen, and the screenshot of it."""

    image: Path
    report: BootReport
    screenshot: Path
    kept: bool
    """Whether it is the report of an earlier boot of the very same bytes."""

    def to_dict(self) -> dict[str, object]:
        return {
            "image": str(self.image),
            "screenshot": str(self.screenshot),
            "kept": self.kept,
            **self.report.to_dict(),
        }


def prove(image: Path, folder: Path, name: str, timeout: float) -> KeptBoot:
    """Boot an image, or take the report of an earlier boot of the very same bytes.

    :param folder: where ``NAME.png`` and ``NAME.boot.json`` are kept.
    :param timeout: seconds that the boot may take.
    """
    digest = file_digest(image)
    record, screenshot = folder / f"{name}.boot.json", folder / f"{name}.png"
    if record.exists() and screenshot.exists():
        try:
            known = json.loads(record.read_text())
            if known["sha256"] == digest:
                return KeptBoot(image, BootReport.from_dict(known["report"]), screenshot, True)
        except (ValueError, KeyError, TypeError):
            progress.current().warn(f"{record} is damaged; booting again")
    report = boot(image, timeout=timeout, screenshot=screenshot)
    known = {"sha256": digest, "report": report.to_dict()}
    files.write(record, json.dumps(known, indent=2) + "\n")
    return KeptBoot(image, report, screenshot, False)
