"""Ansible's events are believed only where its callback wrote them, and then only as far as they make sense."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from upkeep.model.answer import OWN_NAME
from upkeep.model.errors import StoreError
from upkeep.run import events
from upkeep.run.events import (
    Ears,
    Frames,
    RunEvent,
    diff_text,
    event_of,
    read_event,
    why_failed,
    words,
)

NUMBER = "4ad10f5c-a7b6-44e9-bd6b-9ab9f7f8792b"
OTHER = "00fba039-6257-4020-9fd8-a2276b74261e"
GATE = {"resolved_action": "astral.upkeep.job_gate", "task_action": "job_gate", "task": "See"}
OBSERVE = {"resolved_action": "astral.upkeep.observe", "task_action": "observe", "task": "Observe"}
JOB = {"resolved_action": "ansible.builtin.command", "task": "Work"}


class Heard:
    """A listener that keeps what it was told."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.raises: Exception | None = None
        self.is_written = True

    def began(self, host: str) -> None:
        self.calls.append(("began", host))

    def gave(self, host: str, upkeep: Mapping[str, Any]) -> None:
        if self.raises:
            raise self.raises
        self.calls.append(("gave", host, dict(upkeep)))

    def lost(self, host: str, message: str) -> None:
        self.calls.append(("lost", host, message))

    def failed(self, host: str, task: str, message: str) -> None:
        self.calls.append(("failed", host, message))

    def changed(self, host: str, task: str, diff: str) -> None:
        self.calls.append(("changed", host, task, diff))

    def acted(self, host: str, said: object, why_failed: str) -> None:
        self.calls.append(("acted", host, said, why_failed))

    def left_out(self, host: str, why: str) -> None:
        self.calls.append(("left_out", host, why))

    def refused(self, host: str, why: str) -> None:
        self.calls.append(("refused", host, why))

    def misnamed(self, why: str) -> None:
        self.calls.append(("misnamed", why))

    def written(self) -> bool:
        return self.is_written


def framed(content: Any) -> str:
    text = base64.b64encode(json.dumps(content).encode()).decode()
    parts = [text[at : at + 78] for at in range(0, len(text), 78)]
    return "\x1b[K" + "".join(f"{part}\x1b[{len(part)}D" for part in parts) + "\x1b[K"


def write(folder: Path, kind: str, number: str = NUMBER, **data: Any) -> None:
    content = {"uuid": number, "event": kind, "event_data": data}
    (folder / f"{number}-partial.json").write_text(json.dumps(content))


def ears(folder: Path) -> tuple[Ears, Heard]:
    heard = Heard()
    return Ears(heard, folder), heard


# --- frames ----------------------------------------------------------------------------------------------------------
def read(*pieces: str) -> tuple[list[object], str]:
    found: list[object] = []
    said: list[str] = []
    frames = Frames(found.append, said.append)
    for piece in pieces:
        frames.write(piece)
    frames.close()
    return found, "\n".join(said).rstrip("\n")


def test_a_frame_may_come_in_two_pieces_cut_anywhere() -> None:
    text = f"before\n{framed({'uuid': NUMBER})}inside\n{framed({})}after"

    for at in range(len(text) + 1):
        assert read(text[:at], text[at:]) == ([{"uuid": NUMBER}, {}], "before\ninside\nafter"), at
    assert read(*text) == ([{"uuid": NUMBER}, {}], "before\ninside\nafter")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("no frame at all", []),
        ("\x1b[K", []),
        ("\x1b[K\x1b[K\x1b[K" + framed({}), [{}]),
        ("\x1b[KQUJD\x1b[4D\n" + framed({}), [{}]),
        ("\x1b[KQUJD\x1b[4D" + framed({}), [None]),
        ("\x1b[K!!!!\x1b[4D\x1b[K", []),
        ("\x1b[K====\x1b[4D\x1b[K", [None]),
        (framed([1]), [[1]]),
        (framed("text"), ["text"]),
        (framed(7), [7]),
        (framed({"uuid": NUMBER, "event": "x" * 9_000}), [None]),
        ("\x1b[K" + "QUJD" * 20_000 + "\x1b[80000D\x1b[K", [None]),
        ("\x1b[K" + base64.b64encode(b"[" * 2_000).decode() + "\x1b[9D\x1b[K", [None]),
    ],
    ids=[
        "none",
        "a mark alone",
        "marks before one",
        "begun and not ended",
        "begun, and ended by the next one",
        "no base64",
        "base64 of nothing",
        "a list",
        "a text",
        "a number",
        "a whole event",
        "one long piece",
        "deep",
    ],
)
@pytest.mark.parametrize("size", [1, 7, 2000, 1_000_000])
def test_what_is_no_frame_of_the_callbacks_is_text_or_carries_none(
    text: str, found: list[object], size: int
) -> None:
    pieces = [text[at : at + size] for at in range(0, len(text), size)]

    assert read(*pieces)[0] == found


# --- files -----------------------------------------------------------------------------------------------------------
def _link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def _hard_link(path: Path) -> None:
    os.link(path, path.with_name("second name"))


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _cut_off(path: Path) -> None:
    path.write_text(path.read_text()[:-3])


def _other_number(path: Path) -> None:
    path.write_text(path.read_text().replace(NUMBER, OTHER))


def _no_mapping(path: Path) -> None:
    path.write_text(f'["{NUMBER}"]')


def _deep(path: Path) -> None:
    path.write_text("[" * 200_000)


def _bytes(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00")


def _foreign(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(path, 65534, 65534)


@pytest.mark.parametrize(
    "spoil",
    [
        Path.unlink,
        _link,
        _hard_link,
        _pipe,
        _folder,
        _cut_off,
        _other_number,
        _no_mapping,
        _deep,
        _bytes,
        _foreign,
    ],
)
def test_a_file_that_the_callback_did_not_write_so_is_refused(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    write(tmp_path, "playbook_on_stats", processed={"web1": 1})
    assert read_event(tmp_path, NUMBER) is not None
    spoil(tmp_path / f"{NUMBER}-partial.json")
    listening, heard = ears(tmp_path)

    listening.hear(NUMBER)

    assert read_event(tmp_path, NUMBER) is None
    assert [call[0] for call in heard.calls] == ["refused"]
    assert not listening.complete
    assert listening.error is None


@pytest.mark.parametrize(
    "number",
    [
        None,
        7,
        [],
        {},
        "",
        "7",
        NUMBER.upper(),
        f"../{NUMBER}",
        f"{NUMBER}\0",
        f"{NUMBER}\n",
        f"{NUMBER}_x",
        f" {NUMBER}",
        "x" * 100_000,
    ],
)
def test_a_number_of_another_form_is_refused_and_no_file_is_opened(
    tmp_path: Path, number: object
) -> None:
    write(tmp_path, "playbook_on_stats")
    listening, heard = ears(tmp_path / "folder")

    listening.framed({"uuid": number} if number is not None else 7)

    assert heard.calls == [("refused", "", "an event without its number")]
    assert listening.error is None


def test_a_play_that_comes_again_has_a_number_behind_its_own(tmp_path: Path) -> None:
    write(tmp_path, "playbook_on_play_start", f"{NUMBER}_2")
    listening, heard = ears(tmp_path)

    listening.hear(f"{NUMBER}_2")

    assert heard.calls == []


def test_what_counts_is_the_file_and_it_counts_once(tmp_path: Path) -> None:
    heard = Heard()
    heard.is_written = False
    listening = Ears(heard, tmp_path)
    write(tmp_path, "runner_on_ok", host="web1", res={"upkeep": {"a": 1}}, **OBSERVE)
    forged = {"uuid": NUMBER, "event": "runner_on_ok", "event_data": {"host": "db1"}}

    reader = listening.frames()
    reader.write(framed(forged) + framed({"uuid": NUMBER}) + framed({}))
    heard.is_written = True
    listening.sweep()

    assert heard.calls == [("gave", "web1", {"a": 1})]


def test_files_stay_until_all_is_written_down_and_then_go(tmp_path: Path) -> None:
    listening, heard = ears(tmp_path)
    heard.is_written = False
    write(tmp_path, "runner_on_start", host="web1", **OBSERVE)

    listening.hear(NUMBER)
    kept = list(tmp_path.iterdir())
    heard.is_written = True
    write(tmp_path, "runner_on_ok", OTHER, host="web1", res={"upkeep": {}}, **OBSERVE)
    listening.hear(OTHER)

    assert len(kept) == 1
    assert list(tmp_path.iterdir()) == []


def test_what_nothing_announced_is_taken_in_at_the_end_oldest_first(tmp_path: Path) -> None:
    write(tmp_path, "runner_on_ok", NUMBER, host="web2", res={"upkeep": {}}, **OBSERVE)
    write(tmp_path, "runner_on_ok", OTHER, host="web1", res={"upkeep": {}}, **OBSERVE)
    os.utime(tmp_path / f"{OTHER}-partial.json", (1, 1))
    (tmp_path / "bad-partial.json").write_text("{}")
    listening, heard = ears(tmp_path)

    listening.sweep()

    assert [call[:2] for call in heard.calls if call[0] == "gave"] == [
        ("gave", "web1"),
        ("gave", "web2"),
    ]
    assert listening.error is None


# --- which results count ---------------------------------------------------------------------------------------------
UPKEEP = {"version": 1, "host": "db1"}
DELEGATED = {"ansible_delegated_host": "web2", "ansible_connection": "ssh"}


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        ("runner_on_ok", OBSERVE | {"res": {"upkeep": UPKEEP}}, ["gave"]),
        ("runner_on_failed", OBSERVE | {"res": {"upkeep": UPKEEP, "msg": "m"}}, ["gave"]),
        ("runner_on_unreachable", OBSERVE | {"res": {"upkeep": UPKEEP}}, ["gave"]),
        (
            "runner_on_ok",
            OBSERVE | {"res": {"results": [{"upkeep": UPKEEP}, {"upkeep": UPKEEP}]}},
            ["gave", "gave"],
        ),
        ("runner_on_ok", OBSERVE | {"res": {}}, ["failed"]),
        ("runner_on_ok", OBSERVE | {"res": {"censored": "no_log"}}, ["failed"]),
        ("runner_on_ok", OBSERVE | {"res": {"upkeep": []}}, ["failed"]),
        ("runner_on_ok", OBSERVE, ["failed"]),
        ("runner_on_ok", OBSERVE | {"res": "text"}, ["failed"]),
        ("runner_on_failed", OBSERVE | {"res": {"msg": "wrong entry"}}, ["failed"]),
        ("runner_on_unreachable", OBSERVE | {"res": {"msg": "gone"}}, ["lost"]),
        ("runner_on_ok", JOB | {"res": {"upkeep": UPKEEP}}, ["refused"]),
        ("runner_on_ok", JOB | {"res": {"results": [{"upkeep": UPKEEP}]}}, ["refused"]),
        (
            "runner_on_ok",
            JOB | {"res": {"upkeep": UPKEEP, "changed": True}},
            ["refused", "changed"],
        ),
        ("runner_on_failed", JOB | {"res": {"upkeep": UPKEEP}}, ["refused", "failed"]),
        ("runner_on_unreachable", JOB | {"res": {"upkeep": UPKEEP}}, ["refused", "lost"]),
        (
            "runner_on_ok",
            {"task_action": "astral.upkeep.observe", "res": {"upkeep": UPKEEP}},
            ["refused"],
        ),
        (
            "runner_on_ok",
            OBSERVE | {"resolved_action": None, "res": {"upkeep": UPKEEP}},
            ["refused"],
        ),
        (
            "runner_on_ok",
            OBSERVE | {"resolved_action": ["astral.upkeep.observe"], "res": {"upkeep": UPKEEP}},
            ["refused"],
        ),
        (
            "runner_on_ok",
            OBSERVE | {"resolved_action": "evil.upkeep.observe", "res": {"upkeep": UPKEEP}},
            ["refused"],
        ),
        ("runner_on_ok", GATE | {"res": {"open": False, "why": "isolated"}}, ["left_out"]),
        ("runner_on_ok", GATE | {"res": {"open": True, "why": ""}}, []),
        ("runner_on_ok", GATE | {"res": {"open": 0, "why": "isolated"}}, []),
        ("runner_on_ok", GATE | {"res": {}}, []),
        ("runner_on_failed", GATE | {"res": {"open": False, "msg": "no Python"}}, ["failed"]),
        ("runner_on_ok", JOB | {"res": {"open": False, "why": "isolated"}}, []),
        ("runner_item_on_ok", OBSERVE | {"res": {"upkeep": UPKEEP}}, []),
        ("runner_on_async_ok", OBSERVE | {"res": {"upkeep": UPKEEP}}, []),
        ("verbose", OBSERVE | {"res": {"upkeep": UPKEEP}}, []),
        ("runner_on_skipped", OBSERVE | {"res": {"upkeep": UPKEEP}}, []),
        (
            "runner_on_ok",
            OBSERVE | {"res": {"upkeep": UPKEEP, "_ansible_delegated_vars": DELEGATED}},
            ["refused", "failed"],
        ),
        (
            "runner_on_ok",
            OBSERVE
            | {"res": {"upkeep": UPKEEP, "_ansible_delegated_vars": {"ansible_host": "10.0.0.2"}}},
            ["refused", "failed"],
        ),
        (
            "runner_on_ok",
            OBSERVE | {"res": {"upkeep": UPKEEP, "_ansible_delegated_vars": 7}},
            ["refused", "failed"],
        ),
        (
            "runner_on_ok",
            OBSERVE
            | {
                "res": {
                    "upkeep": UPKEEP,
                    "_ansible_delegated_vars": DELEGATED | {"ansible_delegated_host": "web1"},
                }
            },
            ["gave"],
        ),
        (
            "runner_on_ok",
            OBSERVE
            | {
                "remote_addr": "10.0.0.1",
                "res": {"upkeep": UPKEEP, "_ansible_delegated_vars": {"ansible_host": "10.0.0.1"}},
            },
            ["gave"],
        ),
    ],
)
def test_only_what_observe_gave_of_the_host_itself_counts(
    tmp_path: Path, kind: str, data: dict[str, Any], expected: list[str]
) -> None:
    write(tmp_path, kind, host="web1", **data)
    listening, heard = ears(tmp_path)

    listening.hear(NUMBER)

    assert [call[0] for call in heard.calls] == expected
    assert {call[1] for call in heard.calls} <= {"web1"}
    assert listening.error is None


@pytest.mark.parametrize("host", [[], {}, None, "", 7, True, ["web1"]], ids=str)
def test_an_event_of_a_task_without_a_host_is_refused(tmp_path: Path, host: Any) -> None:
    write(tmp_path, "runner_on_ok", host=host, res={"upkeep": UPKEEP}, **OBSERVE)
    listening, heard = ears(tmp_path)

    listening.hear(NUMBER)

    assert heard.calls == [("refused", "", "an event of a task without a host")]


@pytest.mark.parametrize("host", ["controller", "(site)"])
@pytest.mark.parametrize("kind", ["runner_on_start", "runner_on_ok", "runner_on_unreachable"])
def test_nothing_is_taken_of_a_host_with_our_own_name(tmp_path: Path, kind: str, host: str) -> None:
    write(tmp_path, kind, host=host, res={"upkeep": UPKEEP}, **OBSERVE)
    listening, heard = ears(tmp_path)

    listening.hear(NUMBER)

    assert heard.calls == [("misnamed", OWN_NAME)]
    assert listening.begun == set()


@pytest.mark.parametrize(
    "content",
    [
        None,
        7,
        "text",
        [],
        {},
        {"event": []},
        {"event_data": 7},
        {"event": "x", "event_data": {"res": [1]}},
    ],
    ids=str,
)
def test_an_event_of_wrong_types_is_none(content: object) -> None:
    assert event_of(content) in (RunEvent(""), RunEvent("x"))


# --- whom a refusal is told of ---------------------------------------------------------------------------------------
def test_a_frame_within_what_ansible_tells_of_a_host_is_that_hosts(tmp_path: Path) -> None:
    write(tmp_path, "runner_on_ok", host="web1", res={}, **JOB)
    listening, heard = ears(tmp_path)
    listening.open = {"web1": "a", "web2": "b"}
    lie = {"uuid": OTHER, "event": "runner_on_ok", "event_data": {"host": "db1"}}

    reader = listening.frames()
    reader.write(f"{framed({'uuid': NUMBER})}ok: {framed(lie)} and so on\n{framed({})}")

    assert heard.calls == [("refused", "web1", "an event that Ansible did not write")]


@pytest.mark.parametrize(
    ("in_work", "host"),
    [(["web1"], "web1"), (["web1", "web2"], ""), ([], ""), (["controller"], "")],
    ids=["one", "two", "none", "our own"],
)
def test_a_frame_elsewhere_is_that_of_the_only_host_in_work(
    tmp_path: Path, in_work: list[str], host: str
) -> None:
    listening, heard = ears(tmp_path)
    listening.open = dict.fromkeys(in_work, "a")

    listening.frames().write(framed({"uuid": OTHER}))

    assert [call[:2] for call in heard.calls] == [("refused", host)]


# --- how it ends -----------------------------------------------------------------------------------------------------
def test_text_decides_nothing(tmp_path: Path) -> None:
    listening, heard = ears(tmp_path)
    says = "ERROR! Specified hosts and/or --limit leaves us with no hosts to target"

    reader = listening.frames()
    reader.write(f"\x1b[0;31m{says}\x1b[0m\n" + "more\n" * 50 + "x" * 10_000 + "\n")
    reader.close()

    assert not listening.no_hosts
    assert len(listening.lines) == events.LAST_LINES
    assert max(map(len, listening.lines)) <= events.LINE_CHARACTERS
    assert heard.calls == []


@pytest.mark.parametrize(
    ("kinds", "no_hosts"),
    [
        (["playbook_on_no_hosts_matched"], True),
        (["playbook_on_no_hosts_matched", "playbook_on_stats"], True),
        (["runner_on_start", "playbook_on_no_hosts_matched"], False),
        (["playbook_on_stats"], False),
    ],
    ids=["none matched", "and the end", "only a later play", "only the end"],
)
def test_that_no_host_matched_is_said_by_the_callback(
    tmp_path: Path, kinds: list[str], no_hosts: bool
) -> None:
    listening, _heard = ears(tmp_path)
    for index, kind in enumerate(kinds):
        number = f"{NUMBER[:-1]}{index}"
        write(tmp_path, kind, number, host="web1", **JOB)
        listening.hear(number)

    assert listening.no_hosts is no_hosts


@pytest.mark.parametrize(
    ("told", "is_open", "silent"),
    [
        (["runner_on_start"], True, False),
        (["runner_on_start", "runner_on_ok"], False, False),
        (["runner_on_start", "runner_on_failed"], False, False),
        (["runner_on_start", "runner_on_unreachable"], False, False),
        (["runner_on_start", "runner_on_skipped"], False, False),
        (["runner_on_start", "runner_on_ok", "runner_on_start"], True, False),
        (["runner_on_start", "runner_item_on_ok"], True, False),
        ([], False, True),
    ],
    ids=["began", "ok", "failed", "unreachable", "skipped", "again", "an item", "nothing"],
)
def test_a_host_that_began_and_did_not_end_is_known(
    tmp_path: Path, told: list[str], is_open: bool, silent: bool
) -> None:
    listening, _heard = ears(tmp_path)
    for index, kind in enumerate([*told, "playbook_on_stats"]):
        number = f"{NUMBER[:-1]}{index}"
        write(tmp_path, kind, number, host="web1", processed={"web1": 1}, **JOB)
        listening.hear(number)

    assert ("web1" in listening.open) is is_open
    assert ("web1" in listening.silent) is silent
    assert listening.complete


def test_an_answer_that_cannot_be_taken_in_costs_its_host(tmp_path: Path) -> None:
    listening, heard = ears(tmp_path)
    heard.raises = RuntimeError("a fault of ours")
    write(tmp_path, "runner_on_ok", host="web1", res={"upkeep": UPKEEP}, **OBSERVE)

    listening.hear(NUMBER)

    assert listening.error is None
    assert heard.calls[0][:2] == ("failed", "web1")
    assert "a fault of ours" in heard.calls[0][2]


@pytest.mark.parametrize("error", [StoreError("no store"), OSError("no space")], ids=str)
def test_a_store_that_fails_is_told_when_ansible_has_come_down(
    tmp_path: Path, error: Exception
) -> None:
    listening, heard = ears(tmp_path)
    heard.raises = error
    write(tmp_path, "runner_on_ok", host="web1", res={"upkeep": UPKEEP}, **OBSERVE)

    listening.hear(NUMBER)

    assert listening.error is error
    assert list(tmp_path.iterdir()) != []


# --- texts -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("", ""),
        (" a\n b\t", "a b"),
        ({"host": "web1"}, "(dict instead of a text)"),
        (7, "(int instead of a text)"),
        ("x" * 11, "x" * 9 + "…"),
        ("x" * 10, "x" * 10),
    ],
    ids=["none", "empty", "lines", "a mapping", "a number", "too long", "just not"],
)
def test_words_are_one_bounded_line(value: object, text: str) -> None:
    assert words(value, 10) == text


@pytest.mark.parametrize(
    ("diff", "text"),
    [
        (None, ""),
        (7, ""),
        ({"after": "new"}, "new"),
        ({"prepared": "p", "after": "new"}, "p"),
        ([{"after": "a"}, 7, {"after": ["b"]}, {"after": "c"}], "a\nc"),
        ({"after": {"key": "value"}}, ""),
    ],
    ids=str,
)
def test_a_diff_is_text(diff: object, text: str) -> None:
    assert diff_text(diff) == text


def test_the_diffs_of_a_loop_are_those_of_its_items(tmp_path: Path) -> None:
    listening, heard = ears(tmp_path)
    items = [{"diff": {"after": "one\n"}}, {"changed": False}, {"diff": [{"after": "two"}]}]
    result = {"changed": True, "results": items}
    write(tmp_path, "runner_on_ok", host="web1", task="Verify", res=result)

    listening.hear(NUMBER)

    assert heard.calls == [("changed", "web1", "Verify", "one\ntwo")]


def test_a_loop_failed_because_of_its_first_item_that_did(tmp_path: Path) -> None:
    listening, heard = ears(tmp_path)
    items = [{"changed": True}, {"failed": True, "msg": "no space"}, {"failed": True, "msg": "b"}]
    result = {"failed": True, "msg": "One or more items failed", "results": items}
    write(tmp_path, "runner_on_failed", host="web1", task="Verify", res=result)

    listening.hear(NUMBER)

    assert heard.calls == [("failed", "web1", "no space")]


def test_a_diff_is_bounded_and_says_so() -> None:
    text = diff_text([{"after": "x" * 60_000}] * 5_000)

    assert len(text) < events.DIFF_CHARACTERS + 100
    assert "…" in text
    assert "5000 parts" in text


TRACEBACK = """\
Traceback (most recent call last):
  File "/usr/lib/python3.11/tempfile.py", line 362, in _get_default_tempdir
    raise FileNotFoundError(_errno.ENOENT,
FileNotFoundError: [Errno 2] No usable temporary directory found in ['/tmp', '/var/tmp', '/usr/tmp', '/']
"""
"""Recorded: log_rotate under Ansible 2.21 on a host whose file systems are read-only."""
ANSIBLES = "Module result deserialization failed: No start of json char found"


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"msg": "no such file"}, "no such file"),
        ({}, "Ansible gave no reason; what the module said may have been too long"),
        (
            {"msg": ANSIBLES, "module_stderr": TRACEBACK, "module_stdout": "", "rc": 1},
            "FileNotFoundError: [Errno 2] No usable temporary directory found in ['/tmp', '/var/tmp', '/usr/tmp', '/'];"
            f" its file systems are full or read-only: df -h; findmnt ({ANSIBLES})",
        ),
        (
            {"msg": "MODULE FAILURE: No start of json char found\nSee stdout/stderr", "module_stderr": "Killed\n"},
            "Killed (MODULE FAILURE: No start of json char found See stdout/stderr)",
        ),
        ({"msg": ANSIBLES, "module_stderr": "\n", "module_stdout": "sudo: a password is required\n"}, f"sudo: a password is required ({ANSIBLES})"),
        ({"module_stderr": "gone"}, "gone"),
        ({"msg": 7, "module_stderr": ["a", "list"]}, "(int instead of a text)"),
        ({"msg": "One or more items failed", "results": [{"msg": "no"}, 7, {"failed": True, "msg": "full"}]}, "full"),
        ({"msg": "One or more items failed", "results": [{"msg": "gone", "exception": "(none)"}]}, "gone"),
        ({"msg": "One or more items failed", "results": [{"msg": "gone", "failed": True, "_ansible_item_label": "shop\n1"}]}, "shop 1: gone"),
        ({"msg": "One or more items failed", "results": [{"msg": "gone", "failed": True, "_ansible_item_label": {"password": "x"}}]}, "gone"),
    ],
)  # fmt: skip
def test_a_module_that_gave_no_answer_fails_with_its_last_words(
    result: dict[str, Any], expected: str
) -> None:
    assert why_failed(result) == expected


def test_last_words_are_bounded() -> None:
    long = why_failed({"msg": "m" * 10**6, "module_stderr": "x" * 10**7})

    assert len(long) <= events.MESSAGE_CHARACTERS + events.LINE_CHARACTERS + 10


# --- what hosts say of their isolation -------------------------------------------------------------------------------
ACT = {"resolved_action": "astral.upkeep.isolation", "task": "Isolate the host"}


@pytest.mark.parametrize(
    ("kind", "data", "acted"),
    [
        (
            "runner_on_ok",
            {**ACT, "res": {"isolation": {"state": "none"}}},
            [({"state": "none"}, "")],
        ),
        (
            "runner_on_failed",
            {**ACT, "res": {"isolation": 3, "msg": "not isolated"}},
            [(3, "not isolated")],
        ),
        ("runner_on_failed", {**ACT, "res": {"msg": "no answer"}}, []),
        ("runner_on_ok", {**JOB, "res": {"isolation": {"state": "confirmed"}}}, []),
        (
            "runner_on_ok",
            {
                **ACT,
                "res": {
                    "isolation": {},
                    "_ansible_delegated_vars": {"ansible_delegated_host": "b"},
                },
            },
            [],
        ),
    ],
    ids=["well", "failed, whatever it is", "without a word", "another task", "of another host"],
)
def test_only_the_isolation_itself_says_how_a_host_is_isolated(
    tmp_path: Path, kind: str, data: dict[str, Any], acted: list[tuple[object, str]]
) -> None:
    write(tmp_path, kind, host="a", **data)
    those, heard = ears(tmp_path)

    those.hear(NUMBER)

    assert [call[2:] for call in heard.calls if call[0] == "acted"] == acted
