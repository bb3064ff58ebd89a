"""ARM hosts are told apart by their CPUs' main ID register."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deploy.arm_cpus import cpu_name, differing

#: Registers as real machines have them: Cavium ThunderX, Ampere Altra (Neoverse N1).
THUNDERX, ALTRA = 0x431F0A11, 0x413FD0C1


def test_equal_cpus_are_no_warning() -> None:
    assert differing({}) == differing({"a": ALTRA}) == differing({"a": ALTRA, "b": ALTRA}) == ""


def test_different_ones_are_named_with_their_hosts() -> None:
    warning = differing({"a": ALTRA, "b": THUNDERX, "c": ALTRA})
    assert "Cavium" in warning and "a, c" in warning


def test_a_stepping_counts_too() -> None:
    assert differing({"a": ALTRA, "b": ALTRA + 1})


@given(st.integers(min_value=0, max_value=2**64 - 1))
def test_every_register_has_a_name(register: int) -> None:
    assert "part 0x" in cpu_name(register)
