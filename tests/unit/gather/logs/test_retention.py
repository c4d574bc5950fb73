from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.logs._retention import (
    ARGUMENTS,
    RemovalRefusedError,
    carry_out,
    log_name,
    plan,
)

DAY = 86400
NOW = time.time()


def root(path: Path | str, **more: Any) -> dict[str, Any]:
    patterns = ARGUMENTS["patterns"]["default"]
    return {"path": str(path), "keep_days": 30, "patterns": patterns, "keep_newest": 0, **more}


def old(path: Path, days: float = 40, text: str = "old") -> Path:
    path.write_text(text)
    os.utime(path, (NOW - days * DAY,) * 2)
    return path


@pytest.mark.parametrize(("days", "goes"), [(29.9, False), (30, False), (30.1, True)])
def test_days(days: float, goes: bool, tmp_path: Path) -> None:
    path = old(tmp_path / "a.log.1.gz", days)

    assert [one.path for one in plan(root(tmp_path), NOW).doomed] == ([str(path)] if goes else [])


def test_the_newest_of_each_log_stay_whatever_the_clock_says(tmp_path: Path) -> None:
    for number in range(1, 5):
        old(tmp_path / f"a.log.{number}.gz", 40 + number)
    old(tmp_path / "b.log-20200101.gz", 900)

    doomed = plan(root(tmp_path, keep_newest=2), NOW + 9999 * DAY).doomed

    assert [Path(one.path).name for one in doomed] == ["a.log.3.gz", "a.log.4.gz"]


@pytest.mark.parametrize(
    ("names", "stay"),
    [
        (["a.log.1.gz", "a.log.2.gz", "a.log.10.gz"], {"a.log.1.gz"}),
        (["a.log-20200101", "a.log-20200102", "a.log-20191231"], {"a.log-20200102"}),
        (["a.log-20200101-10", "a.log-20200101-09"], {"a.log-20200101-10"}),
        (["a.log-2020-01-31.gz", "a.log-2020-02-01.gz"], {"a.log-2020-02-01.gz"}),
        (["a.log-1577836800.gz", "a.log-1577836900.gz"], {"a.log-1577836900.gz"}),
    ],
)
def test_of_one_age_the_name_says_which_is_newest(
    names: list[str], stay: set[str], tmp_path: Path
) -> None:
    for name in names:
        old(tmp_path / name)

    doomed = {Path(one.path).name for one in plan(root(tmp_path, keep_newest=1), NOW).doomed}

    assert set(names) - doomed == stay


def test_a_log_itself_never_goes(tmp_path: Path) -> None:
    old(tmp_path / "a.log", 900)

    assert plan(root(tmp_path), NOW).doomed == []


def swap_for_link(path: Path, outside: Path) -> None:
    path.unlink()
    path.symlink_to(outside)


def swap_for_hard_link(path: Path, outside: Path) -> None:
    path.unlink()
    os.link(outside, path)


def swap_folder(path: Path, outside: Path) -> None:
    path.parent.rename(path.parent.with_name("moved"))
    path.parent.symlink_to(outside.parent)


def second_name(path: Path, outside: Path) -> None:
    os.link(path, outside.with_name("second"))


def rewritten(path: Path, outside: Path) -> None:
    path.write_text("new and longer")


@pytest.mark.parametrize(
    "attack", [swap_for_link, swap_for_hard_link, swap_folder, second_name, rewritten]
)
def test_what_changes_between_plan_and_removal_stays(attack: Any, tmp_path: Path) -> None:
    outside = tmp_path / "outside" / "a.log.1.gz"
    outside.parent.mkdir()
    old(outside, text="precious")
    inside = tmp_path / "logs" / "app"
    inside.mkdir(parents=True)
    path = old(inside / "a.log.1.gz")
    made = plan(root(tmp_path / "logs"), NOW)
    assert len(made.doomed) == 1

    attack(path, outside)
    gone, kept = carry_out(made)

    assert gone == []
    assert len(kept) == 1
    assert outside.read_text() == "precious"


def test_links_and_hard_links_are_refused_in_the_plan(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    target = old(tmp_path / "target.gz")
    (logs / "link.gz").symlink_to(target)
    os.link(target, logs / "hard.gz")

    made = plan(root(logs), NOW)

    assert made.doomed == []
    assert sorted(Path(path).name for path, _why in made.refused) == ["hard.gz", "link.gz"]


@pytest.mark.parametrize("path", ["/", "/var", "/etc", "relative", "/var/log/../lib", "/tmp"])
def test_a_root_that_is_too_wide_or_not_plain_is_refused(path: str) -> None:
    with pytest.raises(RemovalRefusedError, match="expected an absolute, plain path"):
        plan(root(path), NOW)


def test_a_root_behind_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real" / "logs").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")

    with pytest.raises(RemovalRefusedError, match="'link' is a symbolic link"):
        plan(root(tmp_path / "link" / "logs"), NOW)


@pytest.mark.parametrize(
    ("name", "log"),
    [
        ("app.log.1", "app.log"),
        ("app.log.12.gz", "app.log"),
        ("app.log-20261123.xz", "app.log"),
        ("app-20261123.log.gz", "app.log"),
        ("app.log-2026112308.gz", "app.log"),
    ],
)
def test_archives_of_one_log_belong_together(name: str, log: str) -> None:
    assert log_name(name) == log
