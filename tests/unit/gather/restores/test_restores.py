"""What is read of a restore ledger, and what of it is not believed."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.astral.upkeep.plugins.module_utils.gather.restores import (
    _ledger,
    restores,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.restores._restores_shape import (
    RestoreSeen,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import (
    Observation,
    to_wire,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.progress import read_progress
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.ledger import Ledger
from upkeep.judging.shapes import typed

ROW: dict[str, Any] = {
    "set": "shop",
    "id": "20261127T020000Z-3f2a",
    "began_at": "2026-11-27T02:00:00+00:00",
    "ended_at": "2026-11-27T02:05:00+00:00",
    "outcome": "restored",
}
CYCLE = {"parts": 16, "began_at": "2026-11-01T00:00:00Z", "done": [1, 2], "never": ["a1b2"]}


class OwnedHost(Host):
    """A real host on which everything is of one owner, whoever runs the test."""

    def __init__(self, owner: int = 0) -> None:
        self.owner = owner

    def stat(self, path: str, follow_links: bool = True) -> os.stat_result:
        found = list(super().stat(path, follow_links))
        found[stat.ST_UID] = self.owner if path.startswith("/tmp/") else 0
        return os.stat_result(found)


def row(**fields: Any) -> str:
    return json.dumps(ROW | fields) + "\n"


def look(folder: Path, host: Host | None = None, **verify: Any) -> Observation:
    wanted = {"name": "shop", "paths": ["/b/*"], "verify": verify, "rpo_hours": 24}
    (seen,) = gathered([wanted], folder, host)
    return seen


def gathered(
    sets: list[dict[str, Any]], folder: Path, host: Host | None = None
) -> list[Observation]:
    valid = ArgumentSpecValidator(restores.ARGUMENTS).validate(
        {"sets": sets, "folder": str(folder)}
    )
    assert not valid.error_messages
    return restores.gather(valid.validated_parameters, host or OwnedHost())


def ids(seen: Observation) -> list[str]:
    return [one["id"] for one in seen.data["rows"]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "restores"
    made.mkdir(mode=0o755)
    return made


def write(folder: Path, text: str | bytes, name: str = "ledger.jsonl") -> None:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(0o644)


def test_rows_come_newest_first_with_the_limits_of_the_site(folder: Path) -> None:
    write(folder, row(id="a") + row(id="x", set="other") + row(id="b", outcome="failed", why="cut"))

    seen = look(folder, max_days=8, rto_minutes=30, provable=True, key_copy="the safe")

    shaped = typed(RestoreSeen, Observation("shop", to_wire(seen)["data"]))
    assert [one.id for one in shaped.rows] == ["b", "a"]
    assert (shaped.rows[0].outcome, shaped.rows[0].why) == ("failed", "cut")
    assert (shaped.max_days, shaped.rto_minutes, shaped.rpo_hours) == (8, 30, 24)
    assert (shaped.provable, shaped.key_copy, shaped.unread) == (True, "the safe", {})
    assert json.loads(seen.raw)["id"] == "b"


def test_without_a_ledger_there_are_no_rows(folder: Path, tmp_path: Path) -> None:
    assert look(folder).data["rows"] == []
    assert look(tmp_path / "none").data["rows"] == []


def test_a_set_that_is_not_to_be_verified_has_its_time_alone(folder: Path) -> None:
    (seen,) = gathered([{"name": "shop", "paths": ["/b/*"]}], folder)

    assert (list(seen.data), seen.error) == (["at"], "")
    assert typed(RestoreSeen, seen).max_days is None


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{"set": "shop", "id": "b", "ou', "a line is not whole, or no JSON"),
        ("\0" * 40, "a line is not whole, or no JSON"),
        ("[" * 90_000, "a line is not whole, or no JSON"),
        ('{"set": "shop", "restored_bytes": ' + "9" * 5_000 + "}", ""),
        ("[1]", "a line is no JSON object"),
        (" " * 100_001 + "x", "a line has more than 100000 bytes"),
        ('{"id": "b"}', "a line says of no set"),
        (row(id="../../etc"), "id is not understood"),
        (row(id="b", outcome="fine"), "outcome is not understood"),
        (row(id="b", began_at="yesterday"), "began_at is not understood"),
        (row(id="b", ended_at="2026-11-27T02:00:00"), "ended_at is not understood"),
        (row(id="b", restore_seconds=-1), "restore_seconds is not understood"),
        (row(id="b", restored_bytes=True), "restored_bytes is not understood"),
        (row(id="b", proof="trust me"), "proof is not understood"),
        (row(id="b", assertions=[{"name": "a"}]), "assertions is not understood"),
        (row(id="b", counts=[1]), "counts is not understood"),
        (json.dumps({"set": "shop", "version": 9, "row": {}}), "id is missing"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else None,
)
def test_a_line_that_is_not_understood_is_told_and_hides_no_row(
    line: str, why: str, folder: Path
) -> None:
    line = line.rstrip("\n")
    write(folder, row(id="a") + line + "\n")
    newer = look(folder)
    write(folder, row(id="a") + line + "\n" + row(id="c"))
    older = look(folder)

    assert ids(newer) == ["a"]
    assert newer.data["unread"]["ledger"].startswith("1 line after its newest row: ")
    assert why in newer.data["unread"]["ledger"]
    assert ids(older) == ["c", "a"]
    assert list(older.data["unread"]) == ["older"]


def test_what_a_line_says_of_another_set_is_no_doubt_of_this_one(folder: Path) -> None:
    write(folder, row(id="a") + row(set="other", outcome="fine"))

    assert look(folder).data["unread"] == {}


def test_a_newer_program_may_say_more(folder: Path) -> None:
    write(folder, row(id="a", mood="good"))

    assert ids(look(folder)) == ["a"]
    assert "mood" not in look(folder).data["rows"][0]


def test_a_large_ledger_is_read_from_its_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restores, "TAIL_BYTES", 2_000_000)
    old = row(id="old") + row(set="other", why="x" * 900) * 3_000
    write(folder, old + "".join(row(id=f"n{number}") for number in range(40)))
    seen = look(folder)
    write(folder, old)
    none = look(folder)

    assert ids(seen) == [f"n{number}" for number in range(39, 9, -1)]
    assert seen.data["unread"] == {}
    assert none.data["rows"] == []
    assert none.data["unread"] == {"ledger": "no row of it in the last 2 MB"}


def test_rows_are_left_out_before_they_are_too_many(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = {f"table {number}": number for number in range(200)}
    write(folder, row(id="a", counts=counts) + row(id="b", counts=counts) + row(id="c"))
    monkeypatch.setattr(restores, "ALL_SETS_BYTES", 5_000)

    cut = look(folder).data["rows"]

    assert [one["id"] for one in cut] == ["c", "b", "a"]
    assert [len(one.get("counts", {})) for one in cut] == [0, 200, 0]
    assert cut[2]["notes"] == ["counts are left out"]


@pytest.mark.parametrize("outcome", ["failed", "restored"])
def test_tries_that_came_to_nothing_do_not_crowd_out_one_that_came_to_an_end(
    outcome: str, folder: Path
) -> None:
    tries = "".join(row(id=f"n{number}", outcome="unknown") for number in range(40))
    write(folder, row(id="older") + row(id="ended", outcome=outcome) + tries)

    found = ids(look(folder))

    assert (len(found), found[0], found[-1]) == (30, "n39", "ended")


def test_the_same_row_twice_is_one(folder: Path) -> None:
    write(folder, row(id="a", why="first") + row(id="a", why="second"))

    assert [one["why"] for one in look(folder).data["rows"]] == ["second"]


def test_long_texts_are_cut(folder: Path) -> None:
    write(folder, row(why="x" * 50_000))

    assert len(look(folder).data["rows"][0]["why"]) == _ledger.LONG


@pytest.mark.parametrize("mode", [0o775, 0o757])
def test_a_folder_that_others_may_write_is_not_believed(mode: int, folder: Path) -> None:
    write(folder, row())
    folder.chmod(mode)

    seen = look(folder)

    assert seen.data == {}
    assert f"mode {mode:o}; expected root's, and nobody else to write it" in seen.error


def test_a_ledger_that_others_may_write_is_not_believed(folder: Path) -> None:
    write(folder, row())
    (folder / "ledger.jsonl").chmod(0o664)

    assert "ledger.jsonl: found owner 0, mode 664" in look(folder).error


def test_a_folder_below_one_that_others_may_write_is_not_believed(
    folder: Path, tmp_path: Path
) -> None:
    write(folder, row())
    tmp_path.chmod(0o777)

    assert "expected a folder that only root may write" in look(folder).error


def test_a_ledger_of_somebody_else_is_not_believed(folder: Path) -> None:
    write(folder, row())

    assert "found owner 1000, mode 755" in look(folder, OwnedHost(1000)).error


def test_a_link_is_no_ledger(folder: Path, tmp_path: Path) -> None:
    write(tmp_path, row(), "elsewhere")
    (folder / "ledger.jsonl").symlink_to(tmp_path / "elsewhere")
    linked = tmp_path / "linked"
    linked.symlink_to(folder)

    assert "found no plain file" in look(folder).error
    assert "found no plain folder" in look(linked).error


def test_one_ledger_that_cannot_be_read_is_unknown_of_every_set_that_is_verified(
    folder: Path,
) -> None:
    folder.chmod(0o777)
    sets = [{"name": name, "paths": ["/b/*"], "verify": {}} for name in ("a", "b")]

    seen = gathered([*sets, {"name": "c", "paths": ["/b/*"]}], folder)

    assert [bool(one.error) for one in seen] == [True, True, False]


def test_two_sets_of_one_name_are_refused(folder: Path) -> None:
    sets = [{"name": name, "paths": ["/b/*"], "verify": {}} for name in ("a", "a", " ")]

    assert [one.error for one in gathered(sets, folder)] == [
        "",
        "sets: another set is called 'a' too",
        "sets: a set has an empty name",
    ]


def test_a_cycle_is_that_of_its_set(folder: Path) -> None:
    write(folder, json.dumps({"shop": CYCLE, "other": {}}), "cycles.json")

    cycle = look(folder).data["cycle"]

    assert cycle == CYCLE | {"began_at": "2026-11-01T00:00:00+00:00"}


@pytest.mark.parametrize("text", ["{", "[]", '{"shop": 1}', '{"shop": {"parts": "x"}}'])
def test_a_cycle_that_is_not_understood_is_told(text: str, folder: Path) -> None:
    write(folder, text, "cycles.json")

    seen = look(folder)

    assert "cycle" in seen.data["unread"]
    assert seen.data.get("cycle") is None


def started(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


@pytest.mark.parametrize(
    ("said", "runs"),
    [
        ({}, True),
        ({"share": 0.4}, True),
        ({"set": "other"}, False),
        ({"pid_started": 1}, False),
        ({"pid": "1/../../etc"}, False),
        ({"pid": 0}, False),
        ({"pid": True}, False),
        ({"pid": 2**31 - 1}, False),
    ],
)
def test_a_verification_runs_as_long_as_its_process_does(
    said: dict[str, Any], runs: bool, folder: Path
) -> None:
    running = {
        "set": "shop",
        "pid": os.getpid(),
        "pid_started": started(os.getpid()),
        "backup": "/b/shop.dump",
        "step": "restore",
        "began_at": "2026-11-27T02:00:00Z",
    }
    write(folder, json.dumps(running | said), "running.json")

    seen = look(folder)

    assert bool(seen.data["running"]) is runs
    assert seen.data["unread"] == {}
    if runs:
        assert seen.data["running"]["step"] == "restore"
        assert "pid" not in seen.data["running"]


def test_what_a_verification_writes_of_itself_is_read(folder: Path) -> None:
    ledger = Ledger(str(folder), turn=(2, 7))
    said = {"backup": "/b/shop.dump", "step": "restore", "began_at": "2026-11-27T02:00:00+00:00"}

    ledger.running({**said, "set": "shop", "share": 0.4})
    seen, shown = look(folder), read_progress(str(folder / "running.json"))
    ledger.running(None)

    assert seen.data["running"] == {**said, "share": 0.4}
    assert shown is not None
    assert (shown["title"], shown["number"], shown["of"]) == ("restoring shop", 2, 7)
    assert look(folder).data["running"] is None


@pytest.mark.parametrize("said", ["{", '{"set": "shop", "share": 2}'])
def test_what_is_said_of_a_running_verification_may_not_be_understood(
    said: str, folder: Path
) -> None:
    write(folder, said, "running.json")

    assert "running" in look(folder).data["unread"]


def test_a_key_counts_where_it_lies_on_this_host(folder: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("secret")
    there = {"name": "a", "paths": ["/b/*"], "verify": {"identity_file": str(key)}}
    password = {"name": "b", "repository": "/r", "password_file": str(key), "verify": {}}
    away = {"name": "c", "paths": ["/b/*"], "verify": {"identity_file": "/none/key"}}

    seen = gathered([there, password, away], folder)

    assert [one.data["key_file"] for one in seen] == [str(key), str(key), ""]
    assert "secret" not in str(seen)


def test_a_key_of_which_nobody_knows_whether_it_is_there_is_told(folder: Path) -> None:
    class Denied(OwnedHost):
        def exists(self, path: str) -> bool:
            if path == "/root/key":
                raise HostError("/root/key: permission denied")
            return super().exists(path)

    seen = look(folder, Denied(), identity_file="/root/key")

    assert seen.data["unread"] == {"key": "/root/key: permission denied"}
    assert "key_file" not in seen.data
