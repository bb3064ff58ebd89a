"""Ports of embedded services that the configuration leaves open."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.config.load import parse
from core.config.model import Config
from core.errors import KollarmError
from kollarm.services import chosen_ports, daemon
from tests.support.daemons import web_server
from tests.support.servers import free_port


@contextmanager
def taken(*ports: int) -> Iterator[None]:
    """Another program listens on these ports."""
    sockets = [socket.create_server(("127.0.0.1", port)) for port in ports]
    try:
        yield
    finally:
        for one in sockets:
            one.close()


def two_free_ports() -> int:
    """The first of two consecutive free ports."""
    while True:
        first = free_port()
        try:
            with taken(first, first + 1):
                return first
        except OSError:
            continue


def config(folder: Path, text: str) -> Config:
    return parse(f"state_dir: {folder / 'state'}\n{text}", folder / "kollarm.yml")


def test_the_next_free_port_is_chosen_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    usual = two_free_ports()
    with caplog.at_level("INFO"):
        assert chosen_ports.choose("registry", tmp_path, usual) == usual
        assert not caplog.text
        with taken(usual):
            assert chosen_ports.choose("registry", tmp_path, usual) == usual + 1
    assert str(usual + 1) in caplog.text


def test_a_project_keeps_its_port(tmp_path: Path) -> None:
    usual = two_free_ports()
    chosen_ports.keep(tmp_path, usual + 1)
    assert chosen_ports.choose("registry", tmp_path, usual) == usual + 1
    with taken(usual + 1):  # its images are named with it
        assert chosen_ports.choose("registry", tmp_path, usual) == usual + 1


@pytest.mark.parametrize("text", ["", "word", "0", "65536", "\xff"])
def test_a_damaged_note_is_not_believed(tmp_path: Path, text: str) -> None:
    (tmp_path / "port").write_text(text, encoding="latin-1")
    usual = free_port()
    assert chosen_ports.choose("registry", tmp_path, usual) == usual


def test_a_projects_own_service_is_in_nobodys_way(tmp_path: Path) -> None:
    server = web_server(tmp_path / "registry", free_port())
    assert server.address is not None
    port = server.address[1]
    daemon.start(server)
    try:
        assert chosen_ports.choose("registry", server.folder, port) == port
        assert chosen_ports.choose("registry", tmp_path / "other", port) > port
    finally:
        daemon.stop(server.folder)


def test_where_none_is_free_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chosen_ports, "RANGE", 2)
    usual = two_free_ports()
    with taken(usual, usual + 1), pytest.raises(KollarmError, match="in use"):
        chosen_ports.choose("registry", tmp_path, usual)


def test_a_port_of_the_configuration_stays(tmp_path: Path) -> None:
    port = free_port()
    text = (
        f"registry: {{embedded: true, address: '127.0.0.1:{port}'}}\n"
        f"cloud: {{embedded: true, port: {port}}}\n"
    )
    with taken(port):
        before = config(tmp_path, text)
        assert chosen_ports.with_registrys_port(before) == before
        assert chosen_ports.glance_port(before) == port


def test_two_projects_get_ports_of_their_own(tmp_path: Path) -> None:
    found = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        given = config(tmp_path / name, "registry: {embedded: true}\ncloud: {embedded: true}\n")
        address = chosen_ports.with_registrys_port(given).registry.address
        for kind, port in (
            ("registry", int(address.rpartition(":")[2])),
            ("glance", chosen_ports.glance_port(given)),
        ):
            daemon.start(web_server(given.state_dir / kind, port))
            found.append(port)
    try:
        assert len(set(found)) == 4
    finally:
        for folder in tmp_path.glob("*/state/*"):
            daemon.stop(folder)


def test_a_registry_elsewhere_is_left_alone(tmp_path: Path) -> None:
    before = config(tmp_path, "registry: {address: 'registry.example.org:5000'}\n")
    assert chosen_ports.with_registrys_port(before) == before
