"""The configuration of the embedded Glance and Keystone."""

from __future__ import annotations

from configparser import ConfigParser

import pytest

from kollarm.services import glance_files


# Each is in /etc/keystone by default, and Keystone ends where a folder of them is missing.
@pytest.mark.parametrize("group", ["fernet_tokens", "fernet_receipts", "credential"])
def test_keystone_has_each_of_its_keys_in_its_own_folder(group: str) -> None:
    read = ConfigParser(interpolation=None)
    read.read_string(glance_files.keystone("http://127.0.0.1:5000")["keystone.conf"])
    assert read[group]["key_repository"].startswith(f"{glance_files.HERE}/")
