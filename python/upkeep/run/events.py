"""What Ansible tells of a run while it works: believed only where Ansible's own callback wrote it.

Ansible's output carries two things: text, in which stands what hosts said, and frames, each of which announces an
event. A host can print a frame. So a frame is only a bell: the event is what the callback wrote into a file of the
run's private folder before it rang, and a frame without such a file is refused, counted and told. Text decides nothing.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import stat
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from upkeep.model.answer import OWN_NAMES, why_no_host
from upkeep.model.errors import StoreError

OBSERVE = "astral.upkeep.observe"
"""The only action whose results are observations."""
ISOLATION = "astral.upkeep.isolation"
"""The only action whose results say how a host is isolated."""
GATE = "astral.upkeep.job_gate"
"""The module that says whether a job may change the host."""
EVENT_BYTES = 128 << 20
"""Over it an event is not read. What hosts send is bounded well below, before Ansible has it."""
FRAME_CHARACTERS = 4096
"""A frame of the callback's has about 100: it carries a number and nothing else."""
LAST_LINES = 12
NO_ROOM = "its file systems are full or read-only: df -h; findmnt"
LINE_CHARACTERS = 500
TASK_CHARACTERS = 300
MESSAGE_CHARACTERS = 4_000
DIFF_CHARACTERS = 100_000
DIFF_PARTS = 200
LOOP_ITEMS = 1_000

_MARK = "\x1b[K"
_FRAME = re.compile(r"\x1b\[K((?:[A-Za-z0-9+/=]+\x1b\[\d+D)+)\x1b\[K")
_BEGINNING = re.compile(
    r"\x1b\[K(?:[A-Za-z0-9+/=]+\x1b\[\d+D)*(?:[A-Za-z0-9+/=]+(?:\x1b(?:\[\d*)?)?|\x1b\[?)?"
)
_MOVES = re.compile(r"\x1b\[\d+D")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
# Plays and tasks that come again get a number behind theirs.
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?:_\d{1,6})?")
_FILE = "-partial.json"
_SPOKEN = ("verbose", "error", "warning", "deprecated", "system_warning")
_ENDS = ("runner_on_ok", "runner_on_failed", "runner_on_unreachable")


class EventListener(Protocol):
    """Who is notified. A StoreError or OSError of its methods ends the run; any other costs one host its answer."""

    def began(self, host: str) -> None:
        """Record that work on the host begins."""

    def gave(self, host: str, upkeep: Mapping[str, Any]) -> None:
        """Take in observations and verdicts, in the shape of `observed.to_json`, as this host's."""

    def lost(self, host: str, message: str) -> None:
        """Record that a task that observes nothing could not reach the host."""

    def failed(self, host: str, task: str, message: str) -> None:
        """Record that a task failed."""

    def changed(self, host: str, task: str, diff: str) -> None:
        """Record that a task changed something, or would have in check mode."""

    def acted(self, host: str, said: object, why_failed: str) -> None:
        """Take in what this host says of its isolation. why_failed: empty if its part went well."""

    def left_out(self, host: str, why: str) -> None:
        """Record that a job leaves the host as it is."""

    def refused(self, host: str, why: str) -> None:
        """Record that something was not believed. host: that was being worked on; empty if that is not known."""

    def misnamed(self, why: str) -> None:
        """Record that the inventory has a host with a name that none can have, of which nothing is taken."""

    def written(self) -> bool:
        """Return whether all that was given is written down: until then its events stay on disk."""


@dataclass(frozen=True)
class RunEvent:
    """What the driver reads of an event: wrong types are as good as absent.

    action: what the task's action was resolved to. elsewhere: the other host on which the task ran, if on another.
    processed: the hosts that Ansible counts at the end.
    """

    kind: str
    host: str = ""
    task: str = ""
    action: str = ""
    elsewhere: str = ""
    result: Mapping[str, Any] = field(default_factory=dict)
    ignored: bool = False
    processed: frozenset[str] = frozenset()


def event_of(content: object) -> RunEvent:
    """Return the event of what the callback wrote; one of the kind `` for what is none. Never raises."""
    event = _mapping(content)
    data = _mapping(event.get("event_data"))
    host, result = _text(data.get("host")), _mapping(data.get("res"))
    return RunEvent(
        kind=_text(event.get("event")),
        host=host,
        task=words(data.get("task"), TASK_CHARACTERS),
        action=_text(data.get("resolved_action")),
        elsewhere=_elsewhere(host, data, result),
        result=result,
        ignored=data.get("ignore_errors") is True,
        processed=frozenset(name for name in _mapping(data.get("processed")) if name),
    )


def _elsewhere(host: str, data: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    """Return the host to which a task was delegated, if that is another one."""
    if "_ansible_delegated_vars" not in result:
        return ""
    delegated = _mapping(result["_ansible_delegated_vars"])
    # ansible-core 2.19 tells only the address.
    name = _text(delegated.get("ansible_delegated_host")) or _text(delegated.get("ansible_host"))
    own = {host} if delegated.get("ansible_delegated_host") else {host, data.get("remote_addr")}
    return "" if name in own else name or "another host"


def words(value: object, limit: int = MESSAGE_CHARACTERS) -> str:
    """Return a text in one line and bounded; of anything else, what it is instead of a text."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return f"({type(value).__name__} instead of a text)"
    line = " ".join(value[: limit + 1].split())
    return line if len(value) <= limit else f"{line[: limit - 1]}…"


def why_failed(result: Mapping[str, Any]) -> str:
    """Return why a task failed: of a module that gave no answer, its last words before what Ansible makes of them.

    `Module result deserialization failed` says nothing; that the host's Python has found no folder to write to does.
    """
    for item in _items(result):
        if (
            item.get("failed") or "exception" in item
        ):  # of the loop, Ansible says only that items failed
            label = words(_text(item.get("_ansible_item_label")), TASK_CHARACTERS)
            why = why_failed({**item, "results": None})
            return f"{label}: {why}" if label else why
    message = words(result.get("msg"))
    for key in ("module_stderr", "module_stdout"):
        lines = _text(result.get(key))[-MESSAGE_CHARACTERS:].rstrip().splitlines()
        if lines:
            last = words(lines[-1], LINE_CHARACTERS)
            hint = f"; {NO_ROOM}" if "No usable temporary directory" in last else ""
            return f"{last}{hint} ({message})" if message else f"{last}{hint}"
    return message or "Ansible gave no reason; what the module said may have been too long"


def diff_text(diff: object) -> str:
    """Return what a task's `diff` says, as text, bounded."""
    parts = diff if isinstance(diff, list) else [diff]
    texts, left = [], DIFF_CHARACTERS
    for part in parts[:DIFF_PARTS]:
        known = _mapping(part)
        text = (_text(known.get("prepared")) or _text(known.get("after"))).rstrip("\n")
        if text and left > 0:
            texts.append(text if len(text) <= left else f"{text[: left - 1]}…")
            left -= len(text)
    if len(parts) > DIFF_PARTS:
        texts.append(f"… ({len(parts)} parts, {DIFF_PARTS} shown)")
    return "\n".join(texts)


def read_event(folder: Path, uuid: str) -> object | None:
    """Return what the callback wrote under this number; None if there is no such file, or it is not to be believed.

    A file of ours: no link, of one name, of this account, and whole.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        file = os.open(folder / f"{uuid}{_FILE}", flags)
    except OSError:
        return None
    try:
        known = os.fstat(file)
        ours = stat.S_ISREG(known.st_mode) and known.st_uid == os.geteuid() and known.st_nlink == 1
        if not ours or known.st_size > EVENT_BYTES:
            return None
        with open(file, "rb", closefd=False) as stream:
            found = json.loads(stream.read())
    except (OSError, ValueError, RecursionError):
        return None
    finally:
        os.close(file)
    return found if _mapping(found).get("uuid") == uuid else None


class Frames:
    """Reads Ansible's output in place of ansible-runner's own reader, which takes whole events out of it."""

    def __init__(self, framed: Callable[[object], None], said: Callable[[str], None]) -> None:
        """Tell `framed` what each frame carries, None if that cannot be read; `said`, each line of text."""
        self.framed = framed
        self.said = said
        self.rest = ""
        self.line = ""

    def write(self, data: str) -> None:
        """Take in a piece of output; a frame may come in several."""
        text, at = self.rest + data, 0
        while (found := text.find(_MARK, at)) >= 0:
            self._say(text[at:found])
            at = found
            frame = _FRAME.match(text, at)
            if frame:
                self.framed(_carried(frame.group(1)))
                at = frame.end()
                continue
            begun = _BEGINNING.match(text, at)
            if begun and begun.end() == len(text) and len(text) - at < FRAME_CHARACTERS:
                self.rest = text[at:]
                return
            if len(text) - at >= FRAME_CHARACTERS and begun and len(begun[0]) >= FRAME_CHARACTERS:
                self.framed(None)
            at += len(_MARK)
        # The mark itself may be cut in two.
        kept = next((n for n in (2, 1) if text[at:].endswith(_MARK[:n])), 0)
        self._say(text[at : len(text) - kept])
        self.rest = text[len(text) - kept :]

    def flush(self) -> None:
        """Do nothing: nothing is passed on."""

    def close(self) -> None:
        """Take what is left for text."""
        self._say(self.rest + "\n")
        self.rest = ""

    def _say(self, text: str) -> None:
        *lines, self.line = (self.line + text).split("\n")
        for line in lines:
            self.said(line)
        self.line = self.line[:LINE_CHARACTERS]


def _carried(encoded: str) -> object:
    """Return what a frame carries; None for what the callback does not write."""
    if len(encoded) > FRAME_CHARACTERS:
        return None
    try:
        return json.loads(base64.b64decode(_MOVES.sub("", encoded)))
    except (ValueError, RecursionError):
        return None


class Ears:
    """Turns the events of a run into calls of the listener.

    lines: what Ansible said last outside of its tasks. The other attributes are explained at runner.Ended.
    """

    def __init__(self, listener: EventListener, folder: Path) -> None:
        self.listener = listener
        self.folder = folder
        self.lines: deque[str] = deque(maxlen=LAST_LINES)
        self.complete = self.started = self.unmatched = False
        self.begun: set[str] = set()
        self.ended: set[str] = set()
        self.touched: set[str] = set()
        self.open: dict[str, str] = {}
        self.processed: frozenset[str] = frozenset()
        self.error: Exception | None = None
        self._taken: set[str] = set()
        self._unwritten: list[Path] = []
        self._current: RunEvent | None = None

    @property
    def no_hosts(self) -> bool:
        """Whether Ansible says that no play has a host."""
        return self.unmatched and not self.begun and not self.processed

    @property
    def silent(self) -> frozenset[str]:
        """The hosts that Ansible counts and of which it told nothing."""
        return self.processed - self.ended - self.open.keys() - OWN_NAMES

    def frames(self) -> Frames:
        """Return a reader of Ansible's output that these ears hear."""
        return Frames(self.framed, self.said)

    def framed(self, carried: object) -> None:
        """Take in what a frame carries: `{}` ends an event, a number announces one."""
        if carried == {}:
            self._current = None
            return
        uuid = _mapping(carried).get("uuid")
        self.hear(uuid)

    def said(self, line: str) -> None:
        """Keep what Ansible says outside of its tasks, for people; nothing is decided by it."""
        if self._current is None or self._current.kind in _SPOKEN:
            text = words(_COLOURS.sub("", line[: 2 * LINE_CHARACTERS]), LINE_CHARACTERS)
            if text:
                self.lines.append(text)

    def hear(self, uuid: object) -> None:
        """Take in the event with this number, once; never raises: what is wrong is counted, and told at the end."""
        try:
            self._hear(uuid)
        except Exception as exc:  # raised again when Ansible has come down
            self.error = self.error or exc

    def sweep(self) -> None:
        """Take in what the callback wrote and nothing announced, oldest first: nothing is lost with the text."""
        found = []
        with contextlib.suppress(OSError):
            for path in self.folder.glob(f"*{_FILE}"):
                with contextlib.suppress(OSError):
                    found.append((path.lstat().st_mtime_ns, path.name.removesuffix(_FILE)))
        for _written, uuid in sorted(found):
            self.hear(uuid)

    def _hear(self, uuid: object) -> None:
        if not isinstance(uuid, str) or not _UUID.fullmatch(uuid):
            self._refuse("an event without its number")
            return
        if uuid in self._taken:
            return
        content = read_event(self.folder, uuid)
        if content is None:
            self._refuse("an event that Ansible did not write")
            return
        self._taken.add(uuid)
        event = event_of(content)
        self._current = event
        if self.error is None:
            self._take_safely(event)
        self._unwritten.append(self.folder / f"{uuid}{_FILE}")
        if self.error is None and self.listener.written():
            for path in self._unwritten:
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)
            self._unwritten.clear()

    def _take_safely(self, event: RunEvent) -> None:
        """Take the event in; what cannot be taken in costs its host, and no other."""
        try:
            self._take(event)
        except (StoreError, OSError):
            raise
        except Exception as exc:
            why = words(f"its results could not be read: {exc!r}", LINE_CHARACTERS)
            self.listener.failed(event.host, event.task, why)

    def _take(self, event: RunEvent) -> None:
        if why := why_no_host(event.host):
            self.listener.misnamed(why)
            return
        if event.kind == "runner_on_start" and event.host:
            self._began(event)
        elif event.kind in _ENDS and event.host:
            self._ended(event.host)
            self._task_done(event)
        elif event.kind == "runner_on_skipped" and event.host:
            self._ended(event.host)
        elif event.kind.startswith("runner_on_") and not event.host:
            self._refuse("an event of a task without a host")
        elif event.kind == "playbook_on_start":
            self.started = True
        elif event.kind == "playbook_on_no_hosts_matched":
            self.unmatched = True
        elif event.kind == "playbook_on_stats":
            self.complete, self.processed = True, event.processed

    def _began(self, event: RunEvent) -> None:
        self.open[event.host] = event.task
        if event.action != OBSERVE:
            self.touched.add(event.host)
        if event.host not in self.begun:
            self.begun.add(event.host)
            self.listener.began(event.host)

    def _ended(self, host: str) -> None:
        self.open.pop(host, None)
        self.ended.add(host)

    def _task_done(self, event: RunEvent) -> None:
        host, result = event.host, event.result
        given = list(_given(result))
        if event.action != OBSERVE:
            if given:
                self.listener.refused(host, "results from a task that is not observe")
            self._act_done(event)
            self._job_done(event)
        elif event.elsewhere:
            why = (
                f"observe ran on {words(event.elsewhere, LINE_CHARACTERS)} instead: its results "
                "are not used"
            )
            self.listener.refused(host, why)
            self.listener.failed(host, event.task, why)
        elif given:
            for one in given:
                self.listener.gave(host, one)
        elif event.kind == "runner_on_ok":
            self.listener.failed(host, event.task, "observe returned no results")
        else:
            self._job_done(event)

    def _act_done(self, event: RunEvent) -> None:
        """Tell how a host is isolated: by the action itself, and on that very host."""
        if event.action != ISOLATION or event.elsewhere or "isolation" not in event.result:
            return
        bad = event.kind != "runner_on_ok"
        why = why_failed(event.result) if bad else ""
        self.listener.acted(event.host, event.result["isolation"], why)

    def _job_done(self, event: RunEvent) -> None:
        message = why_failed(_failed_item(event.result))
        if event.kind == "runner_on_unreachable":
            self.listener.lost(event.host, message)
        elif event.kind == "runner_on_failed" and not event.ignored:
            self.listener.failed(event.host, event.task, message)
        elif event.action == GATE and event.result.get("open") is False:
            self.listener.left_out(event.host, words(event.result.get("why")))
        elif event.result.get("changed"):
            self.listener.changed(event.host, event.task, diff_text(_diff(event.result)))

    def _refuse(self, why: str) -> None:
        """Report what was refused, and of which host: that whose event is being told, or the only one in work."""
        current = self._current.host if self._current else ""
        host = current or (next(iter(self.open)) if len(self.open) == 1 else "")
        self.listener.refused("" if host in OWN_NAMES else host, why)


def _failed_item(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the first result of a loop's items that failed: the task's own says only that one has. Else the task's."""
    items = result.get("results")
    loop = items[:LOOP_ITEMS] if isinstance(items, list) else ()
    return next((one for one in map(_mapping, loop) if one.get("failed") is True), result)


def _diff(result: Mapping[str, Any]) -> object:
    """Return a task's `diff`, or those of a loop's items."""
    if "diff" in result:
        return result["diff"]
    diffs = [item.get("diff") for item in _items(result)]
    return [part for one in diffs for part in (one if isinstance(one, list) else [one])]


def _given(result: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield what stands under `upkeep` in a task's result, or in those of a loop's items."""
    for one in (result, *_items(result)):
        upkeep = one.get("upkeep")
        if isinstance(upkeep, Mapping):
            yield upkeep


def _items(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what a loop's items gave; nothing if the task has no loop."""
    items = result.get("results")
    return [_mapping(one) for one in items[:LOOP_ITEMS]] if isinstance(items, list) else []


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
