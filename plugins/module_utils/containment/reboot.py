# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a reboot does to an isolation: a unit loads the rules before there is a network, with a dead man of its own."""

from __future__ import annotations

import contextlib
import os
import shutil

from ansible_collections.astral.upkeep.plugins.module_utils.containment.dead_man import (
    RELEASE,
    UNITS,
    runs_systemd,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.errors import (
    IsolationError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.state import (
    BOOT,
    RULES,
    STATE,
    Case,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.timers import (
    UNIT,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.writing import (
    make_private,
    write_whole,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host

VISIT_SECONDS = 1800
"""Who comes within half an hour after a reboot keeps the host isolated; else it is released."""
CORE = "core.nft"
COPIED = (STATE, RULES, CORE, RELEASE, "watch.py")

BOOT_SCRIPT = """\
#!/bin/sh
# Isolate this host again after a reboot, before it has a network.
mkdir -p {folder} && chmod 700 {run} {folder} && cp {boot}/*.* {folder}/ && echo {id} >{run}/current
# A network card may not be there yet. Then it has no table of its own until half a minute later.
if {nft} -f {folder}/{rules}; then
    what=booted
elif {nft} -f {folder}/{core}; then
    what=booted
    [ "$1" = again ] || systemd-run --quiet --collect --on-active=30s /bin/sh {boot}/boot.sh again
else
    what=not_loaded
fi
echo "$(date +%s) $what" >>{folder}/events
[ "$what" = booted ]
"""
BOOT_UNIT = """\
[Unit]
Description=Isolate this host again, as it was before the reboot (Upkeep)
DefaultDependencies=no
After=local-fs.target systemd-modules-load.service
Before=network-pre.target nftables.service firewalld.service shutdown.target
Wants=network-pre.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh {boot}/boot.sh

[Install]
WantedBy=sysinit.target
"""
VISIT_UNIT = """\
[Unit]
Description=Release this host, as nobody came after its reboot (Upkeep)
# However short its time is: else the rules would be loaded after the release.
After=upkeep-isolation-boot.service

[Service]
ExecStart=/bin/sh {folder}/release.sh visit 0
"""
VISIT_TIMER = """\
[Unit]
Description=Release this host if nobody comes after its reboot (Upkeep)

[Timer]
OnBootSec={seconds}s
AccuracySec=1s

[Install]
WantedBy=timers.target
"""


def survive(host: Host, case: Case, nft: str) -> None:
    """Have the host isolated again after a reboot.

    Raises: IsolationError if it cannot be: then a reboot releases it.
    """
    if not runs_systemd():
        raise IsolationError("systemd does not run this host")
    write_units(case, nft)
    ran = host.run(["systemctl", "enable", f"{UNIT}-boot.service", f"{UNIT}-visit.timer"])
    if ran.status:
        forget()
        raise IsolationError(f"systemctl enable: {(ran.err or ran.out).strip()[:300]}")


def write_units(case: Case, nft: str) -> None:
    """Write what a boot reads.

    Raises: IsolationError.
    """
    values = {
        "boot": BOOT,
        "folder": case.folder,
        "run": os.path.dirname(case.folder),
        "id": case.id,
        "nft": nft,
        "rules": RULES,
        "core": CORE,
        "seconds": VISIT_SECONDS,
    }
    make_private(BOOT)
    for name in COPIED:
        write_whole(
            os.path.join(BOOT, name), case.read(name), 0o700 if name.endswith(".sh") else 0o600
        )
    write_whole(os.path.join(BOOT, "boot.sh"), BOOT_SCRIPT.format(**values), 0o700)
    for name, text in (
        ("boot.service", BOOT_UNIT),
        ("visit.service", VISIT_UNIT),
        ("visit.timer", VISIT_TIMER),
    ):
        write_whole(f"{UNITS}/{UNIT}-{name}", text.format(**values), 0o644)


def end_visit(host: Host) -> None:
    """Stop the dead man of this boot: somebody has come."""
    if runs_systemd():
        host.run(["systemctl", "stop", f"{UNIT}-visit.timer"])


def forget() -> None:
    """Remove what `write_units` has made."""
    for name in ("boot.service", "visit.service", "visit.timer"):
        with contextlib.suppress(OSError):
            os.unlink(f"{UNITS}/{UNIT}-{name}")
    shutil.rmtree(BOOT, ignore_errors=True)
