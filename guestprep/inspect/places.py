"""Where a guest has its identity, its state and its login prompts: paths."""

from __future__ import annotations

#: Where a machine-id is; systemd makes the first from the second, where only that is there.
MACHINE_IDS = ("/etc/machine-id", "/var/lib/dbus/machine-id")

#: What adds to the unit of the screen's login prompt.
GETTY_DROP_INS = (
    "/etc/systemd/system/getty@.service.d",
    "/etc/systemd/system/getty@tty1.service.d",
)

#: Where a unit is masked, of those that the screen's login prompt needs.
GETTY_MASKS = (
    "/etc/systemd/system/getty.target",
    "/etc/systemd/system/getty@.service",
    "/etc/systemd/system/getty@tty1.service",
)

#: Links by which systemd starts that prompt.
GETTY_WANTS = (
    "/etc/systemd/system/getty.target.wants/getty@tty1.service",
    "/usr/lib/systemd/system/getty.target.wants/getty@tty1.service",
)

#: Where systemd itself is, with and without a merged /usr.
SYSTEMD = ("/usr/lib/systemd/systemd", "/lib/systemd/systemd")

#: systemd-boot's settings, on the ESP.
LOADER_CONF = "loader/loader.conf"

#: Network settings of Ubuntu's guests.
NETPLAN = "/etc/netplan"

#: A file that turns cloud-init off.
CLOUD_INIT_OFF = "/etc/cloud/cloud-init.disabled"

#: Folders of cloud-init's state, which ``cloud-init clean`` empties too. Its scripts and seed may
#: be what the image's maker has put there.
CLOUD_INIT_STATE = ("/var/lib/cloud/instances", "/var/lib/cloud/data", "/var/lib/cloud/sem")

#: What systemd wants to be removed from an image (https://systemd.io/BUILDING_IMAGES/), and where
#: Debian kept a random seed before.
SECRETS = (
    "/var/lib/systemd/random-seed",
    "/var/lib/systemd/credential.secret",
    "/var/lib/urandom/random-seed",
)
