"""Hosts of the lab that are isolated by plain ansible-playbook, and somebody else who speaks with them."""

from __future__ import annotations

import base64
import io
import json
import os
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.fleet import Fleet, Host
from lab.site import ssh_arguments
from patience import PATIENCE_SECONDS

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import (
    Observation,
    from_wire,
)

PROJECT = Path(__file__).parents[2]
RUN = "/run/upkeep/isolation"
CALLBACKS = Path(__file__).parent / "callbacks"


@dataclass
class Played:
    """What a play said. rc: of ansible-playbook."""

    rc: int
    results: list[dict[str, Any]]
    text: str

    def of(self, host: str) -> dict[str, Any]:
        """Return the result of the isolation's task on a host."""
        for one in self.results:
            if one["host"] == host and one["task"].endswith(
                ("Isolate the host", "Release the host")
            ):
                found: dict[str, Any] = one["result"]
                return found
        raise AssertionError(f"no task of isolation: {self.text[-3000:]}")

    def isolation(self, host: str) -> dict[str, Any]:
        found: dict[str, Any] = self.of(host)["isolation"]
        return found


@dataclass
class Lab:
    """Hosts, and the folder of their inventory."""

    fleet: Fleet
    folder: Path
    variables: dict[str, Any] = field(default_factory=dict)
    number: int = 0
    sent: set[str] = field(default_factory=set)

    @property
    def controller(self) -> str:
        """The controller's address, as hosts see it."""
        return f"10.91.{self.fleet.index}.1"

    def address(self, host: str) -> str:
        return self.fleet.hosts[host].address

    def must_be_apart(self, host: str) -> None:
        """Refuse to go on if the host's network is this machine's own."""
        kernel, network = "/proc/sys/kernel/random/boot_id", "/proc/self/ns/net"
        ways = ("cat", kernel), ("readlink", network)
        there = [self.fleet.run(host, *way).stdout.strip() for way in ways]
        assert there[1].startswith("net:[")
        # The first network of each kernel has the same number.
        here = [Path(kernel).read_text().strip(), str(Path(network).readlink())]
        assert there != here, "this would isolate the machine itself"

    def command(
        self, playbook: str, hosts: Sequence[str], *words: str, **variables: Any
    ) -> tuple[list[str], dict[str, str]]:
        """Return what runs a playbook, and its environment."""
        for host in hosts:
            self.must_be_apart(host)
        self.number += 1
        inventory = self.folder / f"inventory{self.number}.json"
        known = {
            name: {
                "ansible_host": host.address,
                "ansible_user": "root",
                "ansible_ssh_private_key_file": str(self.fleet.key),
                "ansible_ssh_common_args": ssh_arguments(self.fleet),
                "ansible_python_interpreter": "/usr/bin/python3",
            }
            for name, host in self.fleet.hosts.items()
        }
        for name, one in known.items():
            one.update(self.variables.get(name, {}))
        inventory.write_text(json.dumps({"all": {"hosts": known}}))
        given = {"upkeep_hosts": ",".join(hosts), **variables}
        program = Path(sys.executable).parent / "ansible-playbook"
        command = [
            str(program),
            "-i",
            str(inventory),
            f"astral.upkeep.incident.{playbook}",
            "-e",
            json.dumps(given),
        ]
        environment = {
            **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
            "HOME": str(self.folder),
            "PYTHONPATH": str(PROJECT / "python"),
            "ANSIBLE_COLLECTIONS_PATH": str(PROJECT / "python"),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.folder / "cp"),
            "ANSIBLE_LOCAL_TEMP": str(self.folder / "tmp"),
            "ANSIBLE_NOCOWS": "1",
            "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
            "ANSIBLE_CALLBACKS_ENABLED": "told_results",
            "TOLD_RESULTS": str(self.folder / f"results{self.number}"),
        }
        return [*command, *words], environment

    def play(self, playbook: str, hosts: Sequence[str], *words: str, **variables: Any) -> Played:
        """Run a playbook to its end."""
        command, environment = self.command(playbook, hosts, *words, **variables)
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment, cwd=self.folder,
            stdin=subprocess.DEVNULL, timeout=PATIENCE_SECONDS * 10,
        )  # fmt: skip
        text = done.stdout + done.stderr
        told = Path(environment["TOLD_RESULTS"])
        lines = told.read_text().splitlines() if told.exists() else []
        return Played(done.returncode, [json.loads(one) for one in lines], text)

    def isolate(self, *hosts: str, **variables: Any) -> Played:
        """Isolate hosts, with the second confirmation, and on however busy a machine."""
        known = {"upkeep_confirm": ",".join(hosts), "isolation_confirm_seconds": 600}
        return self.play("isolate", hosts, **{**known, **variables})

    def ssh(
        self, host: str, *command: str, ways: Sequence[str] = (), to: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a command over a connection of its own. ways: options of ssh. to: another address of the host."""
        known = ["-o", f"HostKeyAlias={self.address(host)}"]
        words = ["ssh", *ways, *known, *self.options(), f"root@{to or self.address(host)}"]
        return subprocess.run(
            [*words, shlex.join(command)],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE_SECONDS,
        )

    def options(self) -> list[str]:
        """Return what ssh needs to know of the lab."""
        return [
            *shlex.split(ssh_arguments(self.fleet)),
            "-i",
            str(self.fleet.key),
            "-o",
            "BatchMode=yes",
        ]

    def program(self, host: str, state: str, **asked: Any) -> list[str]:
        """Return what calls the module on the host."""
        self.must_be_apart(host)
        self._send(host)
        known = {
            "by": "alice",
            "id": "test-1",
            "nonce": "n" * 32,
            "confirm_seconds": 600,
            "longest_hours": 24,
        }
        return ["python3", "-c", PROGRAM, json.dumps({**known, **asked, "state": state})]

    def module(
        self,
        host: str,
        state: str = "isolated",
        *,
        ways: Sequence[str] = (),
        to: str = "",
        **asked: Any,
    ) -> dict[str, Any]:
        """Call what the module calls, over a connection of its own, without the seconds that Ansible takes."""
        done = self.ssh(host, *self.program(host, state, **asked), ways=ways, to=to)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def _send(self, host: str) -> None:
        """Have the module's own files on a host."""
        if host not in self.sent:
            packed = base64.b64encode(archive()).decode()
            self.fleet.run(host, "sh", "-c", "base64 -d > /opt/upkeep.zip", input_text=packed)
            self.sent.add(host)

    def observed(self, host: str) -> Observation:
        """Return what the gather sees, as the driver is told it."""
        self._send(host)
        (seen,) = json.loads(self.fleet.run(host, "python3", "-c", GATHER).stdout)
        return from_wire(seen)

    def units(self, host: str) -> None:
        """Write on a host what its next boot reads, as where systemd runs it."""
        self._send(host)
        self.fleet.run(host, "python3", "-c", UNITS)

    def confirmed(self, host: str, **asked: Any) -> dict[str, Any]:
        """Isolate a host and confirm it, by two connections."""
        begun = self.module(host, **asked)
        assert not begun.get("failed"), begun
        done = self.module(host, "confirmed", **asked)
        assert not done.get("failed"), done
        return done

    def release(self, *hosts: str, **variables: Any) -> Played:
        return self.play("release", hosts, **variables)

    def tables(self, host: str) -> list[str]:
        """Return the families of our tables."""
        listed = self.fleet.run(host, "nft", "list", "tables").stdout.splitlines()
        return [line.split()[1] for line in listed if line.endswith(" upkeep_isolation")]

    def rules(self, host: str) -> str:
        return self.fleet.run(host, "nft", "-s", "list", "ruleset").stdout

    def events(self, host: str) -> list[str]:
        """Return the kinds of what has happened in the newest isolation."""
        script = f'cat {RUN}/"$(cat {RUN}/current)"/events'
        said = self.fleet.run(host, "sh", "-c", script, check=False).stdout
        return [line.split()[1] for line in said.splitlines()]

    def stop(self, host: str) -> None:
        """End the programs that outlive a call of the module."""
        script = f'for f in {RUN}/*/armed.*; do [ -e "$f" ] && kill -9 "$(cat "$f")"; done; true'
        # Also of one whose files are gone.
        script += "; pkill -9 -f '/bin/sh -c .*release[.]sh'; true"
        self.fleet.run(host, "sh", "-c", script)

    def clean(self, *hosts: str) -> None:
        """Put hosts back as they were."""
        for host in hosts:
            self.must_be_apart(host)
            self.stop(host)
            script = f"rm -rf {RUN} /var/lib/upkeep/isolation; nft flush ruleset"
            self.fleet.run(host, "sh", "-c", script)


@contextmanager
def lab(folder: Path, *hosts: Host) -> Iterator[Lab]:
    """Give hosts that are up."""
    (folder / "tmp").mkdir(exist_ok=True)
    with Fleet(hosts, memory="1g") as fleet:
        yield Lab(fleet, folder)


SPEAKER = """
import socket, sys
kind, address, port = sys.argv[1:4]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
if kind == "answer":
    server = socket.create_server((address, int(port)), family=family)
    print("listening", flush=True)
    held = []
    while True:
        one = server.accept()[0]
        held.append(one)
        import threading
        def answer(one=one):
            try:
                while one.recv(10):
                    one.sendall(b"yes")
            except OSError:
                pass
        threading.Thread(target=answer, daemon=True).start()
one = socket.create_connection((address, int(port)), 10)
print("open", flush=True)
for line in sys.stdin:
    one.settimeout(float(line))
    try:
        one.sendall(b"x")
        print(one.recv(10).decode() or "end", flush=True)
    except OSError as exc:
        print("no answer" if isinstance(exc, TimeoutError) else "cut", flush=True)
"""


class Speaker:
    """A process in a network namespace that answers, or holds a connection and says what comes back on it."""

    def __init__(self, space: str, kind: str, address: str, port: int) -> None:
        command = [
            "ip",
            "netns",
            "exec",
            space,
            sys.executable,
            "-c",
            SPEAKER,
            kind,
            address,
            str(port),
        ]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._line() in ("listening", "open")

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def say(self, seconds: float = 1.0) -> str:
        """Send something, and return what comes back: yes, end, no answer or cut."""
        assert self.process.stdin is not None
        print(seconds, file=self.process.stdin, flush=True)
        return self._line()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


def reaches(space: str, address: str, port: int, seconds: float = 1.0) -> bool:
    """Return whether a TCP connection opens from a network namespace."""
    code = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), float(sys.argv[3])).close()"
    command = [
        "ip",
        "netns",
        "exec",
        space,
        sys.executable,
        "-c",
        code,
        address,
        str(port),
        str(seconds),
    ]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


PLUGINS = PROJECT / "plugins" / "module_utils"
GATHER = """
import json, sys
sys.path.insert(0, "/opt/upkeep.zip")
from ansible_collections.astral.upkeep.plugins.module_utils.gather.incidents.isolation import gather
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import to_wire
print(json.dumps([to_wire(one) for one in gather({}, Host())]))
"""
UNITS = """
import sys
sys.path.insert(0, "/opt/upkeep.zip")
from ansible_collections.astral.upkeep.plugins.module_utils.containment.reboot import write_units
from ansible_collections.astral.upkeep.plugins.module_utils.containment.state import current
write_units(current(), "/usr/sbin/nft")
"""
PROGRAM = """
import json, sys
sys.path.insert(0, "/opt/upkeep.zip")
from ansible_collections.astral.upkeep.plugins.module_utils.containment.act import do
from ansible_collections.astral.upkeep.plugins.module_utils.containment.errors import IsolationError
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError
try:
    said = do(Host(), json.loads(sys.argv[1]))
except (IsolationError, HostError) as exc:
    said = {"failed": True, "msg": str(exc)}
print(json.dumps(said))
"""


def archive() -> bytes:
    """Return what the module needs, as Ansible sends it: in an archive."""
    packed = io.BytesIO()
    root = Path("ansible_collections/astral/upkeep/plugins/module_utils")
    with zipfile.ZipFile(packed, "w") as one:
        folders = ("containment", "host", "gather", "gather/incidents")
        for folder in (*list(root.parents)[:-1], root, *(root / name for name in folders)):
            one.writestr(f"{folder}/__init__.py", "")
        for name in folders:
            for path in (PLUGINS / name).glob("*.py"):
                one.write(path, str(root / name / path.name))
    return packed.getvalue()
