"""Programs and the architecture they are for (elf(5))."""

from __future__ import annotations

import struct

#: e_machine of ELF headers (elf(5)) by the kernel's name of the architecture.
_MACHINES = {183: "aarch64", 62: "x86_64", 40: "arm", 243: "riscv64", 21: "ppc64", 22: "s390x"}


def elf_architecture(head: bytes) -> str:
    """The architecture a program is for, by its ELF header; empty when it is not a program."""
    if len(head) < 20 or head[:4] != b"\x7fELF":
        return ""
    order = ">" if head[5] == 2 else "<"
    (machine,) = struct.unpack_from(f"{order}H", head, 18)
    return _MACHINES.get(machine, f"ELF machine {machine}")
