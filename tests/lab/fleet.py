"""SSH hosts on one Linux machine: network namespaces, each with its own address, root file system and sshd.

A host is a network namespace on a bridge, a mount namespace whose root is an overlay over this machine's (what it
writes stays in a bounded tmpfs), a PID, IPC and UTS namespace, and an sshd as its PID 1. Needs root. /tmp, /mnt,
/run, /home and /root are its own. Several fleets can be up at once. A guard process takes a fleet down when the process that
made it is gone, however it went.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from patience import PATIENCE_SECONDS

STATE = Path("/run/upkeep-lab")
# What a host has empty: also the tree that the lab itself lies in.
TESTS = Path(__file__).parents[1]
OWN = ("tmp", "mnt", "run", "home", "media", "root", "srv", Path(__file__).parts[1])
DROPPED_CAPABILITIES = (16, 17, 22, 25, 27)  # module, rawio, boot, time, mknod
NEWNS, NEWUTS, NEWIPC, NEWPID, NEWNET = 0x20000, 0x4000000, 0x8000000, 0x20000000, 0x40000000
RDONLY, NOSUID, NODEV, NOEXEC, REMOUNT, BIND, REC, PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
DETACH = 2
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SSHD = """\
Port 22
HostKey /etc/lab/host_ed25519
AuthorizedKeysFile /etc/lab/authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
MaxStartups 1000
MaxSessions 1000
PrintMotd no
PrintLastLog no
StrictModes no
PidFile none
LogLevel ERROR
Subsystem sftp internal-sftp
"""

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass
class Host:
    """A host. setup runs inside it before sshd starts: it makes files and starts services.

    reach: what runs a command on it, of a machine of its own; else it is done by entering the host's namespaces.
    """

    name: str
    setup: Callable[[], None] | None = None
    address: str = ""
    pid: int = 0
    sshd: str = SSHD
    processes: list[int] = field(default_factory=list)
    reach: Callable[..., subprocess.CompletedProcess[str]] | None = None


class Fleet:
    """Hosts that are up between `with` and its end."""

    def __init__(self, hosts: Sequence[Host], memory: str = "4g") -> None:
        self.hosts = {host.name: host for host in hosts}
        self.memory = memory
        self.index = 0
        self.folder = Path()

    @property
    def key(self) -> Path:
        """The private key that opens every host."""
        return self.folder / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        """The hosts' keys."""
        return self.folder / "known_hosts"

    def __enter__(self) -> Fleet:
        self._claim()
        self._guard = _guard(self.folder)
        try:
            self._up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        take_down(self.folder)
        guard, writer = self._guard
        os.close(writer)
        guard.wait()

    def run(
        self, name: str, *command: str, input_text: str = "", check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside a host, as root, without SSH where that can be."""
        host = self.hosts[name]
        if host.reach:
            return host.reach(*command, input_text=input_text, check=check)
        inside = ["nsenter", "-t", str(host.pid), "-m", "-u", "-i", "-n", "-p"]
        return subprocess.run(
            [*inside, "--root", "--wdns=/", "--", *command],
            input=input_text,
            capture_output=True,
            text=True,
            check=check,
            env={"PATH": SYSTEM_PATH, "HOME": "/root", "LC_ALL": "C.UTF-8"},
        )

    def link(self, name: str) -> str:
        """Return the controller's end of the host's network cable."""
        return f"ul{self.index}v{list(self.hosts).index(name)}"

    def namespace(self, name: str) -> str:
        """Return the host's network namespace."""
        return f"ul{self.index}-{name}"

    def kill(self, name: str) -> None:
        """Switch the host off."""
        os.kill(self.hosts[name].pid, signal.SIGKILL)

    def _claim(self) -> None:
        """Take a free number: whoever makes the folder has it."""
        STATE.mkdir(mode=0o700, parents=True, exist_ok=True)
        for index in range(1, 200):
            folder = STATE / str(index)
            if Path(f"/sys/class/net/ulbr{index}").exists():
                continue  # left behind by a fleet whose guard was killed too
            try:
                folder.mkdir(mode=0o700)
            except FileExistsError:
                continue
            self.index, self.folder = index, folder
            return
        raise RuntimeError(f"{STATE}: 199 fleets are up, or were left behind; remove them")

    def _up(self) -> None:
        disk = self.folder / "disk"
        disk.mkdir()
        _mount("lab", str(disk), "tmpfs", NODEV, f"size={self.memory},mode=755")
        layer = disk / "layer"
        (layer / "etc" / "lab").mkdir(parents=True)
        layer.chmod(0o755)
        for path in (self.key, layer / "etc" / "lab" / "host_ed25519"):
            keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(path)]
            subprocess.run(keygen, check=True)
        shutil.copy(self.key.with_suffix(".pub"), layer / "etc" / "lab" / "authorized_keys")
        self._wire()
        for host in self.hosts.values():
            for part in ("upper", "work", "root"):
                (disk / host.name / part).mkdir(parents=True)
            host.pid = _spawn(self, host)
            self._save()
        self._await()
        public = (layer / "etc" / "lab" / "host_ed25519.pub").read_text().split()
        lines = [f"{host.address} {public[0]} {public[1]}\n" for host in self.hosts.values()]
        self.known_hosts.write_text("".join(lines))

    def _wire(self) -> None:
        """Make the bridge, the namespaces and the cables, in two calls of ip."""
        bridge, subnet = f"ulbr{self.index}", f"10.91.{self.index}"
        batch = [
            f"link add {bridge} type bridge forward_delay 0",
            f"addr add {subnet}.1/24 dev {bridge}",
            f"link set {bridge} up",
        ]
        for number, host in enumerate(self.hosts.values(), 10):
            host.address = f"{subnet}.{number}"
            link, space = self.link(host.name), self.namespace(host.name)
            batch += [
                f"netns add {space}",
                f"link add {link} type veth peer name eth0 netns {space}",
                f"link set {link} master {bridge} up",
            ]
        self._save()
        _ip(batch)

    def _save(self) -> None:
        """Write down what must be taken down."""
        state = {
            "bridge": f"ulbr{self.index}",
            "links": [self.link(name) for name in self.hosts],
            "namespaces": [self.namespace(name) for name in self.hosts],
            "pids": [[host.pid, _started(host.pid)] for host in self.hosts.values() if host.pid],
        }
        part = self.folder / "state.part"
        part.write_text(json.dumps(state))
        part.rename(self.folder / "state.json")

    def _await(self) -> None:
        """Return when every sshd answers."""
        ends = time.monotonic() + PATIENCE_SECONDS
        for host in self.hosts.values():
            while True:
                try:
                    with socket.create_connection((host.address, 22), 1) as connection:
                        if connection.recv(4) == b"SSH-":
                            break
                except OSError:
                    pass
                if _started(host.pid) is None or time.monotonic() > ends:
                    log = (self.folder / "disk" / host.name / "log").read_text()[-2000:]
                    raise RuntimeError(f"host {host.name} did not come up: {log}")
                time.sleep(0.02)


def take_down(folder: Path) -> None:
    """End the hosts of a fleet and remove its wires and its disk."""
    try:
        state = json.loads((folder / "state.json").read_text())
    except (OSError, ValueError):
        state = {"pids": [], "links": [], "namespaces": [], "bridge": ""}
    for pid, started in state["pids"]:
        if started and _started(pid) == started:
            os.kill(pid, signal.SIGKILL)  # PID 1 of its namespace: the kernel ends the rest
    ends = time.monotonic() + PATIENCE_SECONDS
    while (
        any(_started(pid) == started for pid, started in state["pids"]) and time.monotonic() < ends
    ):
        time.sleep(0.02)
    batch = [f"link del {link}" for link in state["links"]]
    batch += [f"netns del {space}" for space in state["namespaces"]]
    batch += [f"link del {state['bridge']}"] if state["bridge"] else []
    text = "\n".join(batch) + "\n"
    subprocess.run(
        ["ip", "-force", "-batch", "-"], input=text, text=True, capture_output=True, check=False
    )
    _libc.umount2(str(folder / "disk").encode(), DETACH)
    shutil.rmtree(folder, ignore_errors=True)


def _guard(folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Start a process that takes the fleet down when the pipe's end here is closed, by whatever."""
    reader, writer = os.pipe()
    os.set_inheritable(writer, False)
    code = (
        # All is read before it waits: the checkout may be removed meanwhile.
        "import os, sys; from pathlib import Path; from lab.fleet import take_down; os.read(0, 1);"
        " folder = Path(sys.argv[1]); take_down(folder) if folder.exists() else None"
    )
    guard = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        stdin=reader,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": f"{TESTS}:{TESTS / 'helpers'}"},
        start_new_session=True,
    )
    os.close(reader)
    return guard, writer


def _started(pid: int) -> str | None:
    """Return when a process started, in the kernel's ticks; None if it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def _spawn(fleet: Fleet, host: Host) -> int:
    """Fork the host; return its PID 1's number out here."""
    reader, writer = os.pipe()
    middle = os.fork()
    if middle:
        os.close(writer)
        with os.fdopen(reader) as stream:
            said = stream.read()
        os.waitpid(middle, 0)
        return int(said)
    try:
        os.close(reader)
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        log = os.open(fleet.folder / "disk" / host.name / "log", os.O_WRONLY | os.O_CREAT, 0o600)
        for target, source in ((0, nothing), (1, log), (2, log)):
            os.dup2(source, target)
        space = os.open(f"/run/netns/{fleet.namespace(host.name)}", os.O_RDONLY)
        _must(_libc.setns(space, NEWNET), "setns")
        _must(_libc.unshare(NEWNS | NEWUTS | NEWIPC | NEWPID), "unshare")
        pid = os.fork()
        if pid:
            os.write(writer, str(pid).encode())
            os._exit(0)
        os.closerange(3, 512)
        _be_host(fleet.folder / "disk", host)
    except BaseException as exc:
        os.write(2, f"{host.name}: {exc!r}\n".encode())
    os._exit(1)


def _be_host(disk: Path, host: Host) -> None:
    """Be PID 1 of the host; never returns."""
    root = disk / host.name / "root"
    upper, work = disk / host.name / "upper", disk / host.name / "work"
    _mount(None, "/", None, REC | PRIVATE)
    _mount(
        "overlay",
        str(root),
        "overlay",
        0,
        f"lowerdir={disk}/layer:/,upperdir={upper},workdir={work}",
    )
    for name in dict.fromkeys(OWN):
        if (root / name).is_dir():
            mode = "1777" if name == "tmp" else "755"
            _mount("tmpfs", str(root / name), "tmpfs", NOSUID | NODEV, f"size=256m,mode={mode}")
    (root / "run" / "sshd").mkdir()
    _mount("proc", f"{root}/proc", "proc", NOSUID | NODEV | NOEXEC)
    _mount("sysfs", f"{root}/sys", "sysfs", RDONLY | NOSUID | NODEV | NOEXEC)
    _mount(f"{root}/proc/sys", f"{root}/proc/sys", None, BIND)
    _mount(None, f"{root}/proc/sys", None, REMOUNT | BIND | RDONLY)
    _make_devices(root / "dev")
    os.chdir(root)
    _must(_libc.syscall(155, b".", b"."), "pivot_root")  # x86_64
    _must(_libc.umount2(b".", DETACH), "umount the old root")
    os.chdir("/")
    socket.sethostname(host.name)
    Path("/etc/hostname").write_text(host.name + "\n")
    # sudo asks for its host's name first, and there is nobody to answer.
    Path("/etc/hosts").write_text(f"127.0.0.1 localhost {host.name}\n::1 localhost\n")
    _ip(
        [
            "link set lo up",
            f"addr add {host.address}/24 dev eth0",
            "link set eth0 up",
            f"route add default via {host.address.rpartition('.')[0]}.1",
        ]
    )
    for capability in DROPPED_CAPABILITIES:
        _libc.prctl(24, capability, 0, 0, 0)
    os.environ.clear()
    os.environ.update(PATH=SYSTEM_PATH, HOME="/root", LC_ALL="C.UTF-8")
    Path("/etc/lab/sshd_config").write_text(host.sshd)
    if host.setup is not None:
        host.setup()
    os.execv("/usr/sbin/sshd", ["/usr/sbin/sshd", "-D", "-f", "/etc/lab/sshd_config"])


def _make_devices(folder: Path) -> None:
    _mount("tmpfs", str(folder), "tmpfs", NOSUID, "size=1m,mode=755")
    numbers = {"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9}
    for name, minor in numbers.items():
        os.mknod(folder / name, 0o020666, os.makedev(1, minor))
        (folder / name).chmod(0o666)
    os.mknod(folder / "tty", 0o020666, os.makedev(5, 0))
    (folder / "tty").chmod(0o666)
    for name in ("pts", "shm"):
        (folder / name).mkdir()
    options = "newinstance,ptmxmode=0666,mode=620,gid=5"
    _mount("devpts", f"{folder}/pts", "devpts", NOSUID | NOEXEC, options)
    _mount("tmpfs", f"{folder}/shm", "tmpfs", NOSUID | NODEV, "size=256m,mode=1777")
    (folder / "ptmx").symlink_to("pts/ptmx")
    (folder / "fd").symlink_to("/proc/self/fd")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        (folder / name).symlink_to(f"/proc/self/fd/{number}")


def _mount(
    source: str | None,
    target: str,
    kind: str | None = None,
    flags: int = 0,
    data: str | None = None,
) -> None:
    texts = [text.encode() if text else None for text in (source, target, kind)]
    options = data.encode() if data else None
    done = _libc.mount(*texts, ctypes.c_ulong(flags), options)
    _must(done, f"mount {kind} {target}")


def _must(status: int, what: str) -> None:
    if status != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def _ip(batch: Sequence[str]) -> None:
    done = subprocess.run(
        ["ip", "-batch", "-"],
        input="\n".join(batch) + "\n",
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"ip: {done.stderr[:500]}")
