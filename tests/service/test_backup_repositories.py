"""Repositories as restic and borg themselves write them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups import _borg
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._budget import (
    BrokenError,
    Budget,
    UnreadError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._repositories import (
    Repository,
    content,
    snapshots,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError

RECORDED = Path(__file__).parent / "recorded" / "restic"
PASSWORD = "nur-geheim"


def needs(name: str) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not on PATH")


def see(repository: Path, **wanted: Any) -> Repository:
    return snapshots({"repository": str(repository), "password": PASSWORD, **wanted}, Host())


def state(folder: Path) -> dict[str, tuple[int, str]]:
    """Return when each file of a folder was changed, and its content."""
    return {
        str(path): (
            path.lstat().st_ctime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture(scope="module")
def borg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository with two archives, of which one is not finished, and an account's own folders."""
    needs("borg")
    home = tmp_path_factory.mktemp("borg")
    (home / "files").mkdir()
    (home / "files" / "a").write_bytes(os.urandom(50_000))
    environment = {**os.environ, "BORG_BASE_DIR": str(home / "own"), "BORG_PASSPHRASE": PASSWORD}
    create = ["create", "--timestamp", "2026-11-26T03:15:00"]
    for command in (
        ["init", "-e", "repokey-blake2", f"{home}/repository"],
        [*create, f"{home}/repository::web-1", "files"],
        ["create", f"{home}/repository::db-2.checkpoint", "files"],
    ):
        subprocess.run(
            ["borg", *command], env=environment, cwd=home, check=True, capture_output=True
        )
    return home / "repository"


def test_borg_lists_and_writes_nothing_that_stays(
    borg: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = borg.parent / "private"
    private.mkdir()
    monkeypatch.setattr(_borg, "IN_MEMORY", str(private))
    monkeypatch.setenv("HOME", str(borg.parent / "home"))
    (borg.parent / "password").write_text(f"{PASSWORD}\n")
    before = state(borg)

    seen = see(borg)
    of_host = see(borg, snapshot_host=os.uname().nodename)

    assert state(borg) == before
    assert list(private.iterdir()) == []
    assert not (borg.parent / "home").exists()
    assert [(one.name, one.taken) for one in seen.snapshots] == [("web-1", 1795662900.0)]
    assert [(one.name, one.making) for one in seen.unfinished] == [("db-2.checkpoint", True)]
    assert len(of_host.snapshots) == 1
    reading = content({"repository": str(borg)}, seen, Budget(5, 10**6), Host())
    assert (reading.state, reading.taken) == ("listed", 1795662900.0)


def test_archives_are_chosen_by_host_and_by_how_their_names_begin(borg: Path) -> None:
    password_file = {"password_file": str(borg.parent / "secret")}
    (borg.parent / "secret").write_text(f"{PASSWORD}\n")

    assert see(borg, snapshot_tag="db", password=None, **password_file).snapshots == []
    assert len(see(borg, snapshot_tag="web").snapshots) == 1
    assert see(borg, snapshot_host="another").snapshots == []


def test_borg_repairs_the_mirror_and_not_the_repository(borg: Path, tmp_path: Path) -> None:
    """What a backup that ends just now, or a crash, leaves behind is repaired by every command of borg."""
    copy = tmp_path / "repository"
    shutil.copytree(borg, copy)
    (index,) = copy.glob("index.*")
    index.write_bytes(index.read_bytes()[:1000])
    before = state(copy)

    assert len(see(copy).snapshots) == 1
    assert state(copy) == before


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"password": "falsch-und-geheim"}, "borg: passphrase supplied .* is incorrect"),
        ({"password": None}, "borg: passphrase supplied .* is incorrect"),
        ({"password_file": "/nowhere/password"}, "/nowhere/password: no such file"),
    ],
)
def test_borg_says_why_it_cannot_read(borg: Path, wanted: dict[str, Any], words: str) -> None:
    with pytest.raises(HostError, match=words) as raised:
        see(borg, **wanted)

    assert "falsch" not in str(raised.value)


def test_a_damaged_repository_of_borg_is_listed_and_not_called_whole(
    borg: Path, tmp_path: Path
) -> None:
    shutil.copytree(borg, tmp_path / "r")
    segment = max((tmp_path / "r" / "data").glob("*/*"), key=lambda path: path.stat().st_size)
    data = segment.read_bytes()
    segment.write_bytes(data[:9999] + bytes([data[9999] ^ 1]) + data[10_000:])
    environment = {**os.environ, "BORG_BASE_DIR": f"{tmp_path}/own", "BORG_PASSPHRASE": PASSWORD}
    check = ["borg", "check", "--repository-only", f"{tmp_path}/r"]
    assert subprocess.run(check, env=environment, capture_output=True, check=False).returncode == 1

    seen = see(tmp_path / "r")
    reading = content({"repository": f"{tmp_path}/r"}, seen, Budget(5, 10**6), Host())

    assert reading.state == "listed"


def test_another_format_than_that_of_borg_1_is_an_error(borg: Path, tmp_path: Path) -> None:
    shutil.copytree(borg, tmp_path / "r")
    config = tmp_path / "r" / "config"
    config.write_text(config.read_text().replace("version = 1", "version = 2"))

    with pytest.raises(HostError, match="its format is not that of borg 1"):
        see(tmp_path / "r")


@pytest.mark.parametrize(
    ("name", "count", "newest", "whole"),
    [
        ("small-repo", 4, 1447189908, True),
        ("repo-same-timestamps", 3, 1474215744, True),
        ("repo-unreferenced-data", 1, 1594287207, True),
        ("repo-duplicates", 1, 1594296378, True),
        ("repo-index-missing", 2, 1594286830, False),
    ],
)
def test_the_repositories_of_restics_own_tests(
    tmp_path: Path, name: str, count: int, newest: int, whole: bool
) -> None:
    needs("restic")
    with tarfile.open(RECORDED / f"{name}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    wanted = {"repository": str(tmp_path / "repo"), "password": "geheim"}
    before = state(tmp_path)

    seen = snapshots(wanted, Host())

    assert (len(seen.snapshots), int(seen.snapshots[0].taken)) == (count, newest)
    if whole:
        reading = content(wanted, seen, Budget(60, 10**9), Host())
        assert (reading.state, reading.unproved) == ("whole", "the data, which was not read")
    else:
        with pytest.raises(BrokenError, match="repository contains errors"):
            content(wanted, seen, Budget(60, 10**9), Host())
    assert state(tmp_path) == before


def test_an_empty_repository_of_restic_is_not_whole_and_an_absent_one_is_an_error(
    tmp_path: Path,
) -> None:
    needs("restic")
    environment = {**os.environ, "RESTIC_PASSWORD": PASSWORD}
    init = ["restic", "--no-cache", "-r", f"{tmp_path}/r", "init"]
    subprocess.run(init, env=environment, check=True, capture_output=True)

    seen = see(tmp_path / "r")

    assert (seen.kind, seen.snapshots) == ("restic", [])
    with pytest.raises(UnreadError, match="no finished snapshot"):
        content({"repository": f"{tmp_path}/r"}, seen, Budget(9, 10**6), Host())
    for kind in ("auto", "restic"):
        with pytest.raises(HostError, match="no such file"):
            see(tmp_path / "absent", kind=kind)
    with pytest.raises(HostError, match="wrong password") as raised:
        see(tmp_path / "r", password="falsch-und-geheim")
    assert "falsch" not in str(raised.value)
