"""Another user's attempts to get into a small cloud, with and without its passwords."""

from __future__ import annotations

import psutil

from kollarm.services import passwords
from testbed.cloud import nova_config
from testbed.cloud.layout import ARM_HOST, CloudLayout
from tests.support.neighbour import GUEST, KNOWN_PASSWORD, Attempt, files_below, logins


def without_password(layout: CloudLayout) -> list[Attempt]:
    """Attempts with what everybody knows, on a cloud with a guest on its ARM host."""
    keystone, queue = layout.url(layout.keystone_port), str(layout.rabbit_port)
    return [
        ("gets_token", [keystone, "admin", KNOWN_PASSWORD, "admin"]),
        ("gets_token", [keystone, "glance", KNOWN_PASSWORD, "service"]),
        ("logs_into_queue", [queue, GUEST, GUEST]),
        ("sees_screen", [str(ARM_HOST.first_display)]),
        *logins(layout.database_port, ("", KNOWN_PASSWORD)),
        *files_below(layout.folder),
    ]


def with_password(layout: CloudLayout) -> list[Attempt]:
    """The same attempts of somebody who knows the passwords."""
    admin = passwords.password(layout.service_folder("keystone"), "admin")
    return [
        ("gets_token", [layout.url(layout.keystone_port), "admin", admin, "admin"]),
        (
            "logs_into_queue",
            [str(layout.rabbit_port), nova_config.QUEUE_USER, layout.password("queue")],
        ),
        logins(layout.database_port, (layout.password("database"),), ("nova",))[0],
    ]


def server_users() -> set[int]:
    """The users, except root, that database, message queue and guests run as."""
    servers = ("mariadbd", "beam.smp", "qemu-system-aarch64")
    return {
        process.uids().real
        for process in psutil.process_iter()
        if process.name() in servers and process.uids().real != 0
    }
