"""The virtual environment of the embedded Glance and Keystone, and their initial databases.

Making a database takes longer than everything else, so it is made once per
machine and copied into each project.
"""

from __future__ import annotations

import base64
import secrets
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
from kollarm.services.glance_files import ADMINISTRATOR, SERVICE, GlanceFolders

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
            env = _configure(draft.etc, glance_files.glance("http://127.0.0.1"))
            manage = (tool_dir / "bin" / "glance-manage", "--config-dir", draft.etc)
            run([*manage, "db_sync"], cwd=folder, env=env, timeout=600)
            metadefs = tool_dir / "etc" / "glance" / "metadefs"
            run([*manage, "db_load_metadefs", metadefs], cwd=folder, env=env, timeout=600)

    template = cache.entry("glance-database", _key(), make)
    with files.atomic(layout.database, mode=0o600) as work:
        shutil.copyfile(template / layout.database.name, work)


def keystone_database(
    folder: Path, url: str, glance_url: str, passwords: Mapping[str, str]
) -> None:
    """Make Keystone's database and keys if there are none, with Glance in the catalogue.

    :param passwords: what each user has from now on.
    """

    def make(draft: Path) -> None:
        tool_dir = tools()
        with progress.current().step("make Keystone's database"):
            env = _configure(draft / "etc", glance_files.keystone(url))
            # Each project gets its own keys and passwords.
            _make_keys(draft / "keys")
            env["OS_BOOTSTRAP_PASSWORD"] = secrets.token_urlsafe()
            manage = (tool_dir / "bin" / "keystone-manage", "--config-dir", draft / "etc")
            run([*manage, "db_sync"], cwd=draft, env=env, timeout=600)
            urls = [f"--bootstrap-{which}-url" for which in ("public", "internal", "admin")]
            for user, project in ((ADMINISTRATOR, "admin"), (SERVICE, "service")):
                run(
                    [*manage, "bootstrap",
                     "--bootstrap-username", user, "--bootstrap-project-name", project,
                     "--bootstrap-region-id", _REGION,
                     *(word for option in urls for word in (option, f"{KEYSTONE_URL}/v3"))],
                    cwd=draft,
                    env=env,
                    timeout=600,
                )  # fmt: skip
            _add_image_service(draft / "keystone.sqlite")

    if not (folder / "keystone.sqlite").exists():
        template = cache.entry("keystone-database", _key(), make)
        files.private_folder(folder)
        shutil.rmtree(folder / "keys", ignore_errors=True)
        _make_keys(folder / "keys")
        with files.atomic(folder / "keystone.sqlite", mode=0o600) as work:
            shutil.copyfile(template / "keystone.sqlite", work)
            _set_addresses(work, url, glance_url)
            _set_passwords(work, passwords)


def _make_keys(folder: Path) -> None:
    """Keystone's keys (https://docs.openstack.org/keystone/latest/admin/fernet-token-faq.html)."""
    for kind in ("fernet", "credential"):
        for number in ("0", "1"):  # the next key and the present one
            key = base64.urlsafe_b64encode(secrets.token_bytes(32))
            files.write(files.private_folder(folder / kind) / number, key, mode=0o600)


def _set_passwords(database: Path, passwords: Mapping[str, str]) -> None:
    """Write the users' passwords into Keystone's database, as bcrypt's hashes."""
    program = (
        "import bcrypt, sys; "
        "print(bcrypt.hashpw(sys.stdin.buffer.read(), bcrypt.gensalt()).decode())"
    )
    with closing(sqlite3.connect(database)) as connection, connection:
        for user, text in passwords.items():
            hashed = run([tools() / "bin" / "python", "-c", program], stdin=text.encode())
            connection.execute(
                "UPDATE password SET password_hash = ? WHERE local_user_id IN"
                " (SELECT id FROM local_user WHERE name = ?)",
                (hashed.stdout.strip(), user),
            )


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
