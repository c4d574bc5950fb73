# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dead man's timer: it releases the host unless somebody says in time that it must stay isolated.

What it starts is a shell script that needs nft alone. Where systemd runs the host it is a timer of the system's, else a
process of its own session: neither ends with the connection, with Python or with the controller.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time

from ansible_collections.astral.upkeep.plugins.module_utils.containment.errors import (
    IsolationError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.processes import (
    stat_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.state import (
    BOOT,
    LAST,
    Case,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.tables import (
    TABLE,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.timers import (
    PROCESS,
    SYSTEMD,
    UNIT,
    DeadMan,
    problem,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError

UNITS = "/etc/systemd/system"
RELEASE = "release.sh"
PROOF_SECONDS = 5.0

RELEASE_SCRIPT = """\
#!/bin/sh
# Release this host from its isolation: delete the tables of Upkeep, and nothing else. It needs nft alone:
#     sh {folder}/{release} by_hand
# With seconds, it waits so long, and tries until it is done. The uptime is a clock that nobody sets, and that counts a
# suspension.
folder={folder} who=$1 seconds=$2
run=${{folder%/*}}
tell() {{ {{ printf '%s %s\\n' "$(date +%s)" "$2" >>"$1/events"; }} 2>/dev/null; }}
say() {{ tell "$folder" "$*"; }}
# What watches the tables puts them back, whichever isolation it is of; it heeds a word, or cannot go on.
stop_watches() {{
    for file in "$run"/*/armed.watch; do
        tell "${{file%/*}}" "releasing $who" && continue
        {{ read -r pid <"$file" && grep -q watch.py "/proc/$pid/cmdline" && kill "$pid"; }} 2>/dev/null
    done
}}
release() {{
    # A timer of an isolation that has ended must not end a newer one.
    now=$(cat "$run/current" 2>/dev/null)
    if [ "$now" != "${{folder##*/}}" ] && [ -s "$run/$now/state.json" ]; then return 0; fi
    say releasing "$who"
    stop_watches
    for family in inet bridge netdev; do {nft} delete table $family {table} 2>/dev/null; done
    if ! tables=$({nft} list tables); then
        say not_released "$who: nft cannot list tables"
        return 1
    fi
    case $tables in
    *" {table}"*)
        say not_released "$who: a table is left"
        return 1
        ;;
    esac
    # A full disk takes no word, and lets a file be removed: an isolation without its state is none.
    say released "$who" || rm -f "$folder/state.json"
    # The rest is of the next boot; a unit is stopped before its file goes.
    systemctl --no-block stop {unit}-visit.timer {unit}-boot.service 2>/dev/null
    rm -rf {boot} {last} {units}/{unit}-boot.service {units}/{unit}-visit.service {units}/{unit}-visit.timer \\
        {units}/sysinit.target.wants/{unit}-boot.service {units}/timers.target.wants/{unit}-visit.timer
    systemctl --no-block daemon-reload 2>/dev/null
    return 0
}}
if [ -z "$seconds" ]; then
    release
    exit
fi
read -r up rest </proc/uptime
ends=$((${{up%.*}} + seconds))
{{ echo $$ >"$folder/armed.$who"; }} 2>/dev/null
while read -r up rest </proc/uptime && [ "${{up%.*}}" -lt "$ends" ]; do sleep 1; done
until release; do sleep 5; done
"""


def script_of(case: Case, nft: str) -> str:
    """Return what releases the host, for /bin/sh."""
    return RELEASE_SCRIPT.format(
        folder=case.folder,
        release=RELEASE,
        nft=nft,
        table=TABLE,
        unit=UNIT,
        units=UNITS,
        boot=BOOT,
        last=LAST,
    )


def command_of(case: Case, nft: str, *words: str) -> list[str]:
    """Return the command that releases the host. It reads no file, so that none is needed for it."""
    return ["/bin/sh", "-c", script_of(case, nft), case.path(RELEASE), *words]


def runs_systemd() -> bool:
    """Return whether the system's own systemd can hold the timer: it runs, and in the network that we are in."""
    if not os.path.isdir("/run/systemd/system"):
        return False
    try:
        return os.readlink("/proc/1/ns/net") == os.readlink("/proc/self/ns/net")
    except OSError:
        return False


def arm(host: Host, case: Case, nft: str, name: str, seconds: int) -> DeadMan:
    """Arm a timer and see that it is armed.

    name: one that this isolation has not had before. What it runs goes with it: whoever removes files of the isolation
    does not keep the host isolated.

    Raises: IsolationError if that cannot be seen. Then nothing is armed.
    """
    found = (
        _arm_unit(host, command_of(case, nft, name, "0"), name, seconds)
        if runs_systemd()
        else _arm_process(case, command_of(case, nft, name, str(seconds)), name, seconds)
    )
    why = problem(host, found)
    if why:
        disarm(host, found)
        raise IsolationError(f"dead man's timer {name}: {why}; nothing was changed")
    return found


def _arm_unit(host: Host, released_by: list[str], name: str, seconds: int) -> DeadMan:
    unit = f"{UNIT}-{name}"
    command = [
        "systemd-run", "--quiet", f"--unit={unit}", f"--on-active={seconds}s", "--timer-property=AccuracySec=1s",
        f"--description=Release this host from its isolation by Upkeep ({name})",
        # systemd puts its own variables in place of those with one dollar.
        *(word.replace("$", "$$") for word in released_by),
    ]  # fmt: skip
    ran = host.run(command)
    if ran.status:
        raise IsolationError(
            f"systemd-run: {(ran.err or ran.out).strip()[:300]}; nothing was changed"
        )
    return DeadMan(name, SYSTEMD, seconds)


def _arm_process(case: Case, released_by: list[str], name: str, seconds: int) -> DeadMan:
    start_apart(released_by)
    ends = time.monotonic() + PROOF_SECONDS
    while time.monotonic() < ends:
        with contextlib.suppress(OSError, ValueError, IndexError):
            pid = int(case.read(f"armed.{name}"))
            return DeadMan(name, PROCESS, seconds, pid, stat_of(pid)[19])
        time.sleep(0.02)
    raise IsolationError(f"dead man's timer {name}: its process did not begin; nothing was changed")


def start_apart(command: list[str]) -> None:
    """Start a program that has nothing of this connection: a session of its own, and none of our descriptors."""
    # No AnsibleModule is here; what it starts must outlive it.
    subprocess.Popen(  # pylint: disable=ansible-bad-function,consider-using-with
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        close_fds=True,
        cwd="/",
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
    )


def disarm(host: Host, one: DeadMan) -> None:
    """Stop a timer; one that is gone already is fine."""
    with contextlib.suppress(HostError, OSError, IndexError):
        if one.how == SYSTEMD:
            host.run(["systemctl", "stop", f"{UNIT}-{one.name}.timer"])
        elif one.pid > 1 and stat_of(one.pid)[19] == one.started:
            os.killpg(one.pid, signal.SIGKILL)
