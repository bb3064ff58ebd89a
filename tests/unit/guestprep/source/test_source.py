"""Sources: files, URLs and the catalogue, against a server on loopback."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pydantic import HttpUrl

from core.config.model import GuestSource
from core.download import DownloadError
from core.errors import ConfigError, UnusableInput
from core.run import run
from guestprep.archive.fetch import ArchiveError
from guestprep.source import disk_facts
from guestprep.source.catalogue import CATALOGUE
from guestprep.source.find import locate
from tests.support import synthetic

IMAGE = "ubuntu-24.04-server-cloudimg-arm64.img"
CONTENT = bytes(range(256)) * 4096


class _Handler(SimpleHTTPRequestHandler):
    """Files with ranges, which the standard handler doesn't know."""

    requests: list[str] = []  # noqa: RUF012 — one server, one test at a time

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        type(self).requests.append(f"{self.path} {wanted}")
        if wanted is None:
            super().do_GET()
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-"))
        data = Path(self.translate_path(self.path)).read_bytes()[start:]
        self.send_response(206 if data else 416)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *words: object) -> None:
        pass


class Server:
    """A distribution's server, below a folder, with Ubuntu's 24.04 at first."""

    def __init__(self, folder: Path):
        self.folder = folder / "server"
        self.archive = synthetic.signed_archive(folder / "keys")
        self.place = self.publish("24.04/release", IMAGE, "SHA256SUMS", "SHA256SUMS.gpg")
        handler = partial(_Handler, directory=str(self.folder))
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def publish(self, folder: str, image: str, sums: str, signature: str) -> Path:
        """Put an image there with its list of digests, signed; the folder they are in."""
        place = self.folder / folder
        place.mkdir(parents=True)
        (place / image).write_bytes(CONTENT)
        digest = hashlib.new(sums.removesuffix("SUMS"), CONTENT).hexdigest()
        mark = "*" if sums == "SHA256SUMS" else " "  # Debian's list is of text mode
        (place / sums).write_text(f"{digest} {mark}{image}\n")
        signed = ("--detach-sign", "--output", place / signature, place / sums)
        synthetic.gpg(self.archive.home, *signed)
        return place

    def source(self, **changes: object) -> GuestSource:
        fields: dict[str, object] = {
            "image": "ubuntu-24.04",
            "mirror": HttpUrl(self.url),
            "keyring": self.archive.keyring,
        }
        return GuestSource.model_validate(fields | changes)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("KOLLARM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    _Handler.requests = []
    made = Server(tmp_path / "server")
    yield made
    made.http.shutdown()
    made.http.server_close()


def test_a_release_is_downloaded_once(server: Server) -> None:
    path, digest = locate(server.source())
    assert path.name == IMAGE and path.read_bytes() == CONTENT
    assert digest == hashlib.sha256(CONTENT).hexdigest()
    assert locate(server.source())[0] == path
    assert sum(IMAGE in line for line in _Handler.requests) == 1


@pytest.mark.parametrize(
    ("name", "folder", "image"),
    [
        ("ubuntu-16.04", "16.04/release", "ubuntu-16.04-server-cloudimg-arm64-uefi1.img"),
        ("ubuntu-26.04", "26.04/release", "ubuntu-26.04-server-cloudimg-arm64.img"),
        ("ubuntu-24.04-minimal", "noble/release", "ubuntu-24.04-minimal-cloudimg-arm64.img"),
        ("debian-13-nocloud", "trixie/latest", "debian-13-nocloud-arm64.qcow2"),
        ("debian-12-generic", "bookworm/latest", "debian-12-generic-arm64.qcow2"),
        ("debian-13-genericcloud", "trixie/latest", "debian-13-genericcloud-arm64.qcow2"),
    ],
)
def test_each_distributions_layout(server: Server, name: str, folder: str, image: str) -> None:
    lists = ("SHA256SUMS", "SHA256SUMS.gpg")
    if name.startswith("debian"):
        lists = ("SHA512SUMS", "SHA512SUMS.sign")
    place = server.publish(folder, image, *lists)
    path, digest = locate(server.source(image=name))
    assert path.name == image and path.read_bytes() == CONTENT
    assert digest == hashlib.sha256(CONTENT).hexdigest()
    (place / lists[0]).write_text("0" * 128 + f"  {image}\n")
    with pytest.raises(ArchiveError, match="bad signature"):
        locate(server.source(image=name))


def test_every_name_of_the_catalogue_is_an_arm64_image() -> None:
    assert len(CATALOGUE) == 15
    for name, entry in CATALOGUE.items():
        assert "arm64" in entry.file and entry.url(entry.file).startswith("https://"), name


def test_a_broken_download_goes_on_where_it_ended(server: Server) -> None:
    path, _ = locate(server.source())
    path.rename(path.with_name(f"{IMAGE}.part"))
    with path.with_name(f"{IMAGE}.part").open("r+b") as part:
        part.truncate(1000)
    assert locate(server.source())[0].read_bytes() == CONTENT
    assert any(line.endswith("bytes=1000-") for line in _Handler.requests)


def test_a_tampered_list_is_refused(server: Server) -> None:
    sums = server.place / "SHA256SUMS"
    sums.write_text("0" * 64 + f" *{IMAGE}\n")
    with pytest.raises(ArchiveError, match="bad signature"):
        locate(server.source())


def test_a_tampered_image_is_refused(server: Server) -> None:
    (server.place / IMAGE).write_bytes(CONTENT + b"x")
    with pytest.raises(DownloadError, match="not the one that was signed"):
        locate(server.source())


def test_a_missing_signature_is_refused(server: Server) -> None:
    (server.place / "SHA256SUMS.gpg").unlink()
    with pytest.raises(ArchiveError, match=r"not signed: there is no SHA256SUMS\.gpg") as caught:
        locate(server.source())
    assert caught.value.hint is not None and "sha256:" in caught.value.hint


def test_an_expired_key_is_refused(server: Server, tmp_path: Path) -> None:
    home = tmp_path / "expired"
    home.mkdir(mode=0o700)
    past = ("--faked-system-time", "20200101T000000!")
    synthetic.gpg(
        home, *past, "--quick-generate-key", "Old <old@example.org>", "ed25519", "sign", "1y"
    )
    keyring = tmp_path / "expired.gpg"
    synthetic.gpg(home, "--export", "--output", keyring)
    digest = hashlib.sha256(CONTENT).hexdigest()
    sums = server.place / "SHA256SUMS"
    sums.write_text(f"{digest} *{IMAGE}\n")
    synthetic.gpg(home, *past, "--detach-sign", "--output", server.place / "SHA256SUMS.gpg", sums)
    with pytest.raises(ArchiveError, match="a key that has expired"):
        locate(server.source(keyring=keyring))


def test_a_digest_of_the_configuration_needs_no_signature(server: Server) -> None:
    (server.place / "SHA256SUMS.gpg").unlink()
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert locate(server.source(sha256=digest))[1] == digest
    with pytest.raises(UnusableInput, match="SHA256"):
        path = server.place / IMAGE
        locate(GuestSource(path=path, sha256="0" * 64))


def test_lists_beside_files_and_urls(server: Server) -> None:
    path, sums = server.place / IMAGE, server.place / "SHA256SUMS"
    assert locate(GuestSource(path=path, sha256sums=str(sums)))[0] == path
    listed = GuestSource(path=path, sha256sums=str(sums), keyring=server.archive.keyring)
    assert locate(listed)[0] == path
    place = f"{server.url}/24.04/release"
    from_url = GuestSource(url=HttpUrl(f"{place}/{IMAGE}"), sha256sums=f"{place}/SHA256SUMS")
    assert locate(from_url)[0].read_bytes() == CONTENT
    with pytest.raises(ConfigError, match="no checksum"):
        locate(GuestSource(url=HttpUrl(f"{place}/{IMAGE}")))
    other = server.place / "other.img"
    other.write_bytes(b"")
    with pytest.raises(UnusableInput, match=r"no line for other\.img"):
        locate(GuestSource(path=other, sha256sums=str(sums)))


def test_unknown_names_get_the_nearest(server: Server) -> None:
    with pytest.raises(ConfigError) as caught:
        locate(server.source(image="ubuntu-24.4"))
    assert "'ubuntu-24.04'" in (caught.value.hint or "")


# -- disks ----------------------------------------------------------------------


@pytest.fixture
def qcow2(tmp_path: Path) -> Path:
    path = tmp_path / "disk.qcow2"
    run(["qemu-img", "create", "-q", "-f", "qcow2", path, "8M"])
    run(["qemu-io", "-f", "qcow2", "-c", "write -P 1 0 4M", path])
    return path


def test_a_qcow2(qcow2: Path) -> None:
    facts = disk_facts(qcow2)
    assert (facts.format, facts.virtual_size, facts.compression) == ("qcow2", 8 << 20, "zlib")


def test_a_qcow2_that_needs_another_file_is_refused(qcow2: Path, tmp_path: Path) -> None:
    overlay, data = tmp_path / "overlay.qcow2", tmp_path / "external.qcow2"
    run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", qcow2, overlay])
    with pytest.raises(UnusableInput, match="has a backing file"):
        disk_facts(overlay)
    run(
        [
            "qemu-img",
            "create",
            "-q",
            "-f",
            "qcow2",
            "-o",
            f"data_file={tmp_path}/data.raw",
            data,
            "8M",
        ]
    )
    with pytest.raises(UnusableInput, match="external file"):
        disk_facts(data)


@pytest.mark.parametrize("kept", [20, 90, 66000, 300000, 3 << 20])
def test_a_qcow2_cut_short_is_refused(qcow2: Path, kept: int) -> None:
    with qcow2.open("r+b") as disk:
        disk.truncate(kept)
    with pytest.raises(UnusableInput, match="cut short"):
        disk_facts(qcow2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"just text\n" * 100, "neither a qcow2 header nor a partition table"),
        (b"\x1f\x8b" + bytes(600), "compressed with gzip"),
        (b"<!DOCTYPE html>" + bytes(600), "an HTML page"),
    ],
)
def test_what_is_no_disk_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(UnusableInput, match=message):
        disk_facts(path)


def test_a_raw_disk_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "disk.raw"
    with path.open("wb") as disk:
        disk.truncate(8 << 20)
    run(["sgdisk", "-n1:1M:+4M", path])
    assert disk_facts(path).format == "raw"
    with path.open("r+b") as disk:
        disk.truncate(5 << 20)
    with pytest.raises(UnusableInput, match="cut short"):
        disk_facts(path)


def test_an_image_does_not_choose_its_format(tmp_path: Path) -> None:
    """A guest can write to a raw disk's first sector; QEMU would take this for a VMware disk."""
    path = tmp_path / "disk.raw"
    words = b"# Disk DescriptorFile\nversion=1\n"
    path.write_bytes(words + bytes(510 - len(words)) + b"\x55\xaa" + bytes(1 << 20))
    guess = run(["qemu-img", "info", path], check=False)
    assert "file format: raw" not in guess.stdout
    assert disk_facts(path).format == "raw"
    path.write_bytes(b"KDMV" + bytes(506) + b"\x55\xaa")
    assert disk_facts(path).format == "raw"


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableInput, match="no such file"):
        disk_facts(tmp_path / "none")
    with pytest.raises(UnusableInput, match="is not a file"):
        disk_facts(tmp_path)
