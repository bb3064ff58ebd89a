"""Things that look like parts of an arm64 guest, small and made in an instant.

The module files are real enough for kmod's depmod: ELF objects with a ``.modinfo``, the
symbols they export and those they need.
"""

from __future__ import annotations

import atexit
import hashlib
import io
import shutil
import struct
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path

#: The first bytes of an arm64 program.
ARM64_PROGRAM = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 2, 183) + bytes(44)
X86_PROGRAM = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 2, 62) + bytes(44)


def module(
    name: str,
    *,
    exports: Sequence[str] = (),
    needs: Sequence[str] = (),
    alias: str = "",
    softdep: str = "",
    padding: int = 0,
) -> bytes:
    """A kernel module for depmod's eyes (ELF64, little endian, relocatable)."""
    info = [f"name={name}", f"vermagic=synthetic {name}"]
    info += [f"alias={alias}"] if alias else []
    info += [f"softdep={softdep}"] if softdep else []
    strings = b"\0" + b"".join(symbol.encode() + b"\0" for symbol in needs)
    symbols = bytes(24)
    at = 1
    for symbol in needs:  # undefined, global
        symbols += struct.pack("<IBBHQQ", at, 0x10, 0, 0, 0, 0)
        at += len(symbol) + 1
    sections = [
        (".modinfo", 1, b"".join(line.encode() + b"\0" for line in info), 0, 0, 0),
        ("__ksymtab_strings", 1, b"".join(s.encode() + b"\0" for s in exports), 0, 0, 0),
        (".symtab", 2, symbols, 4, 1, 24),
        (".strtab", 3, strings, 0, 0, 0),
        (".padding", 1, hashlib.shake_128(name.encode()).digest(padding), 0, 0, 0),
    ]
    names = b"\0" + b"".join(entry[0].encode() + b"\0" for entry in sections) + b".shstrtab\0"
    sections.append((".shstrtab", 3, names, 0, 0, 0))
    body, headers, offset = b"", bytes(64), 64
    for title, kind, data, link, info_field, size in sections:
        headers += struct.pack(
            "<IIQQQQIIQQ",
            names.index(title.encode() + b"\0"),
            kind,
            0,
            0,
            offset + len(body),
            len(data),
            link,
            info_field,
            1,
            size,
        )
        body += data
    body += bytes(-len(body) % 8)
    count = len(sections) + 1
    return (
        b"\x7fELF\x02\x01\x01"
        + bytes(9)
        + struct.pack(
            "<HHIQQQIHHHHHH", 1, 183, 1, 0, 0, offset + len(body), 0, 64, 0, 0, 64, count, count - 1
        )
        + body
        + headers
    )


#: The modules of a graphics stack, by path.
GRAPHICS = {
    "kernel/drivers/gpu/drm/drm.ko": module("drm", exports=["drm_open"], padding=3000),
    "kernel/drivers/gpu/drm/drm_kms_helper.ko": module(
        "drm_kms_helper", exports=["drm_kms"], needs=["drm_open"]
    ),
    "kernel/drivers/gpu/drm/virtio/virtio-gpu.ko": module(
        "virtio_gpu",
        needs=["drm_open", "drm_kms", "virtio_open"],
        alias="virtio:d00000010v*",
        softdep="pre: soft_helper",
    ),
    "kernel/lib/soft-helper.ko": module("soft_helper"),
}

#: The modules that every synthetic kernel has.
BASIC = {
    "kernel/drivers/virtio/virtio.ko": module("virtio", exports=["virtio_open"]),
    "kernel/drivers/block/virtio_blk.ko": module("virtio_blk", needs=["virtio_open"]),
    "kernel/fs/other.ko": module("other", exports=["other"], padding=2000),
}


def write_tree(base: Path, files: Mapping[str, bytes | str]) -> None:
    """Files below a folder; a value that starts with ``-> `` makes a symbolic link."""
    for name, content in files.items():
        path = base / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str) and content.startswith("-> "):
            path.symlink_to(content[3:])
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)


def index_modules(base: Path, version: str) -> None:
    """Let the host's depmod index the modules below a tree."""
    subprocess.run(["/sbin/depmod", "-b", base, version], check=True)


def deb(
    path: Path,
    control: Mapping[str, str],
    files: Mapping[str, bytes],
    scripts: Mapping[str, str] | None = None,
    *,
    compression: str = "xz",
) -> Path:
    """A Debian package, made with dpkg-deb.

    :param files: content by path.
    """
    tree = path.with_suffix(".tree")
    write_tree(tree, files)
    debian = tree / "DEBIAN"
    debian.mkdir(parents=True)
    (debian / "control").write_text("".join(f"{key}: {value}\n" for key, value in control.items()))
    for name, text in (scripts or {}).items():
        (debian / name).write_text(text)
        (debian / name).chmod(0o755)
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", f"-Z{compression}", "--build", tree, path],
        check=True,
        capture_output=True,
    )
    return path


@dataclass(frozen=True)
class SignedArchive:
    """An apt archive in a folder, with the keyring of the key that signed it."""

    folder: Path
    suite: str
    keyring: Path
    home: Path
    fields: Mapping[str, str] = field(default_factory=dict)

    def sign(
        self,
        *,
        valid_until: str | None = None,
        date: str | None = None,
        names: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
    ) -> None:
        """(Re)make the indices over the packages in ``pool`` and sign them.

        :param names: Suite and Codename, where they are not both the suite's.
        :param fields: further fields of the Release file.
        :param options: further ones for gpg.
        """
        dist = self.folder / "dists" / self.suite
        binary = dist / "main" / "binary-arm64"
        binary.mkdir(parents=True, exist_ok=True)
        packages = subprocess.run(
            ["dpkg-scanpackages", "--multiversion", "pool"],
            cwd=self.folder,
            check=True,
            capture_output=True,
        ).stdout
        (binary / "Packages").write_bytes(packages)
        subprocess.run(["xz", "-kf", binary / "Packages"], check=True)
        if names is None:
            names = {"Suite": self.suite, "Codename": self.suite}
        lines = [
            "Origin: synthetic",
            *(f"{key}: {name}" for key, name in names.items()),
            f"Date: {date or formatdate(usegmt=True)}",
            "Architectures: arm64",
            "Components: main",
            "Acquire-By-Hash: no",
        ]
        lines += [f"{key}: {value}" for key, value in (fields or {}).items()]
        if valid_until:
            lines.append(f"Valid-Until: {valid_until}")
        lines.append("SHA256:")
        for path in sorted(dist.rglob("Packages*")):
            content = path.read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            lines.append(f" {digest} {len(content)} {path.relative_to(dist)}")
        (dist / "Release").write_text("\n".join(lines) + "\n")
        signed, plain = dist / "InRelease", dist / "Release"
        gpg(self.home, *options, "--clearsign", "--output", signed, plain)


def gpg(home: Path, *words: str | Path) -> None:
    """Run gpg with a home of its own, without questions."""
    subprocess.run(
        [
            "gpg",
            "--homedir",
            home,
            "--batch",
            "--yes",
            "--quiet",
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "",
            *words,
        ],
        check=True,
        capture_output=True,
    )


def _forget(home: Path) -> None:
    """End a key folder's agent and remove the folder."""
    subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)
    shutil.rmtree(home, ignore_errors=True)


def signed_archive(
    folder: Path,
    suite: str = "bionic",
    *,
    expire: str = "never",
    algorithm: str = "ed25519",
    options: Sequence[str] = (),
) -> SignedArchive:
    """An empty archive with a signing key of its own; add packages to ``pool``, then sign.

    :param options: further ones for gpg, when it makes the key.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Short: the agent's socket lies in it, and its path may have no more than 107 bytes.
    home = Path(tempfile.mkdtemp(prefix="gpg-", dir="/tmp"))
    atexit.register(_forget, home)
    user = "Synthetic <synthetic@example.org>"
    gpg(home, *options, "--quick-generate-key", user, algorithm, "sign", expire)
    keyring = folder / "keyring.gpg"
    gpg(home, "--export", "--output", keyring)
    (folder / "pool").mkdir()
    return SignedArchive(folder, suite, keyring, home)


def ar_of(members: Mapping[str, bytes]) -> bytes:
    """An ar archive in memory, as a ``.deb`` is one."""
    out = b"!<arch>\n"
    for name, content in members.items():
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode()
        out += content + b"\n" * (len(content) % 2)
    return out


def tar_of(files: Mapping[str, bytes]) -> bytes:
    """A tar archive in memory."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()
