"""The overlays that come with kollarm, on real template trees and on the files they change."""

from __future__ import annotations

import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from builder.context import dockerfile
from builder.facts import ImageSource, RenderedImage
from builder.kolla import sources
from builder.kolla.releases import RELEASES, find
from builder.kolla.toolchain import toolchain
from builder.lint import sed_edits
from builder.lint.check import check_overlays
from builder.overlays.model import available, choose, read
from builder.rendering import render_all
from core.config.model import Architecture, Build, Config, Distro

pytestmark = pytest.mark.integration

X86, ARM = Architecture.X86_64, Architecture.AARCH64
SHIPPED = Path(__file__).resolve().parents[3] / "dockerfile_overlays"
DRIVER = "nova/virt/libvirt/driver.py"

#: Those that `make test` renders; `make test-all` does all that kollarm promises to.
QUICK = ("rocky", "2026.1")
TESTED = ("rocky", "train", "yoga", "2024.1", "2025.1", "2026.1", "2026.2")
RENDERED = [pytest.param(name, marks=() if name in QUICK else pytest.mark.full) for name in TESTED]


def image(
    release: str,
    name: str,
    *overlays: str,
    distro: Distro = Distro.DEBIAN,
    architecture: Architecture = ARM,
    **variables: str,
) -> RenderedImage:
    config = Config(
        release=release,
        build=Build(distro=distro, overlay_variables=variables),
    )
    chosen = choose(overlays, [SHIPPED])
    return render_all(config, chosen, [architecture])[architecture].images[name]


def runs(rendered: RenderedImage) -> list[str]:
    text = (rendered.context / "Dockerfile").read_text()
    return [one.value for one in dockerfile.instructions(text) if one.keyword == "RUN"]


def shell(command: str, root: Path) -> subprocess.CompletedProcess[str]:
    """Carry out a RUN on files below another root."""
    moved = re.sub(r"(?<![\w.:/])/(etc|var)/", rf"{root}/\1/", command)
    moved = re.sub(r"(?<![\w.:/])/etc\)", f"{root}/etc)", moved)
    return subprocess.run(["sh", "-c", moved], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def nova(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Release → the driver.py of its Nova, from the source distributions on PyPI."""
    found = {}
    for release, version in (("rocky", "18.3.0"), ("2025.1", "31.3.1"), ("2026.1", "33.0.2")):
        archive = sources.fetch(ImageSource("nova-base", "pypi", f"nova=={version}"))
        assert archive is not None
        folder = tmp_path_factory.mktemp("nova")
        with tarfile.open(archive) as packed:
            member = packed.extractfile(f"nova-{version}/{DRIVER}")
            assert member is not None
            (folder / "driver.py").write_bytes(member.read())
        found[release] = folder / "driver.py"
    return found


@pytest.mark.parametrize("release", RENDERED)
def test_no_faults_where_they_apply(release: str) -> None:
    report = check_overlays(release, [SHIPPED])
    assert report.faults == ()
    assert {*report.overlays, *report.elsewhere} == set(available([SHIPPED]))


def test_each_applies_to_some_release() -> None:
    for folder in available([SHIPPED]).values():
        overlay = read(folder)
        assert any(
            overlay.applies(release, distro, architecture)
            for release in RELEASES
            for distro in Distro
            for architecture in Architecture
        )


def test_rocky_removes_devices_right_before_the_start_script() -> None:
    name = "nova-compute-no-pci-passthrough"
    rendered = image("rocky", "nova-compute", name, distro=Distro.UBUNTU)
    lines = dockerfile.essence((rendered.context / "Dockerfile").read_text()).splitlines()
    place = lines.index("COPY extend_start.sh /usr/local/bin/kolla_nova_extend_start")
    site = "/var/lib/kolla/venv/lib/python2.7/site-packages"
    assert lines[place - 5] == f"RUN rm -f {site}/{DRIVER}c"
    assert [line.split("RUN ")[-1].strip()[:7] for line in lines[place - 4 : place]] == [
        "grep -q",
        "&& sed ",
        "grep -q",
        "&& sed ",
    ]
    other = image("rocky", "nova-compute", name, distro=Distro.UBUNTU, architecture=X86)
    assert "pci_passthrough" not in (other.context / "Dockerfile").read_text()


def test_rockys_steps_on_rockys_nova(nova: dict[str, Path], tmp_path: Path) -> None:
    rendered = image(
        "rocky", "nova-compute", "nova-compute-no-pci-passthrough", distro=Distro.UBUNTU
    )
    steps = [step for step in runs(rendered) if "driver.py" in step]
    assert len(steps) == 3
    driver = tmp_path / "var/lib/kolla/venv/lib/python2.7/site-packages" / DRIVER
    driver.parent.mkdir(parents=True)
    driver.write_text(nova["rocky"].read_text())
    driver.with_suffix(".pyc").touch()
    for step in steps:
        done = shell(step, tmp_path)
        assert done.returncode == 0, done.stderr
    text = driver.read_text()
    assert "data['pci_passthrough_" not in text
    assert "self._get_pci_passthrough_devices()" not in text
    assert "def get_available_resource" in text
    assert not driver.with_suffix(".pyc").exists()
    # on a Nova that is written otherwise the build fails
    assert [shell(step, tmp_path).returncode for step in steps] == [0, 1, 1]


@pytest.mark.parametrize("release", ["2025.1", "2026.1"])
def test_todays_nova_gets_the_option_and_only_that(
    release: str, nova: dict[str, Path], tmp_path: Path
) -> None:
    """Kolla's own script applies the patch; then the changed function is carried out."""
    rendered = image(release, "nova-compute", "nova-compute-pci-passthrough-by-host")
    assert "kolla_patch" in "\n".join(runs(rendered))
    patches = rendered.context / "patches"
    (name,) = (patches / "series").read_text().split()
    site = tmp_path / "var/lib/kolla/venv/lib/python3.13/site-packages"
    driver = site / DRIVER
    driver.parent.mkdir(parents=True)
    driver.write_text(nova[release].read_text())
    (tmp_path / "var/lib/kolla/venv/lib/python3").symlink_to("python3.13")
    applying: list[str | Path] = [
        "patch",
        "-p0",
        "--fuzz=0",
        "--ignore-whitespace",
        "-i",
        patches / name,
    ]
    subprocess.run(applying, cwd=tmp_path, check=True, capture_output=True)
    config = tmp_path / "nova.conf"
    program = """
import ast, json, sys, types
from oslo_config import cfg
tree = ast.parse(open(sys.argv[1]).read())
name = "_get_pci_passthrough_devices"
function = next(node for node in ast.walk(tree) if getattr(node, "name", "") == name)
conf = cfg.ConfigOpts()
conf(["--config-file", sys.argv[2]])
names = {"CONF": conf, "jsonutils": json, "libvirt": types.SimpleNamespace()}
exec(compile(ast.Module([function], []), "driver.py", "exec"), names)
try:
    print(names[name](None))
except AttributeError as error:
    print("asks libvirt" if "VIR_CONNECT" in str(error) else error)
"""
    said = []
    for text in ("[libvirt]\nreport_pci_devices = false\n", "[libvirt]\n"):
        config.write_text(text)
        done = subprocess.run(
            [toolchain(find(release)).python, "-c", program, driver, config],
            capture_output=True,
            text=True,
            check=True,
        )
        said.append(done.stdout.strip())
    assert said == ["[]", "asks libvirt"]


MIRRORS = {
    "apt_mirror": "https://mirror.example/archive",
    "apt_security_mirror": "https://mirror.example/security",
    "apt_ports_mirror": "https://mirror.example/ports",
    "dnf_mirror": "https://mirror.example/rocky",
    "pip_mirror": "https://mirror.example/simple",
}


#: As Rocky Linux's own images have it, shortened.
ROCKY_REPO = """\
[baseos]
mirrorlist=https://mirrors.rockylinux.org/mirrorlist?repo=BaseOS-$releasever
#baseurl=http://dl.rockylinux.org/$contentdir/$releasever/BaseOS/$basearch/os/
"""


def addresses(lists: str) -> list[str]:
    """The archives of an apt list, in either of its two forms."""
    return re.findall(r"^(?:URIs:|deb) (\S+)", lists, re.MULTILINE)


def mirrored(release: str, distro: Distro, architecture: Architecture, root: Path) -> str:
    """The text of a distribution's archive lists after the overlay's own steps."""
    variables = dict(MIRRORS)
    if (release, distro, architecture) == ("2025.1", Distro.UBUNTU, X86):
        del variables["apt_security_mirror"]  # its lists have one archive for everything
    rendered = image(
        release, "base", "archive-mirrors", distro=distro, architecture=architecture, **variables
    )
    text = (rendered.context / "Dockerfile").read_text()
    lists = root / "etc/yum.repos.d/rocky.repo"
    content = ROCKY_REPO
    if distro is not Distro.ROCKY:
        name, file = next(
            (name, file)
            for name, file in sed_edits.copied(text, rendered.context).items()
            if name.startswith("/etc/apt/sources.list") and "deb" in file.read_text()
        )
        lists, content = root / name[1:], file.read_text()
    lists.parent.mkdir(parents=True)
    lists.write_text(content)
    changing = [step for step in runs(rendered) if "mirror.example" in step]
    assert changing
    for step in changing:
        done = shell(step, root)
        assert done.returncode == 0, done.stderr
    assert "ENV PIP_INDEX_URL=https://mirror.example/simple" in text
    found = lists.read_text()
    assert all(shell(step, root).returncode != 0 for step in changing), "finds nothing, and goes on"
    return found


@pytest.mark.parametrize("release", ["2026.1", pytest.param("2025.1", marks=pytest.mark.full)])
def test_mirrors_take_the_place_of_every_archive(release: str, tmp_path: Path) -> None:
    debian = mirrored(release, Distro.DEBIAN, ARM, tmp_path / "debian")
    assert set(addresses(debian)) == {
        "https://mirror.example/archive",
        "https://mirror.example/security",
    }
    x86 = mirrored(release, Distro.UBUNTU, X86, tmp_path / "x86")
    assert "https://mirror.example/archive" in addresses(x86)
    assert not re.search(r"//(archive|security|mirrors)\.ubuntu\.com", x86)
    arm = mirrored(release, Distro.UBUNTU, ARM, tmp_path / "arm")
    assert "https://mirror.example/ports" in addresses(arm)
    assert "//ports.ubuntu.com" not in arm
    rocky = mirrored(release, Distro.ROCKY, X86, tmp_path / "rocky")
    assert "\nbaseurl=https://mirror.example/rocky/$releasever/BaseOS" in rocky
    assert "\n#mirrorlist=" in rocky


def test_without_a_mirror_nothing_changes() -> None:
    def text(*overlays: str) -> str:
        rendered = image("2026.1", "base", *overlays)
        plain = dockerfile.without_date((rendered.context / "Dockerfile").read_text())
        return dockerfile.essence(plain)

    assert text("archive-mirrors") == text()


@pytest.mark.parametrize("release", ["2026.1", pytest.param("2026.2", marks=pytest.mark.full)])
def test_debians_archive_alone(release: str) -> None:
    """Of what the compute set's images fetch, only Debian's archive and PyPI are left."""
    hosts = set()
    for name in ("base", "openstack-base", "nova-base", "nova-libvirt", "neutron-base",
                 "openvswitch-base", "keystone-base", "cron", "memcached"):  # fmt: skip
        rendered = image(release, name, "debian-archive-only")
        for step in runs(rendered):
            if "/etc/apt/sources.list.d" in step and "echo" in step:
                continue  # a vendor's archive that apt won't look at
            hosts |= set(re.findall(r"https?://([\w.-]+)", step))
        if name == "base":
            assert any("sourceparts" in step for step in runs(rendered))
        if name == "neutron-base":
            assert not any("docker-ce-cli" in step for step in runs(rendered))
    assert hosts <= {"deb.debian.org"}


def test_debians_rabbitmq_links_its_plugins(tmp_path: Path) -> None:
    """Kolla looks for plugins where the vendor's package has them."""
    rendered = image("2026.1", "rabbitmq", "debian-archive-only")
    steps = runs(rendered)
    linking = next(i for i, step in enumerate(steps) if "/plugins" in step and "ln -s" in step)
    assert "rabbitmq-plugins enable" in steps[linking + 1]
    plugins = tmp_path / "rabbitmq/lib/rabbitmq_server-4.0.5/plugins"
    plugins.mkdir(parents=True)
    moved = steps[linking].replace("/usr/lib/rabbitmq", str(tmp_path / "rabbitmq"))
    subprocess.run(["sh", "-ec", moved], check=True)
    assert (tmp_path / "rabbitmq/plugins").resolve() == plugins


@pytest.mark.parametrize(
    ("name", "overlay", "elsewhere"),
    [
        ("mariadb-server", "mariadb-health-check", "plugins/mariadb-server-plugin"),
        ("kolla-toolbox", "collections-from-pypi", "ansible-galaxy"),
    ],
)
def test_nothing_of_the_step_elsewhere_is_left(name: str, overlay: str, elsewhere: str) -> None:
    def steps(*overlays: str) -> str:
        return "\n".join(runs(image("2026.1", name, "debian-archive-only", *overlays)))

    assert elsewhere in steps()
    assert elsewhere not in steps(overlay)


def test_x86_hosts_get_the_firmware_of_arm_guests() -> None:
    def packages(architecture: Architecture) -> str:
        rendered = image(
            "2026.1", "nova-libvirt", "arm-guests-on-x86-64", architecture=architecture
        )
        return "\n".join(runs(rendered))

    assert "qemu-efi-aarch64" in packages(X86)
    assert packages(ARM).count("qemu-efi-aarch64") == 1, "Kolla's own"
