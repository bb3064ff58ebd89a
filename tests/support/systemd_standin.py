"""A stand-in for systemd on a bus of its own, for machines where it isn't process 1.

kolla-ansible starts containers through systemd units named
``kolla-NAME-container.service``.  This serves the part of systemd's D-Bus
interface that it uses and maps each unit to ``docker start|stop|restart NAME``.
Run by a Python that has dbus and gi (Debian's python3-dbus and python3-gi);
the bus's address is in DBUS_SYSTEM_BUS_ADDRESS.

Source of the interface: org.freedesktop.systemd1(5).
"""

# dbus and gi come from the distribution, without types; D-Bus names are not ours.
# mypy: disable-error-code="import-untyped,import-not-found,untyped-decorator,misc,no-any-return"
# ruff: noqa: N802

import subprocess
from typing import Any

import dbus
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib

MANAGER = "org.freedesktop.systemd1.Manager"


def container(unit: str) -> str:
    """The container of a unit."""
    return str(unit).removeprefix("kolla-").removesuffix("-container.service")


def docker(*arguments: str) -> str:
    """What a docker command prints."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True)
    return done.stdout


class Manager(dbus.service.Object):
    """systemd's manager object."""

    @dbus.service.method(MANAGER, in_signature="ss", out_signature="o")
    def StartUnit(self, unit: str, mode: str) -> str:
        docker("start", container(unit))
        return "/job/1"

    @dbus.service.method(MANAGER, in_signature="ss", out_signature="o")
    def StopUnit(self, unit: str, mode: str) -> str:
        docker("stop", "-t", "1", container(unit))
        return "/job/1"

    @dbus.service.method(MANAGER, in_signature="ss", out_signature="o")
    def RestartUnit(self, unit: str, mode: str) -> str:
        docker("restart", "-t", "1", container(unit))
        return "/job/1"

    @dbus.service.method(MANAGER)
    def Reload(self) -> None:
        pass

    @dbus.service.method(MANAGER, in_signature="asbb", out_signature="ba(sss)")
    def EnableUnitFiles(self, units: list[str], runtime: bool, force: bool) -> Any:
        return True, dbus.Array(signature="(sss)")

    @dbus.service.method(MANAGER, out_signature="a(ssssssouso)")
    def ListUnits(self) -> Any:
        found = []
        for line in docker("ps", "-a", "--format", "{{.Names}} {{.State}}").splitlines():
            name, state = line.split()
            sub = "running" if state == "running" else "dead"
            unit = f"kolla-{name}-container.service"
            found.append((unit, "", "loaded", "active", sub, "", "/unit", 0, "", "/"))
        return dbus.Array(found, signature="(ssssssouso)")


dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
bus = dbus.SystemBus()
name = dbus.service.BusName("org.freedesktop.systemd1", bus)
Manager(bus, "/org/freedesktop/systemd1")
print("ready", flush=True)
GLib.MainLoop().run()
