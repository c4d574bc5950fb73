"""The filter of calls, as the kernel reads it."""

from __future__ import annotations

import struct

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.calls import refusing

ALLOWED, REFUSED, MISSING = 0x7FFF0000, 0x00050001, 0x00050026
NEW_USER, NEW_NET = 0x10000000, 0x40000000
X86, ARM, I386 = 0xC000003E, 0xC00000B7, 0x40000003


def verdict(program: bytes, machine: int, number: int, first: int = 0) -> int:
    """Return what a filter says of a call."""
    data = struct.pack("=IIQ6Q", number, machine, 0, first, 0, 0, 0, 0, 0)
    lines = list(struct.iter_unpack("=HBBI", program))
    place, value = 0, 0
    while True:
        kind, yes, no, operand = lines[place]
        place += 1
        if kind == 0x06:
            return int(operand)
        if kind == 0x20:
            (value,) = struct.unpack_from("=I", data, operand)
            continue
        holds = {0x15: value == operand, 0x35: value >= operand, 0x45: bool(value & operand)}[kind]
        place += yes if holds else no


@pytest.mark.parametrize(
    ("machine", "arch", "number", "first", "said"),
    [
        ("x86_64", X86, 0, 0, ALLOWED),
        ("x86_64", X86, 59, 0, ALLOWED),
        ("x86_64", X86, 56, 0x11, ALLOWED),
        ("x86_64", X86, 56, 0x11 | NEW_NET, ALLOWED),
        ("x86_64", X86, 56, 0x11 | NEW_USER, REFUSED),
        ("x86_64", X86, 272, NEW_USER, REFUSED),
        ("x86_64", X86, 272, NEW_NET, ALLOWED),
        ("x86_64", X86, 435, 0, MISSING),
        ("x86_64", X86, 250, 0, REFUSED),
        ("x86_64", X86, 304, 0, REFUSED),
        ("x86_64", X86, 323, 0, REFUSED),
        ("x86_64", X86, 0x40000000 + 59, 0, REFUSED),
        ("x86_64", I386, 11, 0, REFUSED),
        ("aarch64", ARM, 221, 0, ALLOWED),
        ("aarch64", ARM, 220, NEW_USER, REFUSED),
        ("aarch64", ARM, 97, NEW_USER, REFUSED),
        ("aarch64", ARM, 265, 0, REFUSED),
        ("aarch64", ARM, 435, 0, MISSING),
    ],
)
def test_a_call_is_refused_by_its_number_and_its_flags(
    machine: str, arch: int, number: int, first: int, said: int
) -> None:
    assert verdict(refusing(machine), arch, number, first) == said


def test_a_machine_whose_numbers_are_not_known_has_no_filter() -> None:
    assert refusing("vax") == b""
