# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the host's clock is kept by a time source: chrony, ntpd, or what the kernel says of any other."""

from __future__ import annotations

import ctypes
import re
import struct
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation

ARGUMENTS: dict[str, dict[str, Any]] = {}
TOOLS = ("chronyc|ntpq|timedatectl",)
QUERY_SECONDS = 5.0

# struct timex where long has 64 bits: modes, offset, freq, maxerror, esterror, status, … Source: adjtimex(2).
TIMEX = struct.Struct("@Iqqqqi")
TIMEX_BYTES = 208
STA_UNSYNC = 0x0040
STA_NANO = 0x2000
# The name of no source, but of the host's own clock: chrony's `local`, ntpd's driver 1 (127.127.1.x) and orphan mode.
OWN_CLOCK = re.compile(r"LOCL|LCL|LOCAL(\(\d+\))?|ORPH|127\.127\.1\.\d+|127\.0\.0\.1")
CHRONY_OWN_CLOCK = re.compile(r"7F7F01..|4C4F434C|4C434C..", re.IGNORECASE)

CHRONY_LEAPS = ("Normal", "Insert second", "Delete second", "Not synchronised")
NTP_LEAPS = ("00", "01", "10", "11", "0", "1", "2", "3")
CHRONY_FIELDS = [
    "reference_id",
    "source",
    "stratum",
    "reference_at",
    "offset",
    "last_offset",
    "rms_offset",
    "frequency",
    "residual",
    "skew",
    "root_delay",
    "root_dispersion",
    "interval",
    "leap",
]


def gather(params: dict[str, Any], host: Host) -> list[Observation]:
    """Return the observations `time`: what the clock says; and `clock`: by whom it is synchronized, and how well.

    Two, for a clock of which nobody says anything may still be years off. A daemon is believed before the kernel:
    chrony without `rtcsync` leaves the kernel's flag alone.
    """
    time = Observation("time", {"seconds": round(host.now(), 3)})
    reasons = []
    for observe in (_chrony, _ntpd, _kernel, _timedatectl):
        try:
            return [time, observe(host)]
        except (HostError, ValueError) as exc:
            reasons.append(str(exc))
    return [time, Observation("clock", error="; ".join(reasons))]


def _chrony(host: Host) -> Observation:
    """Ask chronyd."""
    raw = _ask(host, ["chronyc", "-n", "-c", "tracking"])
    return Observation("clock", parse_chrony(raw, host.now()), raw=raw)


def _ntpd(host: Host) -> Observation:
    """Ask ntpd (the reference one or NTPsec)."""
    raw = _ask(host, ["ntpq", "-c", "rv 0 leap,stratum,refid,offset,sys_jitter"])
    return Observation("clock", parse_ntpq(raw), raw=raw)


def _kernel(host: Host) -> Observation:
    """Ask the kernel, which whoever keeps the clock has to tell (systemd-timesyncd, phc2sys, a hypervisor's agent)."""
    timex = host_timex()
    return Observation("clock", parse_timex(timex), raw=timex[: TIMEX.size].hex())


def _timedatectl(host: Host) -> Observation:
    """Ask systemd, which may be allowed to see what this process is not (a container's system call filter)."""
    raw = _ask(host, ["timedatectl", "show", "--property=NTPSynchronized"])
    if raw.strip() not in ("NTPSynchronized=yes", "NTPSynchronized=no"):
        raise ValueError(f"timedatectl: no NTPSynchronized in {raw[:80]!r}")
    data = {"by": "systemd", "synchronized": raw.strip().endswith("yes")}
    return Observation("clock", data, raw=raw)


def _ask(host: Host, command: list[str]) -> str:
    """Return what the program prints.

    Raises: HostError if it has nothing to say.
    """
    ran = host.run(command, timeout_seconds=QUERY_SECONDS)
    if ran.status != 0 or not ran.out.strip():
        reason = (ran.err or ran.out).strip().splitlines()
        raise HostError(f"{command[0]}: {reason[-1] if reason else f'ended with {ran.status}'}")
    return ran.out


def parse_chrony(text: str, now: float) -> dict[str, Any]:
    """Return what `chronyc -c tracking` says; times in seconds. Source: chronyc(1), tracking.

    Leap status `Not synchronised` is chrony's only word for that; with `local` the host's own clock is a source, too.
    """
    values = text.strip().split(",")
    if len(values) != len(CHRONY_FIELDS):
        raise ValueError(f"chronyc: {len(CHRONY_FIELDS)} fields expected in {text[:120]!r}")
    fields = dict(zip(CHRONY_FIELDS, values))
    if fields["leap"] not in CHRONY_LEAPS:
        raise ValueError(f"chronyc: no leap status in {text[:120]!r}")
    synchronized = fields["leap"] != "Not synchronised"
    return {
        "by": "chrony",
        "synchronized": synchronized,
        "own_clock": bool(CHRONY_OWN_CLOCK.fullmatch(fields["reference_id"])),
        "reference": fields["reference_id"],
        "source": fields["source"],
        "stratum": int(fields["stratum"]),
        "offset_seconds": abs(float(fields["offset"])) if synchronized else None,
        "updated_seconds_ago": max(0.0, now - float(fields["reference_at"]))
        if synchronized
        else None,
    }


def parse_ntpq(text: str) -> dict[str, Any]:
    """Return what ntpd's system variables say. Source: ntpq(1), System Variables: leap 3 and stratum 16 are unset."""
    pairs = [part.split("=", 1) for part in text.replace("\n", " ").split(",") if "=" in part]
    fields = {name.strip(): value.strip() for name, value in pairs}
    if fields.get("leap") not in NTP_LEAPS or "stratum" not in fields:
        raise ValueError(f"ntpq: no leap and stratum in {text[:120]!r}")
    stratum = int(fields["stratum"])
    synchronized = fields["leap"] not in ("11", "3") and stratum < 16
    offset = fields.get("offset")
    reference = fields.get("refid", "")
    return {
        "by": "ntpd",
        "synchronized": synchronized,
        "own_clock": bool(OWN_CLOCK.fullmatch(reference.strip('."').upper())),
        "reference": reference,
        "source": reference,
        "stratum": stratum,
        "offset_seconds": abs(float(offset)) / 1000 if synchronized and offset else None,
    }


def parse_timex(timex: bytes) -> dict[str, Any]:
    """Return what the kernel says in a struct timex."""
    _modes, offset, _frequency, max_error, _error, status = TIMEX.unpack_from(timex)
    synchronized = not status & STA_UNSYNC
    return {
        "by": "kernel",
        "synchronized": synchronized,
        "offset_seconds": abs(offset) / (1e9 if status & STA_NANO else 1e6)
        if synchronized
        else None,
        "max_error_seconds": max_error / 1e6,
    }


def host_timex() -> bytes:
    """Return the kernel's struct timex, asked without changing anything.

    Raises: HostError if it is not told.
    """
    if ctypes.sizeof(ctypes.c_long) != 8:
        raise HostError("adjtimex: its layout is known for 64 bits only")
    buffer = ctypes.create_string_buffer(TIMEX_BYTES)
    library = ctypes.CDLL(None, use_errno=True)
    try:
        state = library.adjtimex(buffer)
    except AttributeError as exc:
        raise HostError("adjtimex: not in this C library") from exc
    if state < 0:
        raise HostError(f"adjtimex: error {ctypes.get_errno()}")
    return buffer.raw
