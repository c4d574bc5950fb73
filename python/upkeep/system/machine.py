"""The machine that this process runs on."""

from __future__ import annotations

from pathlib import Path


def boot_id() -> str:
    """Return what changes with each start of the machine; empty where the kernel does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
