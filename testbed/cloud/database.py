"""The small cloud's database server, and the databases of Nova and Placement.

It is MariaDB, because Nova on SQLite fails some calls with "database is locked": it turns reads
into writes within one transaction.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from core import progress
from core.run import run, which
from testbed.cloud import nova_config, unprivileged
from testbed.cloud.layout import HOST, CloudLayout

#: The time limit of one step of creating the databases, in seconds.
DEADLINE = 900.0

_DONE = ".databases-made"


def command(layout: CloudLayout) -> tuple[str, ...]:
    """The server's command; creates the data folder first, if it is missing.

    The server runs as a user of its own, and Nova's user has its databases only: with more
    rights, whoever got in could write files of root's.
    """
    user = unprivileged.DATABASE
    folder = unprivileged.folder_of(user, layout.service_folder("database") / "server")
    inside = unprivileged.MOUNTED
    options = ("--no-defaults", f"--datadir={inside}/data", f"--tmpdir={inside}")
    if not (folder / "data" / "mysql").exists():
        shutil.rmtree(folder / "data", ignore_errors=True)
        # The administrator has no password, and is let in as the system's root only.
        run(
            unprivileged.as_user(
                user, folder, which("mariadb-install-db") or "mariadb-install-db", *options,
                "--auth-root-authentication-method=socket", "--auth-root-socket-user=root",
                "--skip-test-db",
            ),
            env={"TMPDIR": str(inside)},
            timeout=DEADLINE,
        )  # fmt: skip
    unprivileged.folder_of(user, folder / "files")
    account = f"'nova'@'{HOST}'"
    lines = [
        f"CREATE OR REPLACE USER {account} IDENTIFIED BY '{layout.password('database')}';",
        *(
            f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8;\n"
            f"GRANT ALL ON {name}.* TO {account};"
            for name in nova_config.DATABASES
        ),
    ]
    unprivileged.write(user, folder / "first.sql", "\n".join(lines) + "\n")
    return unprivileged.as_user(
        user, folder, which("mariadbd") or "mariadbd", *options,
        f"--socket={inside}/socket", f"--pid-file={inside}/mariadbd.pid",
        f"--bind-address={HOST}", f"--port={layout.database_port}",
        f"--init-file={inside}/first.sql", f"--secure-file-priv={inside}/files",
        "--local-infile=0",
        # Test data: speed matters more than safety from a power cut.
        "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M",
        "--performance-schema=0", "--skip-name-resolve", "--max-connections=400",
    )  # fmt: skip


def fill(layout: CloudLayout, tools: Path) -> None:
    """Create Nova's and Placement's tables, once."""
    done = layout.service_folder("database") / _DONE
    if done.exists():
        return
    nova_manage: list[str | Path] = [
        tools / "bin" / "nova-manage", "--config-file", layout.service_folder("nova") / "nova.conf",
    ]  # fmt: skip
    placement: list[str | Path] = [
        tools / "bin" / "placement-manage",
        "--config-file", layout.service_folder("placement") / "placement.conf",
    ]  # fmt: skip
    with progress.current().step("create the databases") as step:
        for words in (
            [*placement, "db", "sync"],
            [*nova_manage, "api_db", "sync"],
            [*nova_manage, "cell_v2", "map_cell0"],
            [*nova_manage, "cell_v2", "create_cell", "--name=cell1"],
            [*nova_manage, "db", "sync"],
        ):
            step.note(" ".join(str(word) for word in words[3:]))
            # The cell already exists if an earlier run was interrupted.
            run(words, timeout=DEADLINE, check="create_cell" not in words)
    done.touch()


def discover_hosts(layout: CloudLayout, tools: Path) -> None:
    """Map newly registered compute hosts to the cell, so that the scheduler uses them."""
    run(
        [tools / "bin" / "nova-manage",
         "--config-file", layout.service_folder("nova") / "nova.conf",
         "cell_v2", "discover_hosts"],
        timeout=DEADLINE,
    )  # fmt: skip
