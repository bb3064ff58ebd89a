"""The small cloud's database server and what Nova and Placement keep in it.

MariaDB, because Nova on SQLite answers some calls with "database is locked":
it turns reads into writes within one transaction.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from core import progress
from core.run import run, which
from kollarm.services.glance_files import PASSWORD
from testbed.cloud import nova_files
from testbed.cloud.layout import HOST, CloudLayout

#: Seconds that one step of making databases may take.
DEADLINE = 900.0

_DONE = ".databases-made"


def command(layout: CloudLayout) -> tuple[str, ...]:
    """The server's command; its tables of users are made first where there are none."""
    folder = layout.part("database")
    data = folder / "data"
    if not (data / "mysql").exists():
        shutil.rmtree(data, ignore_errors=True)
        run(
            ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--user=root",
             "--auth-root-authentication-method=normal", "--skip-test-db"],
            timeout=DEADLINE,
        )  # fmt: skip
    first = folder / "first.sql"
    first.write_text(
        "".join(
            f"CREATE OR REPLACE USER '{user}'@'{host}' IDENTIFIED BY '{PASSWORD}';\n"
            f"GRANT ALL ON *.* TO '{user}'@'{host}' WITH GRANT OPTION;\n"
            for user, host in (("root", "localhost"), ("root", HOST), ("nova", HOST))
        )
        + "".join(
            f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8;\n"
            for name in nova_files.DATABASES
        )
    )
    return (
        which("mariadbd") or "mariadbd",
        "--no-defaults", "--user=root", f"--datadir={data}", f"--socket={folder}/socket",
        f"--pid-file={folder}/mariadbd.pid", f"--bind-address={HOST}",
        f"--port={layout.database_port}", f"--init-file={first}",
        # A trial's data: fast rather than safe from a power cut.
        "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M",
        "--performance-schema=0", "--skip-name-resolve", "--max-connections=400",
    )  # fmt: skip


def fill(layout: CloudLayout, tools: Path) -> None:
    """Make Nova's and Placement's tables, once."""
    done = layout.part("database") / _DONE
    if done.exists():
        return
    nova_manage: list[str | Path] = [
        tools / "bin" / "nova-manage", "--config-file", layout.part("nova") / "nova.conf",
    ]  # fmt: skip
    placement: list[str | Path] = [
        tools / "bin" / "placement-manage",
        "--config-file", layout.part("placement") / "placement.conf",
    ]  # fmt: skip
    with progress.current().step("make the databases") as step:
        for words in (
            [*placement, "db", "sync"],
            [*nova_manage, "api_db", "sync"],
            [*nova_manage, "cell_v2", "map_cell0"],
            [*nova_manage, "cell_v2", "create_cell", "--name=cell1"],
            [*nova_manage, "db", "sync"],
        ):
            step.note(" ".join(str(word) for word in words[3:]))
            # A cell of that name is there when an earlier run was cut off.
            run(words, timeout=DEADLINE, check="create_cell" not in words)
    done.touch()


def discover_hosts(layout: CloudLayout, tools: Path) -> None:
    """Let Nova's scheduler know the compute hosts that have registered since."""
    run(
        [tools / "bin" / "nova-manage", "--config-file", layout.part("nova") / "nova.conf",
         "cell_v2", "discover_hosts"],
        timeout=DEADLINE,
    )  # fmt: skip
