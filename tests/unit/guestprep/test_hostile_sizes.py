"""What guests and archives could use up: memory, and the time of endless unpacking."""

from __future__ import annotations

import gzip
import io
import lzma
import stat
import tarfile
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import zstandard

from core.download import DownloadError
from core.errors import KollarmError, UnusableInput
from guestprep import limits
from guestprep.appliance import Appliance, GuestCallError
from guestprep.apply.module_tree import ModuleTree
from guestprep.archive.deb import open_deb
from guestprep.archive.fetch import ArchiveError, Fetcher
from guestprep.inspect.initramfs import read_initramfs
from guestprep.parse.compression import Compression, UnreadableStream, compress, decompress
from guestprep.parse.cpio import Member, write_archive
from guestprep.parse.dpkg import parse_status
from guestprep.parse.initramfs import InitramfsReader
from guestprep.parse.modules import parse_dep
from tests.support.synthetic import ar_of, tar_of

MIB = 1 << 20
REGULAR = stat.S_IFREG | 0o644

PACKERS: dict[Compression, Callable[[bytes], bytes]] = {
    Compression.GZIP: gzip.compress,
    Compression.XZ: lambda data: lzma.compress(data, preset=0),
    Compression.ZSTD: zstandard.compress,
}


@contextmanager
def peak_below(mib: float) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < mib * MIB
    finally:
        tracemalloc.stop()


def segment(compression: Compression, size: int, name: str = "f") -> bytes:
    data = compress(write_archive([Member(name, REGULAR, size, bytes(size))]), compression)
    return data + bytes(-len(data) % 4)


def fault_of(path: Path, *segments: bytes) -> str:
    path.write_bytes(b"".join(segments))
    with peak_below(100):
        reader = InitramfsReader(path)
        for _ in reader.members(lambda name: False):
            pass
    return reader.fault or ""


@pytest.mark.parametrize(
    "kinds",
    [
        (Compression.ZSTD,) * 10,
        (Compression.LZ4,) * 10,
        (Compression.GZIP, Compression.XZ, Compression.LZMA, Compression.BZIP2, Compression.ZSTD),
    ],
    ids=lambda kinds: "+".join(dict.fromkeys(kinds)),
)
def test_all_segments_have_one_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kinds: tuple[Compression, ...]
) -> None:
    monkeypatch.setattr(limits, "UNPACKED", 32 * MIB)
    each = 30 * MIB
    assert fault_of(tmp_path / "one", segment(kinds[0], each)) == ""
    fault = fault_of(tmp_path / "all", *(segment(kind, each) for kind in kinds))
    assert "unpacks to more than 32" in fault


def test_the_number_of_an_initramfs_files_has_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MEMBERS", 1000)
    members = [Member(str(number), REGULAR, 0, b"") for number in range(600)]
    packed = [compress(write_archive(members), Compression.GZIP) + bytes(4)] * 2
    packed = [data + bytes(-len(data) % 4) for data in packed]
    assert fault_of(tmp_path / "one", packed[0]) == ""
    assert "more than 1000 files" in fault_of(tmp_path / "two", *packed)


def test_what_is_kept_of_an_initramfs_has_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "KEPT", 16 * MIB)
    names = [f"{number}/modules.dep" for number in range(8)]
    path = tmp_path / "initrd"
    path.write_bytes(b"".join(segment(Compression.ZSTD, 4 * MIB, name) for name in names))
    with peak_below(60):
        assert "more than 16" in (read_initramfs(path, "/boot/x", "6.1").fault or "")


def test_a_links_target_is_no_longer_than_a_path(tmp_path: Path) -> None:
    path = tmp_path / "initrd"
    path.write_bytes(write_archive([Member("x", stat.S_IFLNK | 0o777, 5000, b"y" * 5000)]))
    reader = InitramfsReader(path)
    assert not list(reader.members(lambda name: False))
    assert reader.fault is not None and "5000" in reader.fault


def test_a_dictionary_has_a_bound() -> None:
    packed = bytearray(lzma.compress(b"x" * 1000, format=lzma.FORMAT_ALONE))
    packed[1:5] = (2 << 30).to_bytes(4, "little")
    with pytest.raises(UnreadableStream, match="damaged lzma"):
        decompress(bytes(packed), Compression.LZMA, at_most=MIB)


@pytest.mark.parametrize("compression", PACKERS)
def test_a_module_that_unpacks_without_end(compression: Compression) -> None:
    packed = PACKERS[compression](bytes(200 * MIB))
    with peak_below(100), pytest.raises(UnreadableStream, match="unpacks to more"):
        decompress(packed, compression, at_most=8 * MIB)


@pytest.mark.parametrize("compression", PACKERS)
def test_several_streams_unpack_to_one_file(compression: Compression) -> None:
    pack = PACKERS[compression]
    assert decompress(pack(b"ab") + pack(b"cd"), compression, at_most=4) == b"abcd"
    with pytest.raises(UnreadableStream):
        decompress(pack(b"ab") + pack(b"cd"), compression, at_most=3)


class Guest(Appliance):
    """The caller's side alone, with files that have a size and no end."""

    def __init__(self, **sizes: int):
        self._total_read = 0
        self._lifeline = -1
        self.sizes = sizes
        self.read_bytes = 0

    def call(self, method: str, *args: object, limit: float = 0, **kwargs: object) -> object:
        path, *rest = args
        if path not in self.sizes:
            raise GuestCallError(method, "No such file or directory")
        kind = {"/dev/fifo": stat.S_IFIFO, "/d": stat.S_IFDIR}.get(str(path), stat.S_IFREG)
        if method == "statns":
            return {"st_mode": kind | 0o644, "st_size": self.sizes[str(path)]}
        assert method == "pread"
        amount = rest[0]
        assert isinstance(amount, int)
        self.read_bytes += amount
        return bytes(amount)


@pytest.mark.parametrize(
    ("path", "size"),
    [
        ("/etc/os-release", 65 << 10),
        ("/etc/modules", 400 * MIB),
        ("/var/lib/dpkg/status", 17 * MIB),
        ("/boot/grub/grub.cfg", 16 << 40),
        ("/lib/modules/6.1/modules.dep", 17 * MIB),
    ],
)
def test_a_larger_file_than_any_is_refused_unread(path: str, size: int) -> None:
    guest = Guest(**{path: size})
    with pytest.raises(UnusableInput, match=path):
        guest.read(path)
    assert guest.read_bytes == 0


def test_files_within_bounds_are_read_in_pieces() -> None:
    guest = Guest(**{"/var/lib/dpkg/status": 5 * MIB + 1, "/etc/empty": 0})
    assert len(guest.read("/var/lib/dpkg/status")) == 5 * MIB + 1
    assert guest.read("/etc/empty") == b""


def test_all_files_together_have_a_bound() -> None:
    guest = Guest(**{"/var/lib/dpkg/status": 15 * MIB})
    with pytest.raises(UnusableInput, match="all that is read"):
        for _ in range(20):
            guest.read("/var/lib/dpkg/status")


def test_what_is_no_file_is_not_opened() -> None:
    guest = Guest(**{"/dev/fifo": 0, "/d": 5 * MIB})
    with pytest.raises(GuestCallError, match="regular"):
        guest.read("/dev/fifo")
    with pytest.raises(UnusableInput):
        guest.list_directory("/d")
    with pytest.raises(UnusableInput):
        Guest(x=2).download("x", Path("/nowhere/x"), at_most=1)


def test_numbers_of_packages_and_modules_have_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PACKAGES", 3)
    monkeypatch.setattr(limits, "MODULES", 3)
    with pytest.raises(UnusableInput):
        parse_status("Package: a\nStatus: x\n\n" * 4)
    with pytest.raises(UnusableInput):
        parse_status("Package: a\nStatus: x\nDepends: " + "a, " * MIB)
    with pytest.raises(UnusableInput):
        parse_dep("a.ko:\n" * 4)
    tree = ModuleTree(tmp_path, "6.1.0")
    with pytest.raises(UnusableInput):
        for number in range(4):
            tree.add(f"{number}.ko", b"")


def package(path: Path, control: bytes, data: bytes) -> Path:
    members = {"debian-binary": b"2.0\n", "control.tar.zst": control, "data.tar.zst": data}
    path.write_bytes(ar_of({name: zstandard.compress(part) for name, part in members.items()}))
    return path


def test_a_package_whose_files_have_no_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    control = tar_of({"control": b"Package: x\n"})
    monkeypatch.setattr(limits, "CONTROL_FILES", MIB)
    monkeypatch.setattr(limits, "PACKAGE", 8 * MIB)
    with pytest.raises(ArchiveError, match="than any package"):
        open_deb(package(tmp_path / "a.deb", tar_of({"control": bytes(2 * MIB)}), control))
    data = tar_of({str(number): bytes(MIB) for number in range(9)})
    deb = open_deb(package(tmp_path / "b.deb", control, data))
    with deb.data() as files, pytest.raises(ArchiveError, match="than any package"):
        list(deb.entries(files))


def test_a_header_of_tar_without_end(tmp_path: Path) -> None:
    out = io.BytesIO()
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 64 * MIB
    out.write(header.tobuf(tarfile.USTAR_FORMAT) + bytes(64 * MIB))
    path = package(tmp_path / "a.deb", out.getvalue(), b"")
    with peak_below(20), pytest.raises(ArchiveError, match="damaged"):
        open_deb(path)


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[str, list[int]]]:
    """A server whose files have no end; its address, and how many MiB it could send."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("KOLLARM_CACHE", str(tmp_path / "cache"))
    sent = [0]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            try:
                for _ in range(200):
                    self.wfile.write(bytes(MIB))
                    sent[0] += 1
            except OSError:
                pass

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", sent
    server.shutdown()
    server.server_close()


def test_an_archives_file_without_end(endless: tuple[str, list[int]]) -> None:
    url, sent = endless
    with peak_below(40), pytest.raises(DownloadError, match="larger"):
        Fetcher(url).cached(("Packages.xz",), "a" * 64, 1000)
    with peak_below(100), pytest.raises(DownloadError, match="larger"):
        Fetcher(url).small("dists/x/InRelease")
    assert sent[0] < 60


def test_a_file_of_another_size_isnt_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KOLLARM_CACHE", str(tmp_path / "cache"))
    with (tmp_path / "file").open("wb") as stream:
        stream.truncate(1 << 40)
    fetcher = Fetcher(f"file://{tmp_path}")
    with pytest.raises(ArchiveError, match="not the file"):
        fetcher.cached(("file",), "a" * 64, 1000)
    with pytest.raises(KollarmError, match="larger"):
        fetcher.small("file")
