"""A host with a kernel and an init of its own: a virtual machine on the bridge of a fleet, beside its hosts.

Its disk is made by tools/install-test-machine; what it writes goes into a file of its own. It can be rebooted, and its
clock is its own. Without hardware for it, it is slow: a boot takes some twenty seconds of a processor.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import time
from pathlib import Path

from patience import PATIENCE_SECONDS, eventually

from lab.fleet import Fleet, Host
from lab.site import ssh_arguments

MADE = Path("/var/cache/upkeep-tests/machine")
NUMBER = 200
"""The last part of its address."""
MEMORY_MIB = 384


def is_made() -> bool:
    """Return whether there is a disk to boot, and what boots it."""
    return (MADE / "disk.ext4").exists() and shutil.which("qemu-system-x86_64") is not None


class Machine:
    """A machine that is up between `with` and its end."""

    def __init__(self, fleet: Fleet, name: str) -> None:
        self.fleet, self.name = fleet, name
        self.host = Host(name, address=f"10.91.{fleet.index}.{NUMBER}", reach=self.ssh)
        self.process: subprocess.Popen[bytes] | None = None
        self.disk = fleet.folder / f"{name}.qcow2"
        self.console = fleet.folder / f"{name}.console"

    def __enter__(self) -> Machine:
        self.fleet.hosts[self.name] = self.host
        public = (MADE / "host_key.pub").read_text().split()
        with self.fleet.known_hosts.open("a") as stream:
            stream.write(f"{self.host.address} {public[0]} {public[1]}\n")
        made = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(MADE / "disk.ext4"), str(self.disk)]  # fmt: skip
        subprocess.run(made, check=True)
        try:
            self._switch_on()
            self.await_ssh()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        if self.process:
            self.process.kill()
            self.process.communicate()
        self.disk.unlink(missing_ok=True)
        del self.fleet.hosts[self.name]

    def _switch_on(self) -> None:
        """Start it, and plug its cable in: the cable goes with the process, however that ends."""
        cable = f"ul{self.fleet.index}m"
        gateway = self.host.address.rpartition(".")[0] + ".1"
        key = self.fleet.key.with_suffix(".pub").read_text().split()[1]
        words = (
            "console=ttyS0 root=/dev/vda rw net.ifnames=0 mitigations=off nokaslr audit=0 quiet"
            f" lab.address={self.host.address}/24 lab.gateway={gateway} lab.key={key}"
        )
        # A plain processor: programs use of a newer one what is slow to emulate.
        command = [
            "qemu-system-x86_64", "-M", "pc", "-no-reboot", "-cpu", "qemu64", "-smp", "1", "-m", str(MEMORY_MIB),
            "-nographic", "-nodefaults", "-serial", f"file:{self.console}",
            "-kernel", str(MADE / "vmlinuz"), "-initrd", str(MADE / "initrd.gz"), "-append", words,
            "-drive", f"file={self.disk},if=virtio,cache=unsafe",
            "-netdev", f"tap,id=cable,ifname={cable},script=no,downscript=no",
            "-device", "virtio-net-pci,netdev=cable,romfile=",
        ]  # fmt: skip
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        eventually(lambda: self._has_ended() or Path(f"/sys/class/net/{cable}").exists(), "a cable")
        plugged = ["ip", "link", "set", cable, "master", f"ulbr{self.fleet.index}", "up"]
        subprocess.run(plugged, check=True)

    def _has_ended(self) -> bool:
        """Return False; raise RuntimeError with what it said if it has ended."""
        if self.process is None or self.process.poll() is None:
            return False
        assert self.process.stderr is not None
        raise RuntimeError(f"{self.name} has ended: {self.process.stderr.read().decode()[-1000:]}")

    def ssh(
        self, *command: str, input_text: str = "", check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on it."""
        way = [*shlex.split(ssh_arguments(self.fleet)), "-i", str(self.fleet.key), "-o", "BatchMode=yes"]  # fmt: skip
        words = ["ssh", *way, f"root@{self.host.address}", shlex.join(command)]
        return subprocess.run(
            words, input=input_text, capture_output=True, text=True, check=check,
            timeout=PATIENCE_SECONDS,
        )  # fmt: skip

    def answers(self) -> bool:
        try:
            return self.ssh("true", check=False).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def await_ssh(self) -> None:
        """Return when it answers.

        Raises: RuntimeError with its last words if it does not in time.
        """
        ends = time.monotonic() + PATIENCE_SECONDS
        while not self._has_ended() and time.monotonic() < ends:
            if self.answers():
                return
            time.sleep(0.5)
        said = self.console.read_text(errors="replace")[-2000:] if self.console.exists() else ""
        raise RuntimeError(f"{self.name} did not come up: {said}")

    def reboot(self) -> None:
        """Boot it anew, in order, and return when it answers again.

        Its process ends with the old kernel, and another goes on with the disk: one that goes on itself takes three
        times as long.
        """
        assert self.process is not None
        self.ssh("systemctl", "reboot", check=False)
        self.process.communicate(timeout=PATIENCE_SECONDS)
        self._switch_on()
        self.await_ssh()
