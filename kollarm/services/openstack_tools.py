"""The virtual environment of the embedded Glance and Keystone, and their initial databases.

Making a database takes longer than everything else, so it is made once per
machine and copied into each project.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import uuid
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from core import cache, files, progress
from core.run import run
from core.venv import environment
from kollarm.services import glance_files
from kollarm.services.glance_files import PASSWORD, GlanceFolders

#: Modules that run inside that environment.
DATA = Path(__file__).parent / "data"

#: Placeholders of the addresses in the catalogue of the initial Keystone database.
GLANCE_URL, KEYSTONE_URL = "http://glance.invalid", "http://keystone.invalid"

_REGION = "RegionOne"


def tools() -> Path:
    """The virtual environment with Glance, Keystone and gunicorn, made on first use."""
    lines = requirements().splitlines()
    return environment("Glance", [line for line in lines if line and not line.startswith("#")])


def requirements() -> str:
    """The pinned packages of that environment, a requirements file of pip's."""
    return (DATA / "glance-requirements.txt").read_text(encoding="utf-8")


def gunicorn(tool_dir: Path, application: str, port: int) -> tuple[str, ...]:
    """The command that serves a WSGI application on loopback.

    It uses threads because a worker without them answers nothing during an upload,
    and one process because SQLite and the import tasks require it. Connections are
    kept for longer than clients wait between two requests.
    """
    return (
        str(tool_dir / "bin" / "gunicorn"),
        "--worker-class=gthread", "--threads=4", "--timeout=600", "--keep-alive=75",
        "--no-control-socket", f"--bind=127.0.0.1:{port}", application,
    )  # fmt: skip


def glance_database(layout: GlanceFolders) -> None:
    """Make Glance's database if there is none, with Glance's metadata definitions."""
    if layout.database.exists():
        return

    def make(folder: Path) -> None:
        tool_dir = tools()
        with progress.current().step("make Glance's database"):
            draft = GlanceFolders(folder)
            draft.make()
            env = _configure(draft.etc, glance_files.glance(draft, "http://127.0.0.1", None))
            manage = (tool_dir / "bin" / "glance-manage", "--config-dir", draft.etc)
            run([*manage, "db_sync"], env=env, timeout=600)
            metadefs = tool_dir / "etc" / "glance" / "metadefs"
            run([*manage, "db_load_metadefs", metadefs], env=env, timeout=600)

    template = cache.entry("glance-database", _key(), make)
    with files.atomic(layout.database) as work:
        shutil.copyfile(template / layout.database.name, work)


def keystone_database(folder: Path, url: str, glance_url: str) -> None:
    """Make Keystone's database and keys if there are none, with Glance in the catalogue."""

    def make(draft: Path) -> None:
        tool_dir = tools()
        with progress.current().step("make Keystone's database"):
            contents = glance_files.keystone(draft / "keystone.sqlite", draft / "keys", url)
            env = _configure(draft / "etc", contents)
            for name in ("fernet", "credential"):
                (draft / "keys" / name).mkdir(parents=True, mode=0o700)
            manage = (tool_dir / "bin" / "keystone-manage", "--config-dir", draft / "etc")
            run([*manage, "db_sync"], env=env, timeout=600)
            owner = ["--keystone-user", str(os.getuid()), "--keystone-group", str(os.getgid())]
            run([*manage, "fernet_setup", *owner], env=env, timeout=600)
            run([*manage, "credential_setup", *owner], env=env, timeout=600)
            urls = [f"--bootstrap-{which}-url" for which in ("public", "internal", "admin")]
            for user, project in (("admin", "admin"), ("glance", "service")):
                run(
                    [*manage, "bootstrap", "--bootstrap-password", PASSWORD,
                     "--bootstrap-username", user, "--bootstrap-project-name", project,
                     "--bootstrap-region-id", _REGION,
                     *(word for option in urls for word in (option, f"{KEYSTONE_URL}/v3"))],
                    env=env,
                    timeout=600,
                )  # fmt: skip
            _add_image_service(draft / "keystone.sqlite")

    if not (folder / "keystone.sqlite").exists():
        template = cache.entry("keystone-database", _key(), make)
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder / "keys", ignore_errors=True)
        shutil.copytree(template / "keys", folder / "keys")
        with files.atomic(folder / "keystone.sqlite") as work:
            shutil.copyfile(template / "keystone.sqlite", work)
            _set_addresses(work, url, glance_url)


def _add_image_service(database: Path) -> None:
    """Add Glance to Keystone's catalogue, as bootstrap does for Keystone itself."""
    service = uuid.uuid4().hex
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(
            "INSERT INTO service (id, type, enabled, extra) VALUES (?, 'image', 1, ?)",
            (service, '{"name": "glance"}'),
        )
        for interface in ("public", "internal", "admin"):
            connection.execute(
                "INSERT INTO endpoint (id, interface, region_id, service_id, url, enabled, extra)"
                " VALUES (?, ?, ?, ?, ?, 1, '{}')",
                (uuid.uuid4().hex, interface, _REGION, service, GLANCE_URL),
            )


def _set_addresses(database: Path, keystone_url: str, glance_url: str) -> None:
    """Write the services' real addresses into Keystone's catalogue."""
    with closing(sqlite3.connect(database)) as connection, connection:
        for placeholder, real in ((KEYSTONE_URL, keystone_url), (GLANCE_URL, glance_url)):
            connection.execute("UPDATE endpoint SET url = replace(url, ?, ?)", (placeholder, real))


def _configure(etc: Path, contents: Mapping[str, str]) -> dict[str, str]:
    """Write configuration files; return the environment of the tools that read them."""
    for name, text in contents.items():
        files.write(etc / name, text)
    return {"PYTHONPATH": str(DATA)}


def _key() -> str:
    """The cache key of a database: it changes with the packages and with this code."""
    source = Path(__file__).read_text(encoding="utf-8") + Path(glance_files.__file__).read_text(
        encoding="utf-8"
    )
    return cache.digest({"packages": requirements(), "source": source})
