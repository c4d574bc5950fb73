"""The gather log_rotation on real files, with the real logrotate where it is there."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.astral.upkeep.plugins.module_utils.gather.logs import log_rotation
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation

DAY = 86400
HEAD = "logrotate state -- version 2\n"


def see(folder: Path, **params: Any) -> dict[str, Observation]:
    arguments = {"config": [f"{folder}/conf"], "state": f"{folder}/state", "log_folders": []}
    valid = ArgumentSpecValidator(log_rotation.ARGUMENTS).validate(arguments | params)
    assert not valid.error_messages
    seen = log_rotation.gather(valid.validated_parameters, Host())
    assert len({one.subject for one in seen}) == len(seen)
    return {one.subject: one for one in seen}


def configure(folder: Path, *options: str) -> Path:
    lines = "\n".join(options)
    (folder / "conf").write_text(f"{folder}/*.log {{\n{lines}\n}}\n")
    (folder / "conf").chmod(0o644)
    log = folder / "app.log"
    log.write_text("a line\n")
    return log


def test_archives_and_gaps_are_seen_and_the_state_file_proves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_rotation, "birth_times", lambda paths, host: {})
    log = configure(tmp_path, "daily", "rotate 7")
    (tmp_path / "state").write_text(f'{HEAD}"{log}" 2099-1-1-0:0:0\n')
    then = int(time.time()) - 9 * DAY
    for number in (2, 4):
        (tmp_path / f"app.log.{number}").write_text("old\n")
        os.utime(tmp_path / f"app.log.{number}", (then - number,) * 2)

    data = see(tmp_path, open_files=False)[str(log)].data

    assert (data["archives"], data["newest"]) == (2, "app.log.2")
    assert data["missing_numbers"] == [1, 3]
    assert data["claimed_at"] == "2099-01-01T00:00:00"
    assert data["proved_at"] == log_rotation.iso(then - 2)


def test_a_new_log_is_proved_by_its_birth(tmp_path: Path) -> None:
    log = configure(tmp_path, "daily", "rotate 7")

    data = see(tmp_path, open_files=False)[str(log)].data

    if data["born_at"] is None:
        pytest.skip("this file system keeps no birth times")
    assert data["proved_at"] == data["born_at"]


def test_without_birth_and_archive_the_first_line_says_since_when(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_rotation, "birth_times", lambda paths, host: {})
    log = configure(tmp_path, "daily", "rotate 7")
    log.write_text('192.0.2.1 - - [03/Nov/2026:10:00:00 +0000] "GET /"\n')

    assert see(tmp_path, open_files=False)[str(log)].data["proved_at"].startswith("2026-11-03")


def test_a_state_file_that_was_cut_off_is_seen(tmp_path: Path) -> None:
    configure(tmp_path, "daily")
    (tmp_path / "state").write_text(HEAD + '"/var/lo')

    state = see(tmp_path, open_files=False)["logrotate"].data["state"]

    assert state["problem"].startswith("line 2: found")


def test_a_log_in_two_stanzas_is_named_with_both(tmp_path: Path) -> None:
    if shutil.which("logrotate", path=os.environ["PATH"] + ":/usr/sbin") is None:
        pytest.skip("logrotate is not on PATH")
    log = configure(tmp_path, "daily")
    with (tmp_path / "conf").open("a") as stream:
        stream.write(f"{log} {{\nweekly\n}}\n")

    data = see(tmp_path, open_files=False)["logrotate"].data

    assert data["twice"] == {str(log): [f"{tmp_path}/conf:1", f"{tmp_path}/conf:4"]}
    assert any("duplicate log entry" in line for line in data["errors"])


def test_deleted_files_and_writers_are_found(tmp_path: Path) -> None:
    log = configure(tmp_path, "daily")
    gone = tmp_path / "gone.log"
    with log.open("a"), gone.open("w") as stream:
        stream.write("x" * 100_000)
        stream.flush()
        gone.unlink()

        seen = see(tmp_path)

    files = seen["deleted open files"].data["files"]
    assert [one["pid"] for one in files if one["path"] == str(gone)] == [os.getpid()]
    assert any(f"[{os.getpid()}]" in one for one in seen[str(log)].data["writers"])


def test_a_big_file_that_nothing_rotates(tmp_path: Path) -> None:
    configure(tmp_path, "daily")
    folder = tmp_path / "var"
    folder.mkdir()
    (folder / "big").write_bytes(os.urandom(200_000))
    (folder / "big.gz").write_bytes(os.urandom(200_000))
    (folder / "small").write_bytes(b"x")

    seen = see(tmp_path, open_files=False, log_folders=[str(folder)], unrotated_bytes=100_000)

    unrotated = [one.subject for one in seen.values() if one.data.get("kind") == "unrotated"]
    assert unrotated == [str(folder / "big")]


def test_a_declared_configuration_that_is_not_there_is_unknown(tmp_path: Path) -> None:
    seen = see(tmp_path, open_files=False)

    assert seen["logrotate"].error == f"{tmp_path}/conf: no such file"


@pytest.mark.parametrize(
    ("pattern", "options", "archive"),
    [
        ("*", ["daily", "rotate 4"], "app.log.1"),
        ("*", ["daily", "rotate 4", "compress"], "app.log.1.gz"),
        ("*.log", ["daily", "rotate 4", "dateext", "extension .log"], "app-20261111.log"),
        ("*", ["daily", "rotate 0"], None),
        ("*.log", ["daily", "rotate 4"], None),
        ("*", ["daily", "rotate 4", "olddir old"], None),
        ("*.log*", ["daily", "rotate 4", "nocompress"], "app.log.1"),
    ],
)
def test_a_pattern_that_takes_its_own_archives(
    pattern: str, options: list[str], archive: str | None, tmp_path: Path
) -> None:
    (tmp_path / "log" / "old").mkdir(parents=True)
    (tmp_path / "log" / "app.log").write_text("a line\n")
    lines = "\n".join(options)
    (tmp_path / "conf").write_text(f"{tmp_path}/log/{pattern} {{\n{lines}\n}}\n")

    data = see(tmp_path, open_files=False)["logrotate"].data

    expected = [str(tmp_path / "log" / archive)] if archive else []
    assert [one["archive"] for one in data["own_archives"]] == expected


@pytest.mark.parametrize("covered", [False, True], ids=["alone", "with a stanza for its target"])
def test_a_log_that_is_a_link(covered: bool, tmp_path: Path) -> None:
    log = configure(tmp_path, "daily")
    (tmp_path / "data").mkdir()
    log.rename(tmp_path / "data" / "real.txt")
    log.symlink_to(tmp_path / "data" / "real.txt")
    if covered:
        with (tmp_path / "conf").open("a") as conf:
            conf.write(f"{tmp_path}/data/real.txt {{\ndaily\n}}\n")

    data = see(tmp_path, open_files=False)[str(log)].data

    assert (data["kind"], data["rotated"]) == ("link", covered)
    assert data["target"] == str(tmp_path / "data" / "real.txt")


def test_a_link_to_a_device_collects_nothing(tmp_path: Path) -> None:
    log = configure(tmp_path, "daily")
    log.unlink()
    log.symlink_to("/dev/null")

    assert see(tmp_path, open_files=False)[str(log)].data["kind"] == "log"


@pytest.mark.parametrize("place", ["~/more", "~/more.d"])
def test_an_include_of_the_home(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "conf").write_text(f"include {place}\n")
    (tmp_path / "more.d").mkdir()
    for path in ("more", "more.d/app"):
        (tmp_path / path).write_text("~/app.log {\ndaily\n}\n")
    (tmp_path / "app.log").write_text("a line\n")

    seen = see(tmp_path, open_files=False)

    assert seen["logrotate"].data["problems"] == []
    assert seen[str(tmp_path / "app.log")].data["exists"]


@pytest.mark.parametrize(
    ("pattern", "options", "named"),
    [
        ("gone.txt", [], True),
        ("*.gone", [], True),
        ("nowhere/*.log", [], True),
        ("*.gone", ["missingok"], False),
    ],
)
def test_a_log_that_is_missing_is_named(
    pattern: str, options: list[str], named: bool, tmp_path: Path
) -> None:
    lines = "\n".join(["daily", *options])
    (tmp_path / "conf").write_text(f"{tmp_path}/{pattern} {{\n{lines}\n}}\n")

    seen = see(tmp_path, open_files=False)

    assert (str(tmp_path / pattern) in seen) is named
    assert not named or not seen[str(tmp_path / pattern)].data["exists"]


def test_a_configuration_that_is_no_text_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "conf").write_bytes(b"/var/log/a {\n}\n\0")

    data = see(tmp_path, open_files=False)["logrotate"].data

    assert data["problems"] == [f"{tmp_path}/conf: not a text file: it has NUL bytes"]
    assert data["stanzas"] == 0
