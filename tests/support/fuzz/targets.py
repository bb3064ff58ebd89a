"""Every parser that eats what comes from outside, with inputs to start from.

An input may be refused in the parser's own words (:attr:`Target.refusals`); any
other exception is a crash.
"""

from __future__ import annotations

import gzip
import json
import lzma
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import zstandard
from requests.utils import parse_dict_header

from builder.context import dockerfile
from builder.engines.buildkit import BuildkitOutput
from builder.overlays import model, template
from core.attestation import signing, sigstore, spdx, statement, verification
from core.config import load
from core.errors import KollarmError
from core.oci.registry import RegistryClient
from guestprep.archive.deb import open_deb
from guestprep.archive.index import PackageIndex
from guestprep.boot.report import BootReport
from guestprep.parse import (
    bls,
    cloudcfg,
    dpkg,
    elf,
    grub,
    grub_default,
    initramfs,
    loader_conf,
    modules,
    relation,
    text,
)
from guestprep.parse.cpio import Member, write_archive
from guestprep.publish import format_rules
from guestprep.source import checksum, qcow2
from tests.support.boot_sector import PROTECTIVE, boot_sector, entry
from tests.support.synthetic import ar_of, tar_of


@dataclass(frozen=True)
class Target:
    """A parser under test."""

    name: str
    run: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    """Valid inputs, which are then damaged."""
    refusals: tuple[type[Exception], ...] = ()
    """What it may raise for an input it doesn't take."""


def _texts(parse: Callable[[str], object]) -> Callable[[bytes], object]:
    return lambda data: parse(text.decode(data))


def _file(parse: Callable[[Path], object], name: str = "input") -> Callable[[bytes], object]:
    def run(data: bytes) -> object:
        with tempfile.TemporaryDirectory(prefix="kollarm-fuzz-") as folder:
            path = Path(folder) / name
            path.write_bytes(data)
            return parse(path)

    return run


def _ramfs(path: Path) -> object:
    reader = initramfs.InitramfsReader(path)
    found = {member.name: member for member in reader.members(lambda name: True)}
    links = initramfs.link_targets(found)
    return [initramfs.resolve(name, links) for name in found], reader.fault


def _index(data: bytes) -> object:
    index = PackageIndex(text.decode(data), "http://a.example", "arm64")
    return [*index.packages("bash"), *index.providers("mail")]


def _deb(path: Path) -> object:
    package = open_deb(path)
    with package.data() as files:
        return dpkg.fields_of(package.control), [member.name for member in files]


def _overlay(path: Path) -> object:
    return model.read(path.parent)


def _grub(source: str) -> object:
    environment = {"saved_entry": tuple(source.split()[:3])}
    return (
        grub.entries(source),
        grub_default.started(source, environment),
        grub.rewrite(source, ("ttyAMA0,115200", "tty1")),
    )


def _bls(source: str) -> object:
    values = {"kernelopts": ("quiet", "console=ttyS0")}
    found = bls.entry("/boot/loader/entries/x.conf", source, values)
    return found, bls.rewrite(source, ("ttyAMA0,115200", "tty1"), {"6.1.0-9": "6.1.0-10"})


def _loader_conf(source: str) -> object:
    found = [
        bls.entry(f"/efi/loader/entries/{name}.conf", text, {}) for name, text in ENTRIES.items()
    ]
    entries = [entry for entry in found if entry is not None]
    versions = source.split()
    return (
        loader_conf.waits(source),
        loader_conf.rewrite(source),
        loader_conf.started(entries, ["EFI/Linux/x.efi", *versions], source),
        [loader_conf.compare_versions(one, source) for one in versions],
    )


def _environment(source: str) -> object:
    return grub.environment(source), grub.rewrite_environment(source, ["kernelopts"])


def _dockerfile(source: str) -> object:
    return (
        [dockerfile.commands(one.value) for one in dockerfile.instructions(source)],
        dockerfile.packages(source),
        dockerfile.on_prepared_root(source, {"curl"}),
        dockerfile.essence(dockerfile.without_date(source)),
    )


class _Answer:
    """What a registry answers to everything."""

    status_code, ok, url, reason = 200, True, "http://127.0.0.1:1/v2/", ""

    def __init__(self, content: bytes):
        self.content = content
        kind = "application/vnd.oci.image.index.v1+json"
        if b"config" in content:
            kind = "application/vnd.oci.image.manifest.v1+json"
        self.headers = {"Content-Type": kind, "Docker-Content-Digest": "md5:x"}

    def iter_content(self, size: int) -> list[bytes]:
        return [self.content]

    def __enter__(self) -> _Answer:
        return self

    def __exit__(self, *words: object) -> None:
        pass


def _registry(data: bytes) -> object:
    client = RegistryClient("127.0.0.1:1")
    client.transport.session.request = lambda *args, **kwargs: _Answer(data)  # type: ignore[method-assign,assignment]
    client.blob = lambda repository, digest: data  # type: ignore[method-assign]
    return client.index("a/b", "t"), client.image("a/b", "t"), client.referrers("a/b", "sha256:0")


def _configuration(source: str) -> object:
    return load.parse(source, Path("/nowhere/kollarm.yml"))


CONTROL = b"Package: bash\nVersion: 5.2-1\nArchitecture: arm64\nDepends: libc6 (>= 2.36) | x, y\n"
PACKAGES = (
    CONTROL + b"Filename: pool/b.deb\nSHA256: " + b"ab" * 32 + b"\nSize: 12\n"
    b"Provides: mail (= 1), news\n\nPackage: other\nVersion: 1\n"
)
STATUS = b"Package: bash\nStatus: install ok installed\nVersion: 1\nProvides: sh (= 1)\n"
GRUB = b"""\
set default="${saved_entry}"
menuentry 'Ubuntu' --class ubuntu {
\tlinux /boot/vmlinuz-4.15.0-1 root=LABEL=cloudimg-rootfs ro console=tty1 console=ttyS0
\tinitrd /boot/initrd.img-4.15.0-1
}
submenu 'Advanced' --id more {
menuentry 'rescue' { linux /boot/vmlinuz single nomodeset
}
}
"""
ENTRIES = {
    "debian-6.1.0-9+3": "title Debian\nversion 6.1.0-9\nsort-key debian\nlinux /a\n",
    "debian-6.1.0-10": "title Debian\nversion 6.1.0-10\nsort-key debian\nlinux /b\n",
    "x+0-2": "title x\nlinux /c\noptions ro single\n",
}
CPIO = write_archive(
    [
        Member("lib/modules/x/a.ko", 0o100644, 4, b"\x7fELF"),
        Member("lib", 0o120777, 7, b"usr/lib"),
        Member("usr/lib", 0o040755, 0, None),
    ]
)
INDEX = json.dumps(
    {
        "schemaVersion": 2,
        "manifests": [
            {"digest": "sha256:1", "mediaType": "m", "size": 3,
             "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}}
        ],
    }
).encode()  # fmt: skip
MANIFEST = json.dumps(
    {
        "config": {"digest": "sha256:1", "size": 2, "Labels": {"io.kollarm.key": "k"}},
        "layers": [{"digest": "sha256:2", "size": 3}],
        "os": "linux",
        "architecture": "arm64",
    }
).encode()
DEB = ar_of(
    {
        "debian-binary": b"2.0\n",
        "control.tar.xz": lzma.compress(tar_of({"control": CONTROL, "postinst": b"#!/bin/sh\n"})),
        "data.tar.zst": zstandard.compress(tar_of({"usr/bin/bash": b"\x7fELF"})),
    }
)
OVERLAY = b"""\
description: What it does.
why: Because.
applies_to: {releases: ["2026.1"], images: [base]}
variables: {mirror: {description: where, default: x}}
"""
TEMPLATE = b"""\
{% extends parent_template %}
{% set base_packages_append = ['curl'] %}
{% block base_footer %}RUN {{ x | default('y') }}{% endblock %}
"""
CONFIG = b"""\
release: "2026.1"
build: {images: [base], engines: {x86_64: {url: local}}}
guests: [{name: g, source: {path: a.img, sha256sums: SUMS}, consoles: [tty1]}]
"""
SHA256 = "sha256:" + "ab" * 32
ENVELOPE = json.dumps(
    {"payloadType": statement.MEDIA_TYPE, "payload": "e30=", "signatures": [{"sig": "AAAA"}]}
).encode()
STATEMENT = json.dumps(
    statement.statement("r.example/kolla/cron", "ab" * 32, statement.PROVENANCE, {
        "buildDefinition": {"externalParameters": {"tag": "t"},
                            "internalParameters": {"members": {"aarch64": "sha256:ab"}}},
    })
).encode()  # fmt: skip
BILL = json.dumps(spdx.document("x", "ab" * 32, [spdx.BomPackage("deb", "b", "1")])).encode()
REPORT = json.dumps(
    {
        "passed": True, "state": "login prompt", "serial_state": "login prompt", "seconds": 1.5,
        "timed_out": False, "accelerator": "tcg", "screen_text": "", "serial_tail": "",
        "sightings": [{"seconds": 1, "source": "screen", "state": "grub"}],
    }
).encode()  # fmt: skip

TARGETS = (
    Target("grub.cfg", _texts(_grub), (GRUB,)),
    Target("boot loader entry", _texts(_bls),
           (b"title Rocky\nversion 6.1.0-9\nlinux /vmlinuz-6.1.0-9\ninitrd /i.img $tuned\n"
            b"options root=LABEL=x ro $kernelopts console=ttyS0\n",)),
    Target("loader.conf", _texts(_loader_conf),
           (b"timeout menu-force\n#console-mode keep\ndefault debian-6.1.0-*.conf\n",
            b"default @saved\ntimeout 5\n")),
    Target("grubenv", _texts(_environment),
           (b"# GRUB Environment Block\nsaved_entry=x\nkernelopts=ro console=ttyS0\n####",)),
    Target("os-release", _texts(text.os_release), (b'ID=ubuntu\nVERSION_ID="18.04"\n',)),
    Target("fstab", _texts(text.fstab), (b"LABEL=x / ext4 defaults,ro 0 1\n",)),
    Target("kernel config", _texts(text.kernel_config), (b"CONFIG_DRM=m\n# CONFIG_X is not set",)),
    Target("modules.dep", _texts(lambda s: modules.parse_index(s, s, s)), (b"a/b.ko: c.ko.xz\n",),
           (KollarmError,)),
    Target("cloud.cfg", _texts(lambda s: (cloudcfg.default_user([s]), cloudcfg.datasources([s]),
                                          cloudcfg.network_left_alone([s]))),
           (b"system_info:\n  default_user: {name: debian}\n",)),
    Target("ELF header", elf.elf_architecture, (b"\x7fELF\x02\x01\x01" + bytes(11) + b"\xb7\0",)),
    Target("initramfs", _file(_ramfs),
           (CPIO, CPIO + gzip.compress(CPIO), CPIO + zstandard.compress(CPIO),
            lzma.compress(CPIO))),
    Target("qcow2 header", qcow2.parse_header, (b"QFI\xfb\0\0\0\x03" + bytes(96),)),
    Target("format of an image", lambda data: [format_rules.fault(one, data)
                                               for one in ("qcow2", "raw")],
           (b"QFI\xfb\0\0\0\x03" + bytes(96), boot_sector(PROTECTIVE), boot_sector(entry()))),
    Target("dpkg status", _texts(dpkg.parse_status), (STATUS,)),
    Target("dpkg status, packages of", _texts(spdx.debian_packages), (STATUS,)),
    Target("dist-info", _texts(spdx.python_package), (b"Name: x\nVersion: 1\n",)),
    Target("Packages", _index, (PACKAGES,)),
    Target("relations", _texts(lambda s: (relation.parse_relations(s, "arm64"),
                                          relation.parse_provides(s))),
           (b"libc6 (>= 2.36) | x [arm64], y <!nocheck>, z:any\n",)),
    Target(".deb", _file(_deb), (DEB,), (KollarmError,)),
    Target("SHA256SUMS", _texts(checksum.parse_sums), (b"ab" * 32 + b" *name.img\n",)),
    Target("overlay.yml", _file(_overlay, "overlay.yml"), (OVERLAY,), (KollarmError,)),
    Target("template", _texts(lambda s: template.parse(s, "t")), (TEMPLATE,)),
    Target("Dockerfile", _texts(_dockerfile),
           (b"FROM x\nRUN apt-get update && apt-get -y install curl \\\n  && rm x\n",)),
    Target("BuildKit's progress",
           _texts(lambda said: list(map(BuildkitOutput().line, said.splitlines()))),
           (b"#3 [2/3] RUN x\n#3 0.5 y\n#3 ERROR: z\n",)),
    Target("kollarm.yml", _texts(_configuration), (CONFIG,), (KollarmError,)),
    Target("registry's answer", _registry, (INDEX, MANIFEST), (KollarmError,)),
    Target("registry's challenge", _texts(parse_dict_header),
           (b'realm="https://a.example/token",service="r"',)),
    Target("Sigstore bundle", sigstore.envelope_of, (b'{"dsseEnvelope": ' + ENVELOPE + b"}",),
           (KollarmError,)),
    Target("rpm -qa", _texts(spdx.rpm_packages), (b"bash\t(none)\t5.1-9\tx86_64\tbash.src.rpm\n",)),
    Target("signed statement", lambda data: signing.open_envelope(data, None), (ENVELOPE,),
           (KollarmError,)),
    Target("statement",
           lambda data: verification.provenance_in(data, None, "kolla/cron", "t", SHA256),
           (STATEMENT,), (KollarmError,)),
    Target("bill of materials", lambda data: spdx.packages_about(data, "ab" * 32), (BILL,),
           (KollarmError,)),
    Target("boot report", lambda data: BootReport.from_dict(json.loads(data)), (REPORT,),
           (ValueError,)),
)  # fmt: skip
