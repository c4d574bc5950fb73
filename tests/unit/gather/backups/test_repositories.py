"""Repositories by what lies in them: which program keeps them, and what pgBackRest, Barman and restic write."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from recorded_host import RecordedHost

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups import _repositories
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._budget import (
    BrokenError,
    Budget,
    OutOfBudgetError,
    UnreadError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._repositories import (
    content,
    is_remote,
    kind_of,
    snapshots,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._snapshots import (
    last_line,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._unopened import (
    BrokenRepositoryError,
    fault_of_key,
    refuse_damaged_borg,
    refuse_damaged_restic,
    refuse_odd_config,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError, Ran

RECORDED = Path(__file__).parents[2] / "recorded" / "backups"
PGBACKREST = (RECORDED / "pgbackrest.backup.info").read_text("utf-8")
BARMAN = (RECORDED / "barman.backup.info").read_text("utf-8")
FULL, INCREMENT = "20261127-142601F", "20261127-142601F_20261127-142605I"


def see(repository: Path | str, **wanted: Any) -> _repositories.Repository:
    return snapshots({"repository": str(repository), **wanted}, Host())


def shown(repository: _repositories.Repository) -> tuple[list[str], dict[str, str]]:
    return [one.name for one in repository.snapshots], {
        one.name: one.why for one in repository.unfinished
    }


def stanza(folder: Path, info: str = PGBACKREST, copy: str = PGBACKREST) -> Path:
    """Make a pgBackRest repository with the folders of its two backups."""
    for label in (FULL, INCREMENT):
        (folder / label).mkdir(parents=True)
        (folder / label / "backup.manifest").write_text("")
    (folder / "backup.info").write_text(info)
    (folder / "backup.info.copy").write_text(copy)
    return folder.parents[1]


# --- which program it is ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("sftp:me@host:/b", "restic"),
        ("sftp://me@host:22//b", "restic"),
        ("rest:https://me:geheim@host:8000/", "restic"),
        ("s3:s3.amazonaws.com/bucket", "restic"),
        ("b2:bucket:b", "restic"),
        ("rclone:remote:b", "restic"),
        ("swift:container:/b", "restic"),
        ("azure:container:/b", "restic"),
        ("gs:bucket:/b", "restic"),
        ("ssh://me@host:22/b", "borg"),
        ("me@host:/b", "borg"),
        ("me@host:b", "borg"),
        ("host:/b", "borg"),
        ("me@[2001:db8::1]:/b", "borg"),
    ],
)
def test_a_remote_repository_is_known_by_its_address(place: str, kind: str) -> None:
    assert is_remote(place)
    assert kind_of(place, Host()) == kind


@pytest.mark.parametrize("place", ["/b/a:b", "/b@c:d", "file:///b", "local:/b", "/b"])
def test_a_path_is_no_address(place: str) -> None:
    assert not is_remote(place)


def test_a_local_repository_is_known_by_what_lies_in_it(tmp_path: Path) -> None:
    for name in ("data", "keys", "snapshots"):
        (tmp_path / "restic" / name).mkdir(parents=True)
    (tmp_path / "restic" / "config").write_bytes(b"\x8f\x00")
    (tmp_path / "borg").mkdir()
    (tmp_path / "borg" / "config").write_text("[repository]\nversion = 1\n")
    stanza(tmp_path / "pgbackrest" / "backup" / "shop")
    (tmp_path / "barman" / "main" / "base").mkdir(parents=True)
    (tmp_path / "barman" / "main" / "wals").mkdir()
    places = {name: str(tmp_path / name) for name in ("restic", "borg", "pgbackrest", "barman")}

    assert {name: kind_of(place, Host()) for name, place in places.items()} == {
        name: name for name in places
    }
    assert kind_of(f"{tmp_path}/barman/main", Host()) == "barman"
    for place in (tmp_path, tmp_path / "restic" / "keys"):
        with pytest.raises(HostError, match="no repository of restic, borg, pgbackrest, barman"):
            kind_of(str(place), Host())
    with pytest.raises(HostError, match="no such file"):
        kind_of(f"{tmp_path}/absent", Host())


# --- pgBackRest ------------------------------------------------------------------------------------------------------
def test_pgbackrest_says_when_each_backup_ended_and_its_size(tmp_path: Path) -> None:
    place = stanza(tmp_path / "repo" / "backup" / "shop")

    seen = see(place)
    reading = content({"repository": str(place)}, seen, Budget(5, 10**6), Host())

    assert seen.kind == "pgbackrest"
    assert [(one.name, one.taken, one.bytes) for one in seen.snapshots] == [
        (INCREMENT, 1795789566.0, 3043473),
        (FULL, 1795789564.0, 3043472),
    ]
    assert seen.unfinished == []
    assert (reading.state, reading.why) == ("listed", "only its list was read")
    assert reading.taken == 1795789566.0


@pytest.mark.parametrize("broken", ["", PGBACKREST[:900], PGBACKREST.replace("64,", "65,", 1)])
def test_the_copy_is_read_if_the_info_file_does_not_fit_its_checksum(
    tmp_path: Path, broken: str
) -> None:
    place = stanza(tmp_path / "repo" / "backup" / "shop", info=broken)

    assert len(see(place).snapshots) == 2
    (tmp_path / "repo" / "backup" / "shop" / "backup.info").unlink()
    assert len(see(place).snapshots) == 2


@pytest.mark.parametrize(
    ("info", "words"),
    [
        ("", "ends early"),
        (PGBACKREST[:900], "ends early"),
        (PGBACKREST.replace("1795789564", "1795789565"), "its checksum is not that of its content"),
        ("no section\n", "no section and no value"),
        ("Salted__xyz", "encrypted by pgBackRest"),
    ],
)
def test_an_info_file_that_cannot_be_read_says_why(tmp_path: Path, info: str, words: str) -> None:
    place = stanza(tmp_path / "repo" / "backup" / "shop", info, info)

    with pytest.raises(HostError, match=words):
        see(place)


def test_a_backup_of_pgbackrest_that_cannot_be_relied_on_is_told_apart(tmp_path: Path) -> None:
    folder = tmp_path / "repo" / "backup" / "shop"
    place = stanza(folder)
    (folder / "20261127-142632F").mkdir()
    (folder / "backup.history").mkdir()
    (folder / INCREMENT / "backup.manifest").unlink()

    names, unfinished = shown(see(place))

    assert names == [FULL]
    assert unfinished == {
        INCREMENT: "its backup.manifest is not there",
        "20261127-142632F": "not in backup.info: it is being made, or was not finished",
    }


def test_of_several_stanzas_one_must_be_named(tmp_path: Path) -> None:
    place = stanza(tmp_path / "repo" / "backup" / "shop")
    stanza(tmp_path / "repo" / "backup" / "web")

    assert len(see(place, stanza="web").snapshots) == 2
    with pytest.raises(HostError, match="say in `stanza` which stanza: shop, web"):
        see(place)
    with pytest.raises(HostError, match="no stanza mail with backups"):
        see(place, stanza="mail")
    with pytest.raises(HostError, match="have no host and no tag"):
        see(place, stanza="web", snapshot_tag="x")


# --- Barman ----------------------------------------------------------------------------------------------------------
def server(home: Path, **infos: str) -> Path:
    """Make a Barman home with backups of the server main; each name is an id without its digits before the time."""
    for folder in ("base", "wals"):
        (home / "main" / folder).mkdir(parents=True)
    for name, text in infos.items():
        folder = home / "main" / "base" / f"20261127T{name[1:]}"
        folder.mkdir(parents=True)
        (folder / "backup.info").write_text(text)
    return home


def test_barman_says_when_each_backup_ended(tmp_path: Path) -> None:
    old = BARMAN.replace("2026-11-27 14:26:56.920070+00:00", "Fri Nov 20 14:26:56 2026")
    place = server(tmp_path, _142652=BARMAN, _010000=old)

    seen = see(place)

    assert seen.kind == "barman"
    assert [one.name for one in seen.snapshots] == ["20261127T142652", "20261127T010000"]
    assert seen.snapshots[0].taken == 1795789616.92007
    assert seen.snapshots[0].bytes == 23138515
    assert see(place / "main").snapshots == see(place, stanza="main").snapshots == seen.snapshots


@pytest.mark.parametrize(
    ("text", "why", "making"),
    [
        (BARMAN.replace("=DONE", "=FAILED").replace("error=None", "error=disk full"), "its status is FAILED: disk full", False),
        (BARMAN.replace("=DONE", "=STARTED"), "its status is STARTED", True),
        (BARMAN.replace("=DONE", "=WAITING_FOR_WALS"), "its status is WAITING_FOR_WALS", True),
        ("status=EMPTY\n", "its status is EMPTY", True),
        ("", "its status is missing", False),
        ("status=DONE\n", "backup.info has no end_time", False),
    ],
)  # fmt: skip
def test_a_backup_of_barman_that_is_not_done_is_told_apart(
    tmp_path: Path, text: str, why: str, making: bool
) -> None:
    seen = see(server(tmp_path, _142652=text), kind="barman")

    (one,) = seen.unfinished
    assert (seen.snapshots, one.why, one.making) == ([], why, making)
    with pytest.raises(UnreadError, match="no finished snapshot"):
        content({"repository": str(tmp_path)}, seen, Budget(5, 10**6), Host())


def test_newer_releases_of_barman_say_it_in_meta(tmp_path: Path) -> None:
    place = server(tmp_path, _142652=BARMAN.replace("=DONE", "=STARTED"))
    (tmp_path / "main" / "meta").mkdir()
    (tmp_path / "main" / "meta" / "20261127T142652-backup.info").write_text(BARMAN)

    assert shown(see(place)) == (["20261127T142652"], {})


def test_what_lies_beside_the_backups_is_none(tmp_path: Path) -> None:
    place = server(tmp_path, _142652=BARMAN)
    shutil.copytree(place / "main" / "base" / "20261127T142652", place / "main" / "base" / "old")

    assert len(see(place).snapshots) == 1
    assert see(server(tmp_path / "empty"), kind="barman").snapshots == []


# --- restic ----------------------------------------------------------------------------------------------------------
COMMAND = "restic --no-lock --no-cache --json snapshots"
# From restic 0.17.3, cut; without the summary, as every release before it.
ONE = {
    "time": "2026-11-27T03:15:00.123456789+01:00",
    "hostname": "db1",
    "paths": ["/srv"],
    "id": "6825a5d4e6b3b4e7a4a2b4",
    "short_id": "6825a5d4",
}
SUMMARY = {
    "backup_start": "2026-11-27T03:15:00.123456789+01:00",
    "backup_end": "2026-11-27T03:45:00.5+01:00",
}


def restic(out: str, status: int = 0, err: str = "") -> _repositories.Repository:
    host = RecordedHost(commands={COMMAND: Ran(status, out, err)})
    return snapshots({"repository": "rest:https://me:geheim@host/", "password": "geheim"}, host)


def test_restic_says_when_a_snapshot_began_and_in_newer_releases_when_it_ended() -> None:
    old, new = restic(json.dumps([ONE])), restic(json.dumps([{**ONE, "summary": SUMMARY}]))

    assert (old.snapshots[0].taken, old.snapshots[0].words) == (
        1795745700.123456,
        "start of the snapshot",
    )
    assert round(new.snapshots[0].taken - old.snapshots[0].taken, 2) == 1800.38
    assert old.where == "rest:https://host/"
    assert restic("null").snapshots == restic("[]").snapshots == []


@pytest.mark.parametrize(
    "out",
    ["", "{", "[" * 100_000, '{"a": 1}', "7", '["x"]', "[{}]", '[{"time": 7, "id": "x"}]', '[{"time": "soon", "id": "x"}]'],
)  # fmt: skip
def test_output_that_is_not_restics_is_an_error(out: str) -> None:
    with pytest.raises(HostError, match="restic: "):
        restic(out)


def test_an_error_of_restic_shows_no_secret() -> None:
    err = "subprocess: x\nFatal: unable to open rest:https://me:geheim@host/: wrong geheim\nIs it there?\n\n"

    with pytest.raises(HostError, match="restic: Fatal: unable to open") as raised:
        restic("", 1, err)
    assert "geheim" not in str(raised.value)


@pytest.mark.parametrize(
    ("place", "err", "error"),
    [
        ("sftp:me@host:/b", "ssh: connection reset\nFatal: unable to load index", UnreadError),
        ("sftp:me@host:/b", "pack 1: not found\nFatal: repository contains errors", BrokenError),
        ("/b", "Fatal: LoadIndex returned errors", BrokenError),
    ],
)
def test_a_network_that_fails_is_no_fault_of_the_repository(
    place: str, err: str, error: type[Exception]
) -> None:
    check = "restic --no-lock --no-cache check"
    seen = restic(json.dumps([ONE]))

    host = RecordedHost(commands={check: Ran(1, "", err)})
    with pytest.raises(error, match="restic check: "):
        content({"repository": place}, seen, Budget(5, 10**6), host)


class Slow(RecordedHost):
    def run(self, command: list[str], *args: object, **kwargs: object) -> Ran:
        raise HostError(f"{command[0]}: still running after {args[0]} s")


@pytest.mark.parametrize(("seconds", "host"), [(-1, Host()), (5, Slow())])
def test_no_time_for_restic_check_is_said(seconds: float, host: Host) -> None:
    seen = restic(json.dumps([ONE]))

    with pytest.raises(OutOfBudgetError, match="not enough time"):
        content({"repository": "/b"}, seen, Budget(seconds, 10**6), host)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            "config file has zero size, invalid repository?\nmain.open\n"
            "\tgithub.com/restic/restic/cmd/restic/global.go:760\nruntime.goexit\n"
            "\truntime/asm_amd64.s:1594\n",
            "config file has zero size, invalid repository?",
        ),
        (
            "panic: assignment to entry in nil map\n\ngoroutine 1 [running]:\nmain.main()\n"
            "\t/src/main.go:9 +0x1d\nexit status 2\n",
            "ended with a panic (status 2)",
        ),
        (
            'Local Exception\nTraceback (most recent call last):\n  File "/borg/archiver.py", line 9, in main\n'
            "    exit_code = archiver.run(args)\n                ^^^^^\nbinascii.Error: Odd-length string\n\n"
            "Platform: Linux web 6.1\nsys.argv: ['/usr/bin/borg', 'list']\nSSH_ORIGINAL_COMMAND: None\n",
            "ended with a traceback: binascii.Error: Odd-length string",
        ),
        ("[0:00] Fatal: wrong password\nclosing\n", "[0:00] Fatal: wrong password"),
        ("Fatal: config\nFatal: unable to open\nhint\n", "Fatal: unable to open"),
        ("", "status 2"),
    ],
)
def test_the_reason_of_a_failure_is_no_line_of_a_stack_trace(said: str, reason: str) -> None:
    assert last_line("restic", said, (), 2) == f"restic: {reason}"


# --- a repository that its own program cannot open -------------------------------------------------------------------
KEY = b'{"created":"2026-01-01","kdf":"scrypt","N":32768,"r":8,"p":7,"salt":"c2FsdA==","data":"ZGF0YQ=="}'


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (KEY, ""),
        (KEY[:60], "it is no JSON"),
        (b"", "it is no JSON"),
        (bytes(100), "it is no JSON"),
        (KEY.replace(b"salt", b"s\xffalt"), "it is no JSON"),
        (b"[" * 100_000, "it is no JSON"),
        (b"[]", "it is no key"),
        (KEY.replace(b"salt", b"selt"), "it has no 'salt'"),
        (KEY.replace(b"ZGF0", b"!!"), "its `data` is no base64"),
        (KEY.replace(b"32768", b'"x"'), "its `N` is no number"),
        (KEY.replace(b"scrypt", b"later"), ""),
    ],
    ids=["whole", "cut", "empty", "zeros", "no text", "nested", "a list", "a field",
         "base64", "number", "of a later version"],
)  # fmt: skip
def test_a_key_of_restic_that_cannot_be_read_says_why(data: bytes, fault: str) -> None:
    assert fault_of_key(data) == fault


@pytest.mark.parametrize(
    ("config", "keys", "err", "why"),
    [
        (7, [KEY], "panic: runtime error: slice bounds out of range [16:7]", "`config` is cut: 7 B; expected 33 B"),
        (0, [KEY], "config file has zero size, invalid repository?", "`config` is cut: 0 B"),
        (155, [KEY], "Fatal: config or key 0ad67f6f is damaged: ciphertext verification failed", "`config` differs"),
        (155, [KEY[:9]], "Fatal: Unmarshal: unexpected end of JSON input", "key 0 cannot be read: it is no JSON"),
        (155, [KEY, b""], "Fatal: Unmarshal: unexpected end of JSON input", "key 1 cannot be read: it is no JSON"),
        (155, [], "Fatal: wrong password or no key found", "it has no key"),
        (155, [KEY], "Fatal: wrong password or no key found", ""),
        (155, [KEY], "Fatal: unable to open config file: open config: permission denied", ""),
        (None, [KEY], "Is there a repository at the following location?", ""),
    ],
    ids=["cut", "empty", "a bit", "key cut", "one of two keys", "no key", "password", "rights", "no repository"],
)  # fmt: skip
def test_a_repository_of_restic_that_nobody_can_open_is_damaged(
    config: int | None, keys: list[bytes], err: str, why: str, tmp_path: Path
) -> None:
    for name in ("data", "keys", "snapshots"):
        (tmp_path / name).mkdir()
    if config is not None:
        (tmp_path / "config").write_bytes(bytes(config))
    for number, key in enumerate(keys):
        (tmp_path / "keys" / str(number)).write_bytes(key)

    if why:
        with pytest.raises(BrokenRepositoryError, match=why):
            refuse_damaged_restic(str(tmp_path), err, Host())
    else:
        refuse_damaged_restic(str(tmp_path), err, Host())


def test_a_repository_of_borg_that_nobody_can_open_is_damaged() -> None:
    err = (
        "Traceback (most recent call last):\n"
        '  File "/usr/lib/python3/dist-packages/borg/repository.py", line 511, in _read_integrity\n'
        "    integrity = msgpack.unpack(fd)\nborg.helpers.msgpack.UnpackException: Unpack failed\n"
    )
    refuse_damaged_borg(err.replace("_read_integrity", "get"), ["integrity.5"])
    with pytest.raises(BrokenRepositoryError, match=r"borg: its `integrity\.5` is damaged"):
        refuse_damaged_borg(err, ["config", "integrity.5", "nonce"])

    refuse_odd_config("[repository]\nversion = 1\nid = " + "a1" * 32 + "\n")
    with pytest.raises(BrokenRepositoryError, match="no id of 64 digits"):
        refuse_odd_config("[repository]\nversion = 1\nid = a1a1")
    err = '  File "/usr/lib/python3/dist-packages/borg/crypto/key.py", line 611, in _load\nbinascii.Error: Incorrect'
    with pytest.raises(BrokenRepositoryError, match="its key is cut or damaged: `key` in its `con"):
        refuse_damaged_borg(f"Traceback (most recent call last):\n{err} padding\n", ["config"])


BORG_CONFIG = (RECORDED / "borg.config").read_text()
KEY_AT = BORG_CONFIG.index("key = ")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (BORG_CONFIG, ""),
        (BORG_CONFIG.rstrip("\n"), ""),
        (BORG_CONFIG.replace("key = ", "key= "), ""),
        (BORG_CONFIG[:KEY_AT], ""),  # keys may lie elsewhere
        ("", "no section [repository]"),
        ("\0" * len(BORG_CONFIG), "no section [repository]"),
        (BORG_CONFIG[:9], "no section [repository]"),
        (BORG_CONFIG[:20], "no version"),
        (BORG_CONFIG.replace("version = 1", "version = q"), "no version"),
        (BORG_CONFIG[:100], "no id of 64 digits"),
        (BORG_CONFIG[: KEY_AT - 3], "no id of 64 digits"),
        (BORG_CONFIG[: KEY_AT + 10], ""),  # borg says it
    ],
    ids=[
        *("whole", "without its last line's end", "another blank", "without a key", "empty"),
        *("zeros", "in its first line", "in the version", "a version that is no number"),
        *("before the id", "in the id", "in the key"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_settings_of_borg_is_told(text: str, why: str) -> None:
    if not why:
        refuse_odd_config(text)
        return
    with pytest.raises(BrokenRepositoryError) as broken:
        refuse_odd_config(text)
    assert str(broken.value) == f"borg: its `config` is damaged: it has {why}"
