"""Repositories of restic and borg, verified by restoring them; and what in them would pass for good."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from patience import eventually

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups import backups
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore import restic as restoring
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.ledger import Ledger
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import (
    RestoredBackup,
    Verification,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.verify import verify

PASSWORD = "nur-geheim"
SECRET = "Befund von Erika Mustermann"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make the sandbox")


def needs(*names: str) -> None:
    for name in names:
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not on PATH")


def state(folder: Path) -> dict[str, tuple[int, str]]:
    """Return when each file of a folder was changed, and its content."""
    return {
        str(path): (
            path.lstat().st_ctime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for path in sorted([folder, *folder.rglob("*")])
    }


class Place:
    """Where a test verifies: a ledger, a scratch place."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = Ledger(str(folder / "ledger"))
        self.scratch = folder / "scratch"

    def verify(
        self,
        repository: Path | str,
        afterwards: Callable[[RestoredBackup], None] | None = None,
        name: str = "files",
        password: str = PASSWORD,
        **options: Any,
    ) -> dict[str, Any]:
        """Verify a repository and return the row; nothing may be left, and no content be told."""
        one = {"name": name, "repository": str(repository), "password": password}
        valid = ArgumentSpecValidator(backups.ARGUMENTS).validate(
            {"sets": [{**one, "verify": {"lock_minutes": 0, **options}}]}
        )
        assert not valid.error_messages
        wanted = valid.validated_parameters["sets"][0]
        row = verify(wanted, self.ledger, Host(), str(self.scratch), afterwards)
        assert list(self.scratch.iterdir()) == []
        written = "".join(path.read_text() for path in (self.folder / "ledger").iterdir())
        assert "Mustermann" not in written
        assert not password or password not in written
        return row


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def restic(repository: Path, *words: str, status: int = 0) -> str:
    """Run restic as its user does; return what it prints."""
    environment = {**os.environ, "RESTIC_PASSWORD": PASSWORD, "RESTIC_REPOSITORY": str(repository)}
    ran = subprocess.run(
        ["restic", "--no-cache", *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == status, ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def restic_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a repository of two snapshots, of which the second has one more file."""
    needs("restic", "bwrap")
    home = tmp_path_factory.mktemp("restic")
    files = home / "files"
    files.mkdir()
    (files / f"{SECRET}.pdf").write_bytes(os.urandom(400_000))
    (files / "canary").write_text("here")
    restic(home / "repository", "init")
    restic(home / "repository", "backup", str(files))
    (files / "new").write_bytes(os.urandom(300_000))
    restic(home / "repository", "backup", str(files))
    return home


@pytest.fixture
def restic_copy(restic_home: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(restic_home / "repository", tmp_path / "repository"))


def newest_pack(repository: Path) -> Path:
    """Return the pack with the data of the newest snapshot."""
    packs = [one for one in (repository / "data").glob("*/*") if one.stat().st_size > 100_000]
    return min(packs, key=lambda one: one.stat().st_size)


def flip(path: Path, at: int) -> None:
    path.chmod(0o600)
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_the_newest_snapshot_of_restic_is_restored_and_counted_and_nothing_is_written(
    restic_home: Path, place: Place
) -> None:
    repository = restic_home / "repository"
    before = state(repository)
    seen: dict[str, Any] = {}

    def look(restored: RestoredBackup) -> None:
        seen["canary"] = Path(restored.root, *restic_home.parts[1:], "files/canary").read_text()

    row = place.verify(
        repository,
        look,
        assertions=[{"files": f"{restic_home}/files/*", "equals": "3"}, {"files": "**/canary"}],
    )

    assert state(repository) == before
    assert (row["outcome"], row["why"], row["covered"]) == ("restored", "", "all")
    assert (row["proof"], row["figures"]["files"]) == ("checksums", 3)
    assert row["figures"]["bytes"] == 700_004 == row["restored_bytes"]
    assert [one["state"] for one in row["assertions"]] == ["held", "held"]
    assert seen == {"canary": "here"}
    assert row["notes"] == []
    cycle = place.ledger.cycle("files")
    assert (cycle["parts"], cycle["done"], cycle["unproved"]) == (16, [1], 0)
    assert len(cycle["never"]) == 1


def test_a_backup_of_restic_runs_beside_its_verification(restic_copy: Path, place: Place) -> None:
    """The locks of a check would make it fail."""
    done = []

    def back_up(restored: RestoredBackup) -> None:
        restic(restic_copy, "backup", str(place.folder / "ledger"))
        restic(restic_copy, "forget", "--prune", "--keep-last", "9")  # takes an exclusive lock
        done.append(restored.root)

    assert place.verify(restic_copy, back_up)["outcome"] == "restored"
    assert done


NEWEST = "$(find data -type f -size +250k -size -350k)"
"""Where the data is that only the newest snapshot or archive has."""
FLIP = "printf flipped! | dd bs=1 seek=5000 conv=notrunc of="
# The command that plants it in the repository's folder; what the program's own check ends with; what is said of it.
RESTIC_FAULTS = {
    "a pack with other bytes": (
        f"{FLIP}{NEWEST}",
        0,
        "restic (restore|check): .*(ciphertext verification failed|Pack ID does not match)",
    ),
    "a snapshot that cannot be read, after one that is good": (
        "printf flipped! | dd bs=1 seek=20 conv=notrunc of=snapshots/$(ls -t snapshots | head -n 1)",
        1,
        "snapshot [0-9a-f]{8} cannot be read; it is not in the list",
    ),
    "no snapshot at all": ("rm -f snapshots/*", 0, "the repository has no finished snapshot"),
    "an index that was cut": ("truncate -s 100 index/*", 1, "LoadIndex returned errors"),
    "a pack that is missing": (f"rm -f {NEWEST}", 1, "restic check: .*pack [0-9a-f]{8}"),
    "a pack that was cut": (f"truncate -s 1000 {NEWEST}", 1, "restic check: .*pack [0-9a-f]{8}"),
    "folders with other bytes": (
        "for pack in $(find data -type f -size -100k); do"
        " printf flipped! | dd bs=1 seek=50 conv=notrunc of=$pack; done",
        1,
        "restic check: .*(ciphertext verification failed|tree [0-9a-f]{8})",
    ),
    "no index": ("rm -f index/*", 1, "restic check: .*(not found in index|tree [0-9a-f]{8})"),
    "settings that were cut": ("chmod u+w config; truncate -s 7 config", 2, "`config` is cut: 7 B"),
    "settings with other bytes": (
        "chmod u+w config; printf flipped! | dd bs=1 seek=60 conv=notrunc of=config",
        1,
        "`config` differs from its own checksum",
    ),
    "a key that was cut, the only one": (
        "chmod u+w keys/*; truncate -s 300 keys/*",
        1,
        "key [0-9a-f]{8} cannot be read: it is no JSON",
    ),
}
QUICK = 3
"""So many of a table are planted in each run of the tests, the others in the long one."""


def planted(faults: dict[str, tuple[str, int, str]]) -> list[Any]:
    """Return the faults of a table as cases."""
    return [
        pytest.param(*fault, id=name, marks=[pytest.mark.thorough] if number >= QUICK else [])
        for number, (name, fault) in enumerate(faults.items())
    ]


@pytest.mark.parametrize(("plant", "check", "why"), planted(RESTIC_FAULTS))
def test_a_repository_of_restic_that_is_bad_fails(
    plant: str, check: int, why: str, restic_copy: Path, place: Place
) -> None:
    subprocess.run(["sh", "-ec", plant], cwd=restic_copy, check=True, capture_output=True)
    restic(restic_copy, "check", status=check)
    # A part without the pack: restic tries for a minute to read one that is missing.
    row = place.verify(restic_copy, parts=256)

    assert row["outcome"] == "failed", row
    assert re.search(why, row["why"]), row


NO_PASSWORD = "the repository is encrypted, and no password is declared for it"


def test_a_repository_of_restic_without_a_declared_password_is_unknown(
    restic_home: Path, place: Place
) -> None:
    row = place.verify(restic_home / "repository", password="")

    assert (row["outcome"], row["why"]) == ("unknown", NO_PASSWORD)
    assert "`password_file`" in row["next_step"]


def test_a_wrong_password_of_restic_fails_in_words(restic_home: Path, place: Place) -> None:
    row = place.verify(restic_home / "repository", password="falsch-geheim")

    assert row["outcome"] == "failed"
    assert "wrong password or no key found" in row["why"]
    assert row["next_step"].startswith("decide: ")


def test_a_large_snapshot_is_proved_part_by_part_and_the_cycle_goes_on_where_it_ended(
    restic_copy: Path, place: Place
) -> None:
    asked = {"files": "**/canary", "equals": "1"}
    first = place.verify(restic_copy, whole_bytes=10, parts=2, assertions=[asked])
    began = place.ledger.cycle("files")

    restic(restic_copy, "backup", str(place.folder / "ledger"))
    second = place.verify(restic_copy, whole_bytes=10, parts=2)
    full = place.ledger.cycle("files")
    third = place.verify(restic_copy, whole_bytes=10, parts=3)

    assert [one["outcome"] for one in (first, second, third)] == ["part"] * 3
    assert [one["covered"] for one in (first, second, third)] == ["1 of 2", "2 of 2", "1 of 3"]
    assert (first["assertions"][0]["state"], "restored_bytes" in first) == ("held", False)
    assert (began["done"], began["last_full_at"], len(began["never"])) == ([1], None, 2)
    assert (full["done"], full["last_full_at"] is None) == ([1, 2], False)
    assert len(full["never"]) == 1  # taken after the cycle had begun
    changed = place.ledger.cycle("files")
    assert (changed["parts"], changed["done"]) == (3, [1])
    assert changed["last_full_at"] == full["last_full_at"]


@pytest.mark.thorough
def test_a_cycle_that_must_end_soon_reads_more_parts_at_once(
    restic_home: Path, place: Place
) -> None:
    row = place.verify(restic_home / "repository", whole_bytes=10, parts=2, cycle_days=1e-9)

    assert (row["outcome"], row["covered"]) == ("part", "2 of 2")


def holding(repository: Path) -> subprocess.Popen[bytes]:
    """Return a backup that goes on until its standard input is closed."""
    process = subprocess.Popen(
        ["restic", "--no-cache", "backup", "--stdin"],
        env={**os.environ, "RESTIC_PASSWORD": PASSWORD, "RESTIC_REPOSITORY": str(repository)},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    eventually(lambda: any((repository / "locks").iterdir()))
    return process


def test_a_repository_that_is_written_is_waited_for_and_its_lock_is_never_broken(
    restic_copy: Path, place: Place
) -> None:
    process = holding(restic_copy)
    try:
        held = place.verify(restic_copy)
        locks = list((restic_copy / "locks").iterdir())
    finally:
        process.kill()
        process.communicate()
    left = place.verify(restic_copy)

    assert held["outcome"] == "unknown"
    assert f"is held by process {process.pid} on {os.uname().nodename}, since" in held["why"]
    assert left["outcome"] == "restored"
    assert left["notes"] == [
        note for note in left["notes"] if f"process {process.pid} on" in note and "unlock" in note
    ]
    assert len(left["notes"]) == 1
    assert list((restic_copy / "locks").iterdir()) == locks


@pytest.mark.thorough
def test_a_snapshot_that_comes_while_its_lock_is_waited_for_is_no_fault(
    restic_copy: Path, place: Place
) -> None:
    process = holding(restic_copy)
    timer = threading.Timer(1, process.communicate)
    timer.start()
    row = place.verify(restic_copy, lock_minutes=10)
    timer.join()

    assert (row["outcome"], row["why"], row["notes"]) == ("restored", "", [])


@pytest.mark.thorough
def test_what_another_program_removes_meanwhile_is_no_fault_of_the_backup(
    restic_copy: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_parts = restoring._read_parts

    def and_forget(task: Verification, *others: Any) -> None:
        read_parts(task, *others)
        restic(restic_copy, "forget", "--prune", task.row["backup"].split()[-1])

    monkeypatch.setattr(restoring, "_read_parts", and_forget)
    row = place.verify(restic_copy)

    assert row["outcome"] == "unknown"
    assert row["why"] == "another program has changed the repository meanwhile"


# --- borg ------------------------------------------------------------------------------------------------------------
def borg_environment(repository: Path) -> dict[str, str]:
    """Return what borg must know of a repository."""
    return {
        **os.environ,
        "BORG_BASE_DIR": str(repository.parent / "own"),
        "BORG_PASSPHRASE": PASSWORD,
        "BORG_REPO": str(repository),
        "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
        "BORG_CHECK_I_KNOW_WHAT_I_AM_DOING": "YES",
        "BORG_DELETE_I_KNOW_WHAT_I_AM_DOING": "YES",
    }


def borg(repository: Path, *words: str, status: int = 0) -> str:
    """Run borg as its user does; return what it prints. A word that begins with `::` is an archive."""
    ran = subprocess.run(
        ["borg", *words],
        env=borg_environment(repository),
        cwd=repository.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == status, ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def borg_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a repository of two archives, of which the second has one more file."""
    needs("borg", "bwrap")
    home = tmp_path_factory.mktemp("borg")
    files = home / "files"
    files.mkdir()
    (files / f"{SECRET}.pdf").write_bytes(os.urandom(400_000))
    (files / "canary").write_text("here")
    borg(home / "repository", "init", "-e", "repokey-blake2")
    borg(home / "repository", "create", "--timestamp", "2026-11-26T03:15:00", "::one", "files")
    (files / "new").write_bytes(os.urandom(300_000))
    borg(home / "repository", "create", "--timestamp", "2026-11-27T03:15:00", "::{{two}}", "files")
    return home


@pytest.fixture
def borg_copy(borg_home: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(borg_home / "repository", tmp_path / "repository"))


def test_the_newest_archive_of_borg_is_restored_and_counted_and_nothing_is_written(
    borg_home: Path, place: Place
) -> None:
    repository = borg_home / "repository"
    before = state(repository)
    seen: dict[str, Any] = {}

    def look(restored: RestoredBackup) -> None:
        seen["canary"] = Path(restored.root, "files/canary").read_text()

    row = place.verify(repository, look, assertions=[{"files": "files/*", "equals": "3"}])

    assert state(repository) == before
    assert (row["outcome"], row["why"], row["covered"]) == ("restored", "", "all")
    assert (row["proof"], row["figures"]) == ("checksums", {"files": 3, "bytes": 700_004})
    assert (row["counts"], row["restored_bytes"]) == ({"/files": 3}, 700_004)
    assert [one["state"] for one in row["assertions"]] == ["held"]
    assert seen == {"canary": "here"}
    assert row["notes"] == []
    cycle = place.ledger.cycle("files")
    assert (cycle["parts"], len(cycle["done"]), cycle["never"]) == (16, 16, [])


def segment_of(repository: Path, size: int) -> Path:
    """Return the segment with the data of that size."""
    return next(
        one
        for one in sorted((repository / "data").glob("*/*"))
        if size < one.stat().st_size < size + 50_000
    )


BORG_FAULTS = {
    "zeros for what was lost, of which borg only warns": (
        f"{FLIP}{NEWEST}; borg check --repair",
        0,
        r"borg extract: damaged \(all-zero\) chunks",
    ),
    "no archive at all": (
        "borg delete ::one; borg delete '::{{two}}'",
        0,
        "the repository has no finished snapshot",
    ),
    "a segment with other bytes": (
        f"{FLIP}{NEWEST}",
        1,
        "borg extract: Data integrity error: Segment entry",
    ),
    "a segment that is missing": (f"rm {NEWEST}", 1, "borg list: .*No such file or directory"),
    "a segment that was cut": (f"truncate -s 1000 {NEWEST}", 1, "borg list: Data integrity error"),
    "an older archive with other bytes": (
        f"{FLIP}$(find data -type f -size +350k)",
        1,
        "borg extract: Data integrity error: Segment entry",
    ),
    "settings that were cut": (
        "truncate -s 300 config",
        2,
        "borg: its key is cut or damaged: `key` in its `config`",
    ),
    "a list of archives with other bytes": (
        "printf flipped! | dd bs=1 seek=200 conv=notrunc of=data/0/$(ls data/0 | sort -n | tail -n 2 | head -n 1)",
        1,
        r"borg list: Data integrity error: Segment entry checksum mismatch \[segment",
    ),
    "a newest transaction without its end, from which borg goes back": (
        "truncate -s -1 data/0/$(ls data/0 | sort -n | tail -n 1)",
        0,
        "borg: its newest transaction .* is damaged, and borg goes back to number",
    ),
    "checksums of its index that were cut": (
        "truncate -s 41 integrity.*",
        2,
        "borg: its `integrity.[0-9]+` is damaged",
    ),
}


@pytest.mark.parametrize(("plant", "check", "why"), planted(BORG_FAULTS))
def test_a_repository_of_borg_that_is_bad_fails(
    plant: str, check: int, why: str, borg_copy: Path, place: Place
) -> None:
    subprocess.run(
        ["sh", "-ec", plant],
        cwd=borg_copy,
        env=borg_environment(borg_copy),
        check=True,
        capture_output=True,
    )
    checked = Path(shutil.copytree(borg_copy, place.folder / "checked"))
    borg(checked, "check", status=check)  # it mends what it reads
    row = place.verify(borg_copy)

    assert row["outcome"] == ("failed" if why else "unknown"), row
    assert re.search(why, row["why"]), row


def test_a_repository_of_borg_without_a_declared_password_is_unknown(
    borg_home: Path, place: Place
) -> None:
    row = place.verify(borg_home / "repository", password="")

    assert (row["outcome"], row["why"]) == ("unknown", NO_PASSWORD)


def test_a_wrong_password_of_borg_fails_in_words(borg_home: Path, place: Place) -> None:
    row = place.verify(borg_home / "repository", password="falsch-geheim")

    assert row["outcome"] == "failed"
    assert "is incorrect" in row["why"]


def test_a_repository_of_borg_that_is_held_is_waited_for_and_its_lock_is_never_broken(
    borg_copy: Path, place: Place
) -> None:
    process = subprocess.Popen(
        ["borg", "create", "::three", "-"],
        env=borg_environment(borg_copy),
        stdin=subprocess.PIPE,
    )
    try:
        eventually(lambda: (borg_copy / "lock.exclusive").is_dir())
        held = place.verify(borg_copy)
    finally:
        process.kill()
        process.communicate()
    locks = sorted(borg_copy.glob("lock*"))
    left = place.verify(borg_copy)

    assert (held["outcome"], held["step"]) == ("unknown", "find")
    assert f"is held by process {process.pid} on {os.uname().nodename}, since" in held["why"]
    assert left["outcome"] == "restored"
    assert [f"process {process.pid} on" in note for note in left["notes"]] == [True]
    assert f"borg break-lock {borg_copy}" in left["notes"][0]
    assert sorted(borg_copy.glob("lock*")) == locks
    assert len(locks) == 2


@pytest.mark.thorough
def test_a_large_archive_is_read_and_the_check_of_its_segments_goes_on_where_it_ended(
    borg_copy: Path, place: Place
) -> None:
    (place.folder / "other").write_bytes(os.urandom(100_000))
    borg(borg_copy, "create", "--timestamp", "2026-11-25T03:15:00", "::zero", "other")
    first = place.verify(borg_copy, whole_bytes=10)
    old = segment_of(borg_copy, 100_000)
    flip(old, 5000)
    place.ledger.keep("files", {**place.ledger.kept("files"), "position": int(old.name)})
    place.ledger.keep_cycle("files", {**place.ledger.cycle("files"), "done": [1]})

    going_on = place.verify(borg_copy, whole_bytes=10)
    anew = place.verify(borg_copy, whole_bytes=10)

    assert (first["outcome"], first["covered"]) == ("part", "16 of 16")
    assert (first["proof"], "restored_bytes" in first) == ("checksums", False)
    assert (going_on["outcome"], going_on["covered"]) == ("part", "16 of 16")
    assert (anew["outcome"], anew["step"]) == ("failed", "check")
    assert anew["why"].startswith("borg check: Data integrity error: Segment entry")


@pytest.mark.thorough
@pytest.mark.parametrize("program", ["restic", "borg"])
def test_what_only_root_can_restore_is_a_note_and_no_failure(
    program: str, tmp_path: Path, place: Place
) -> None:
    needs(program)
    files = tmp_path / "files"
    files.mkdir()
    (files / "of another").write_text("x")
    os.chown(files / "of another", 12345, 12345)
    os.setxattr(files / "of another", "trusted.mark", b"x")
    os.mknod(files / "device", 0o20600, os.makedev(1, 3))
    if program == "restic":
        restic(tmp_path / "repository", "init")
        restic(tmp_path / "repository", "backup", str(files))
    else:
        borg(tmp_path / "repository", "init", "-e", "repokey")
        borg(tmp_path / "repository", "create", "::one", "files")

    row = place.verify(tmp_path / "repository", assertions=[{"files": "**/of another"}])

    assert (row["outcome"], row["why"]) == ("restored", "")
    assert re.match("[12] times an owner, an attribute or a device ", row["notes"][0]), row


# --- on another machine ----------------------------------------------------------------------------------------------
SSH = """#!/bin/sh
for word; do
    case "$word" in
        borg) exec "$@" ;;
        sftp) exec /usr/lib/openssh/sftp-server -R ;;
    esac
    shift
done
"""


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder for repositories that are reached by ssh; one that goes nowhere. The sandbox has a /tmp of its own."""
    folder = Path(tempfile.mkdtemp(prefix="upkeep-test-", dir="/var/tmp"))
    (folder / "bin").mkdir()
    (folder / "bin" / "ssh").write_text(SSH)
    (folder / "bin" / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}/bin:{os.environ['PATH']}")
    yield folder
    shutil.rmtree(folder)


@pytest.mark.thorough
def test_a_snapshot_of_restic_on_another_machine_is_restored(
    restic_home: Path, far: Path, place: Place
) -> None:
    if not Path("/usr/lib/openssh/sftp-server").exists():
        pytest.skip("sftp-server is not on this machine")
    shutil.copytree(restic_home / "repository", far / "repository")
    url = f"sftp:backup@far.example:{far}/repository"

    row = place.verify(url, assertions=[{"files": "**/canary"}])
    flip(newest_pack(far / "repository"), 5000)
    bad = place.verify(url)

    assert (row["outcome"], row["why"], row["figures"]["files"]) == ("restored", "", 3)
    assert (row["covered"], row["proof"]) == ("all", "checksums")
    assert bad["outcome"] == "failed", bad


@pytest.mark.thorough
def test_an_archive_of_borg_on_another_machine_is_restored(
    borg_home: Path, far: Path, place: Place
) -> None:
    shutil.copytree(borg_home / "repository", far / "repository")
    url = f"ssh://backup@far.example{far}/repository"

    row = place.verify(url, assertions=[{"files": "**/canary"}])
    part = place.verify(url, whole_bytes=10)
    subprocess.run(["sh", "-ec", f"{FLIP}{NEWEST}"], cwd=far / "repository", check=True)
    bad = place.verify(url)

    assert (row["outcome"], row["why"], row["figures"]["files"]) == ("restored", "", 3)
    assert (part["outcome"], part["covered"]) == ("part", "0 of 16")
    assert (row["covered"], row["proof"]) == ("all", "checksums")
    assert bad["outcome"] == "failed", bad


def test_another_machine_that_does_not_answer_says_nothing_of_the_backup(
    far: Path, place: Place
) -> None:
    (far / "bin" / "ssh").write_text(
        "#!/bin/sh\necho 'connect: Connection refused' >&2; exit 255\n"
    )

    for url in ("sftp:backup@far.example:/repository", "ssh://backup@far.example/repository"):
        assert place.verify(url)["outcome"] == "unknown"
