"""What other users of the machine can do with the small cloud's database: nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from kollarm.services import daemon
from testbed.cloud import backends, nova_config, unprivileged
from testbed.cloud.layout import CloudLayout
from tests.faults.counts import count
from tests.support import neighbour
from tests.support.servers import free_port


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudLayout]:
    """A cloud of which the database runs."""
    layout = CloudLayout(tmp_path_factory.mktemp("cloud"), free_port())
    daemon.start(backends.database_server(layout))
    yield layout
    daemon.stop(layout.service_folder("database"))


def statements(layout: CloudLayout, *lines: str) -> list[neighbour.Attempt]:
    """Attempts to carry out SQL with the password of Nova's user."""
    return [
        ("runs", ["mariadb", "--no-defaults", "--host=127.0.0.1", f"--port={layout.database_port}",
                  "--user=nova", f"--password={layout.password('database')}", f"--execute={line}"])
        for line in lines
    ]  # fmt: skip


def test_a_database_lets_nobody_in_without_its_password(layout: CloudLayout) -> None:
    attempts = neighbour.logins(layout.database_port, ("", neighbour.KNOWN_PASSWORD, "root"))
    attempts += neighbour.files_below(layout.folder)
    found = neighbour.successes(attempts)
    subject = "attempts of another user to get into a database"
    count(subject, "tried", len(attempts))
    count(subject, "let in", len(found))
    assert found == []


def test_with_its_password_a_database_opens_no_file(layout: CloudLayout, tmp_path: Path) -> None:
    target = tmp_path / "written"
    tmp_path.chmod(0o777)
    allowed = statements(
        layout,
        *(f"create table {name}.x (y text not null)" for name in nova_config.DATABASES),
        "insert into nova.x values ('y')",
    )
    assert neighbour.successes(allowed) == allowed
    refused = statements(
        layout,
        f"select 'x' into outfile '{target}'",
        f"select 'x' into dumpfile '{unprivileged.MOUNTED}/files/x'",
        "load data infile '/etc/passwd' into table nova.x",
        "insert into nova.x values (load_file('/etc/passwd'))",  # NULL, which isn't allowed there
        "create user eve",
        "grant all on *.* to nova@127.0.0.1",
        "set global secure_file_priv = ''",
        "install soname 'server_audit'",
        "select * from mysql.global_priv",
        "create database other",
    )
    assert neighbour.successes(refused) == []
    assert not target.exists()


def test_the_database_server_is_not_root(layout: CloudLayout) -> None:
    pid = daemon.running_in(layout.service_folder("database"))
    assert pid is not None
    assert set(psutil.Process(pid).uids()) == {unprivileged.DATABASE}
