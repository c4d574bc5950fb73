"""What is restored is program text: from inside the sandbox it tries to reach what lives, and to stay."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import platform
import random
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from patience import eventually

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups import backups
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore import verify as verifying
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.ended import (
    name_of,
    out_of_memory,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    CancelledError,
    NotTriedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.ledger import Ledger
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.repository import (
    ReadingSandbox,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.sandbox import Sandbox
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.scratch import Scratch
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import (
    RestoredBackup,
    Verification,
)

PYTHON = "/usr/bin/python3"
LONG_SECONDS = 3600.0

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can make the sandbox"),
    pytest.mark.skipif(not Path("/usr/bin/bwrap").exists(), reason="bwrap is not on PATH"),
]


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Scratch]:
    with Scratch(str(tmp_path / "scratch")) as made:
        yield made


@pytest.fixture
def sandbox(scratch: Scratch) -> Sandbox:
    return Sandbox(scratch, Host(), time.monotonic() + LONG_SECONDS, 500_000_000)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What lives: a folder that everybody may read, a server on each kind of socket."""
    folder = tmp_path_factory.mktemp("live")
    (folder / "data").write_text("live")
    with contextlib.ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        path = stack.enter_context(socket.socket(socket.AF_UNIX))
        path.bind(str(folder / "socket"))
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        abstract.bind(f"\0upkeep-test-{os.getpid()}")
        for one in (path, abstract):
            one.listen()
        yield {
            "FOLDER": str(folder),
            "PORT": tcp.getsockname()[1],
            "ABSTRACT": f"upkeep-test-{os.getpid()}",
            "PID": os.getpid(),
        }


ATTEMPTS = {
    "a TCP port": "socket.create_connection(('127.0.0.1', PORT), 5)",
    "a socket in a folder": "socket.socket(socket.AF_UNIX).connect(FOLDER + '/socket')",
    "an abstract socket": "socket.socket(socket.AF_UNIX).connect('\\0' + ABSTRACT)",
    "a live file": "open(FOLDER + '/data').read()",
    "another user's file": "open('/etc/shadow').read()",
    "a process of the host": "open(f'/proc/{PID}/cmdline', 'rb').read()",
    "an end of a process of the host": "os.kill(PID, 0)",
    "a write into the system": "open('/usr/lib/upkeep-test', 'w')",
    "a write into the root": "open('/upkeep-test', 'w')",
    "a setting of the kernel": "open('/proc/sys/kernel/core_pattern', 'a').write('')",
    "a user to become": "os.setuid(0)",
    "a group to become": "os.setgroups([0])",
    "a device": "os.mknod('/scratch/disk', 0o60666, os.makedev(8, 0))",
    "a mount": "check(ctypes.CDLL(None, use_errno=True).mount(b'x', b'/scratch', b'tmpfs', 0, None))",
    "a trace of the sandbox": "open('/proc/1/mem', 'rb').read(1)",
    "the environment of the sandbox": "open('/proc/1/environ', 'rb').read(1)",
    "a place of before": "os.chroot('/proc/1/root')",
    "a namespace of its own": "check(ctypes.CDLL(None, use_errno=True).unshare(0x10000000))",
    "a way through a program of root": "become()",
}
WAYS = """
import ctypes, os, socket, subprocess
def check(status):
    if status:
        raise OSError(ctypes.get_errno(), "refused")
def become():
    said = subprocess.run(["/usr/bin/passwd", "--status", "root"], capture_output=True)
    if said.returncode:
        raise OSError(0, "refused")
"""


def attempt(live: dict[str, Any], text: str) -> list[str]:
    """Return a command that tries something, and ends with 7 if it was refused."""
    values = "\n".join(f"{name} = {value!r}" for name, value in live.items())
    indented = (
        f"try:\n    {text}\nexcept OSError as exc:\n    print(exc)\n    raise SystemExit(7)\n"
    )
    return [PYTHON, "-c", f"{WAYS}\n{values}\n{indented}"]


def test_a_program_in_the_sandbox_reaches_nothing_that_lives(
    sandbox: Sandbox, live: dict[str, Any]
) -> None:
    reached = {
        what: said.status
        for what, text in ATTEMPTS.items()
        if (said := sandbox.run(attempt(live, text))).status != 7
    }

    assert reached == {}


@pytest.mark.parametrize(
    "what",
    ["a TCP port", "a socket in a folder", "an abstract socket", "a live file",
     "another user's file", "a process of the host", "an end of a process of the host",
     "a namespace of its own",
    "a way through a program of root"],
)  # fmt: skip
def test_what_the_sandbox_refuses_is_there_to_be_reached(what: str, live: dict[str, Any]) -> None:
    assert subprocess.run(attempt(live, ATTEMPTS[what]), check=False).returncode == 0


def test_a_program_in_the_sandbox_sees_only_itself(sandbox: Sandbox, tmp_path: Path) -> None:
    text = (
        "import json, os, pwd; print(json.dumps({'fds': sorted(os.listdir('/proc/self/fd'))[:-1],"
        " 'names': sorted(os.environ), 'root': sorted(os.listdir('/')), 'etc':"
        " sorted(os.listdir('/etc')), 'user': pwd.getpwuid(os.getuid()).pw_name, 'pids': [one for one in os.listdir('/proc') if one.isdigit()]}))"
    )
    said = sandbox.run([PYTHON, "-c", text], environment={"GIVEN": "x"})
    assert said.err == ""
    seen = json.loads(said.out)

    assert seen["user"] == "restore"
    assert seen["fds"] == ["0", "1", "2"]
    assert seen["names"] == ["GIVEN", "HOME", "LC_ALL", "PATH", "PWD", "TZ"]
    assert len(seen["pids"]) == 2
    assert {"passwd", "group"} <= set(seen["etc"]) <= {
        "passwd", "group", "ld.so.cache", "alternatives", "localtime",
    }  # fmt: skip
    assert not {"root", "home", "var", "srv", "run", "mnt", "sys"} & set(seen["root"])


def test_who_reads_a_repository_reads_what_is_shown_and_changes_nothing(
    sandbox: Sandbox, tmp_path: Path, live: dict[str, Any]
) -> None:
    (tmp_path / "repository").mkdir(mode=0o700)
    (tmp_path / "repository" / "pack").write_text("root's alone")
    (tmp_path / "repository" / "pack").chmod(0o600)
    reads = [(str(tmp_path / "repository"), "/repository")]
    box = ReadingSandbox(sandbox)

    assert sandbox.run(["cat", "/repository/pack"], reads).status == 1
    assert box.run(["cat", "/repository/pack"], reads).out == "root's alone"
    assert box.run(["touch", "/repository/new"], reads).status == 1
    reached = [
        what for what, text in ATTEMPTS.items()
        if what != "a place of before" and box.run(attempt(live, text)).status != 7
    ]  # fmt: skip
    assert reached in ([], ["the environment of the sandbox"])


BY_HANDLE = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
handle = ctypes.create_string_buffer(136)
ctypes.cast(handle, ctypes.POINTER(ctypes.c_uint))[0] = 128
mount, root = ctypes.c_int(), os.open(sys.argv[1], os.O_RDONLY)
if libc.name_to_handle_at(-100, sys.argv[1].encode(), handle, ctypes.byref(mount), 0):
    raise SystemExit(3)
raise SystemExit(0 if libc.open_by_handle_at(root, handle, 0) >= 0 else 7)
"""


def test_who_reads_a_repository_opens_nothing_past_what_is_in_its_sight(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """A file has a number on its disk, by which who may read all can open any file there."""
    if subprocess.run([PYTHON, "-c", BY_HANDLE, str(tmp_path)], check=False).returncode != 0:
        pytest.skip("files are not opened by their numbers here")
    box = ReadingSandbox(sandbox)

    assert box.run([PYTHON, "-c", BY_HANDLE, "/scratch"]).status == 7


READ_KEY = """
import ctypes, sys
buffer = ctypes.create_string_buffer(100)
print(ctypes.CDLL(None).syscall(250, 11, int(sys.argv[1]), buffer, 100), buffer.value.decode())
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="calls have other numbers there")
def test_a_program_in_the_sandbox_has_no_key_of_the_session(sandbox: Sandbox) -> None:
    """Who is given a ring of keys by a process has what is in it, another user or not."""
    libc = ctypes.CDLL(None)
    key = libc.syscall(248, b"user", b"upkeep-test", b"secret", 6, -3)
    if key < 0:
        pytest.skip("the kernel keeps no keys here")
    command = [PYTHON, "-c", READ_KEY, str(key)]
    try:
        outside = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        inside = sandbox.run(command).out
    finally:
        libc.syscall(250, 3, key)  # takes it back

    assert (outside, inside) == ("6 secret\n", "-1 \n")


@pytest.mark.parametrize("grouped", [True, False], ids=["control group", "each process"])
def test_a_program_that_needs_too_much_memory_is_ended(grouped: bool, sandbox: Sandbox) -> None:
    if not grouped:
        sandbox.scratch.group = ""
    with pytest.raises(NotTriedError, match="python3 was ended: it needs more than 500000000 B"):
        sandbox.run([PYTHON, "-c", "x = b'x' * 2_000_000_000"])


def test_a_program_that_was_ended_by_somebody_is_not_said_to_need_memory(sandbox: Sandbox) -> None:
    why = r"\A(sh|cat) was ended by signal 9, and not for want of memory\Z"
    with pytest.raises(NotTriedError, match=why):
        sandbox.run(["sh", "-c", "kill -9 $$"])


def test_who_waits_for_a_program_that_had_too_much_memory_has_that_cause(sandbox: Sandbox) -> None:
    if not sandbox.bounded:
        pytest.skip("no control group can be had here")
    client = f"{PYTHON} -c \"x = b'x' * 2_000_000_000\" & wait; exit 2"

    with pytest.raises(NotTriedError, match="cannot go on: another program beside it") as told:
        sandbox.run(["sh", "-c", client])

    assert "memory_bytes" in told.value.next_step


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (["/usr/sbin/mariadbd", "--version"], "mariadbd"),
        (["sh", "-c", 'exec "$0" "$@" >/dev/null', "/usr/bin/mariadb-dump", "--databases"], "mariadb-dump"),
        (["sh", "-c", 'exec 2>"$0"; exec "$@"', "/scratch/complaints", "/usr/bin/restic", "check"], "restic"),
        (["sh", "-c", "exit 1"], "sh"),
    ],
    ids=["program", "behind a shell", "behind a file", "shell"],
)  # fmt: skip
def test_a_program_is_named_and_not_the_shell_before_it(argv: list[str], name: str) -> None:
    assert name_of(argv) == name


@pytest.mark.parametrize(
    ("name", "text", "is_so"),
    [
        ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n", False),
        ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n", True),
        ("memory.events", "low 0\nhigh 0\nmax 97\noom 0\noom_kill 0\noom_group_kill 0\n", False),
        ("memory.events", "max 97\noom 1\noom_kill 1\noom_group_kill 0\n", True),
        ("other", "oom_kill 1", False),
    ],
)
def test_the_kernel_says_if_memory_ran_out(
    name: str, text: str, is_so: bool, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)

    assert out_of_memory(str(tmp_path)) is is_so
    assert not out_of_memory("")


@pytest.mark.parametrize(
    "text",
    ["sleep 3600", "exec >&- 2>&-; sleep 3600", "sleep 3600 & exec >&-; wait",
     "trap '' TERM HUP INT; while :; do :; done", "while :; do echo; done"],
)  # fmt: skip
def test_a_program_ends_when_its_time_is_over(text: str, sandbox: Sandbox) -> None:
    with pytest.raises(CancelledError, match="its time is over"):
        sandbox.run(["sh", "-c", text], seconds=0.5)

    eventually(lambda: not owned_by(sandbox.scratch.uid))


def test_what_a_program_leaves_in_the_background_ends_with_it(sandbox: Sandbox) -> None:
    said = sandbox.run(["sh", "-c", "setsid sleep 3600 & echo done"])

    assert said.out == "done\n"
    eventually(lambda: not owned_by(sandbox.scratch.uid))


def test_a_program_cannot_take_all_processes_of_the_host(sandbox: Sandbox) -> None:
    text = (
        "import os, time\nfor made in range(3000):\n    try:\n        if os.fork() == 0:\n"
        "            time.sleep(3600)\n    except OSError:\n        break\nprint(made)"
    )

    assert int(sandbox.run([PYTHON, "-c", text]).out) < 1000


def owned_by(uid: int) -> list[str]:
    """Return the processes of a user."""
    found = []
    for one in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if one.name.isdigit() and one.stat().st_uid == uid:
                found.append(one.name)
    return found


# --- a whole verification --------------------------------------------------------------------------------------------
@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "backup.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as made:
        made.execute("CREATE TABLE t (x)")
        made.execute("INSERT INTO t VALUES (zeroblob(60000000))")
        made.commit()
    return path


def declared(path: Path, **options: Any) -> dict[str, Any]:
    valid = ArgumentSpecValidator(backups.ARGUMENTS).validate(
        {"sets": [{"name": "s", "paths": [str(path)], "verify": options}]}
    )
    assert not valid.error_messages
    wanted: dict[str, Any] = valid.validated_parameters["sets"][0]
    return wanted


Probe = Callable[[Verification], None]


@pytest.fixture
def probed(monkeypatch: pytest.MonkeyPatch) -> Callable[[Probe], None]:
    """Return a function that lets something else happen where a database is restored."""

    def set_probe(probe: Probe) -> None:
        @contextlib.contextmanager
        def kind(task: Verification) -> Iterator[RestoredBackup]:
            with task.step("restore"):
                probe(task)
            yield RestoredBackup()

        monkeypatch.setitem(verifying.KINDS, "sqlite", kind)

    return set_probe


def until_its_time_is_over(task: Verification) -> None:
    """Let the time end here: how long the machine took to get here does not matter."""
    task.sandbox.ends = time.monotonic() + 0.5
    task.sandbox.run(["sleep", "3600"])


@pytest.mark.parametrize(
    ("probe", "options", "why"),
    [
        (
            lambda task: task.sandbox.run([PYTHON, "-c", "x = b'x' * 2_000_000_000"]),
            {"memory_bytes": 300_000_000},
            "python3 was ended: it needs more than 300000000 B of memory",
        ),
        (until_its_time_is_over, {}, "its time is over"),
        (
            lambda task: Path("/nowhere/else").read_text() and None,
            {},
            "FileNotFoundError: No such file or directory",
        ),
    ],
    ids=["memory", "time", "what nobody expected"],
)
def test_a_verification_that_cannot_go_on_says_nothing_of_the_backup(
    probe: Probe,
    options: dict[str, Any],
    why: str,
    probed: Callable[[Probe], None],
    database: Path,
    tmp_path: Path,
) -> None:
    probed(probe)
    ledger = Ledger(str(tmp_path / "ledger"))

    row = verifying.verify(declared(database, **options), ledger, Host(), str(tmp_path / "s"))

    assert (row["outcome"], row["step"], row["why"]) == ("unknown", "restore", why)
    assert ledger.rows("s") == [row]
    assert list((tmp_path / "s").iterdir()) == []


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """Return a file system with little more room than what always stays free."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300m,mode=0700", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_scratch_place_says_nothing_of_the_backup_and_the_next_set_goes_on(
    database: Path, small: Path, tmp_path: Path, probed: Callable[[Probe], None]
) -> None:
    ledger = Ledger(str(tmp_path / "ledger"))

    copied = verifying.verify(declared(database), ledger, Host(), str(small))
    probed(lambda task: task.sandbox.run(["dd", "if=/dev/zero", "of=/scratch/x"]))
    written = verifying.verify(declared(database), ledger, Host(), str(small))
    filled = small / "filled"
    with filled.open("wb") as stream, contextlib.suppress(OSError):
        while True:
            stream.write(bytes(1 << 16))
            stream.flush()
    nowhere = verifying.verify(declared(database), ledger, Host(), str(small))
    filled.unlink()
    probed(lambda task: None)
    after = verifying.verify(declared(database), ledger, Host(), str(small))

    for row in (copied, written, nowhere):
        assert row["outcome"] == "unknown"
        assert "o space left" in row["why"]
    assert after["why"] != copied["why"]
    assert list(small.iterdir()) == []


def test_folders_in_each_other_without_end_are_removed(
    database: Path, tmp_path: Path, probed: Callable[[Probe], None]
) -> None:
    text = "import os\nfor _ in range(1500):\n    os.mkdir('d'); os.chdir('d')"
    probed(lambda task: task.sandbox.run(["env", "-C", "/scratch", PYTHON, "-c", text]) and None)

    verifying.verify(declared(database), Ledger(str(tmp_path / "l")), Host(), str(tmp_path / "s"))

    assert list((tmp_path / "s").iterdir()) == []


def forked(work: Callable[[], None]) -> int:
    """Return a process that does some work and ends."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    return pid


def test_a_verification_ends_when_nobody_waits_for_it(
    database: Path, tmp_path: Path, probed: Callable[[Probe], None]
) -> None:
    probed(lambda task: task.sandbox.run(["sleep", "3600"]) and None)
    ledger = Ledger(str(tmp_path / "ledger"))
    reader, writer = os.pipe()

    def work() -> None:
        os.dup2(writer, 1)
        os.closerange(3, 64)
        verifying.verify(declared(database), ledger, Host(), str(tmp_path / "s"))

    pid = forked(work)
    os.close(writer)
    eventually(lambda: (tmp_path / "ledger" / "running.json").exists())
    os.close(reader)
    os.waitpid(pid, 0)

    (row,) = ledger.rows("s")
    assert (row["outcome"], row["why"]) == ("unknown", "cancelled: nobody waits for it any more")
    assert list((tmp_path / "s").iterdir()) == []


def groups() -> list[str]:
    """Return the control groups of verifications."""
    tops = (Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup"))
    return [one.name for top in tops if top.is_dir() for one in top.glob("restore-*")]


def test_nothing_is_left_of_a_verification_that_was_killed_at_any_point(
    database: Path, tmp_path: Path, probed: Callable[[Probe], None]
) -> None:
    """Its processes end with it; files and a control group go at the next start."""
    base, ledger = tmp_path / "s", Ledger(str(tmp_path / "ledger"))
    slow = ["sh", "-c", "sleep 3600 & while :; do echo >> /scratch/x; sleep 0.01; done"]
    probed(lambda task: task.sandbox.run(slow) and None)
    chance = random.Random(19)
    killed = set()

    for _time in range(20):
        pid = forked(
            lambda: verifying.verify(declared(database), ledger, Host(), str(base)) and None
        )
        time.sleep(chance.uniform(0, 0.6))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        killed.add(pid)
        owners = {path.stat().st_uid for path in base.glob("*/work")} - {0}
        eventually(lambda users=owners: not [one for uid in users for one in owned_by(uid)])
        assert str(base) not in Path("/proc/self/mounts").read_text()

    probed(lambda task: None)
    verifying.verify(declared(database), ledger, Host(), str(base))
    assert list(base.iterdir()) == []
    assert not [one for one in groups() if int(one.split("-")[1]) in killed]
    assert not (tmp_path / "ledger" / "running.json").exists()
