"""Whatever comes back from a host: a verdict for every check that is due, nothing raised, and it can be stored."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import oldest
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from store_samples import begun

from ansible_collections.astral.upkeep.plugins.action import observe
from ansible_collections.astral.upkeep.plugins.module_utils.host.program import framed, mark
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from ansible_collections.astral.upkeep.plugins.plugin_utils import bounds, transport
from upkeep.judging.check import Check
from upkeep.judging.judge import EVERYTHING
from upkeep.model.answer import Due, Observed, Outcome, Request, from_json, to_json
from upkeep.model.verdicts import Measure, Status, Verdict, passed
from upkeep.store import Store, open_store, runs
from upkeep.store.answers import add_host

NOW = datetime(2026, 11, 1, 3, 0, tzinfo=UTC)
NONCE = "0123456789abcdef" * 2
SECRET = "hunter22"


@dataclass(frozen=True)
class Limits:
    """most: of nothing."""

    most: int = 5


def trusting(seen: Observation, _params: Limits, _now: datetime) -> Verdict | None:
    """Judge as carelessly as a check may: whatever the host gave goes into text and measures."""
    value = seen.data.get("value", 1)
    if value is None:
        return None
    name = str(seen.data.get("name", "value"))
    return passed(f"{value} of {seen.subject} {seen.raw[:50]}", Measure(name, value))


CHECKS = {
    name: Check(
        title=name,
        trouble=name,
        gather=gather,
        since="0.1.0",
        limits=Limits(),
        judge=trusting,
        source="test",
        remedy="look",
        id=name,
    )
    for name, gather in (("one", "clock"), ("two", "clock"), ("three", "reboot"))
}
REQUESTS = (Request("clock", {}), Request("reboot", {}))
DUE = (Due("one", 0, {}), Due("two", 0, {}), Due("three", 1, {}))


STORES: list[Store] = []


@pytest.fixture(autouse=True, scope="module")
def only_these_checks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('any')}/upkeep.db")
    STORES.append(store)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(observe, "load", lambda: CHECKS)
        yield
    STORES.remove(store)
    store.close()


def take(output: str, error: str = "", status: int = 0) -> Observed:
    hidden = (SECRET,)
    given = {"stdout": output, "stderr": error, "rc": status}
    clean = partial(observe.clean, hidden)
    carried = transport._read(given, NONCE, "", clean, time.monotonic())
    (own,) = observe.taken(carried, "web1", DUE, REQUESTS, hidden, NOW)
    return own


def check(observed: Observed) -> None:
    """See that nothing is missing, nothing is hidden that is not, and that it comes back as it went."""
    text = json.dumps(to_json(observed), allow_nan=False)
    text.encode("ascii")
    json.dumps(to_json(observed), ensure_ascii=False).encode("utf-8")
    taken = from_json(json.loads(text), observed.host)
    assert taken == observed
    with STORES[0].begin() as db:
        run_id = runs.start(db, begun())
        assert add_host(db, run_id, taken)
        (host,) = runs.hosts(db, run_id)
    assert (host.host, host.outcome) == (observed.host, observed.outcome)
    assert SECRET not in text
    assert observed.message.isprintable()
    if observed.outcome is not Outcome.OK:
        assert {one.check for one in observed.results} >= {"one", "two", "three"}
        assert all(one.status is not Status.PASS for one in observed.results)


def refused(line: bytes) -> bool:
    """Return whether a part is none that can be judged."""
    try:
        return bool(bounds.part(line.decode("ascii"), 600_000)["error"])
    except bounds.BoundsError:
        return True


TEXTS = st.text(
    alphabet=st.one_of(
        st.characters(), st.characters(categories=["Cs"]), st.sampled_from('\n\r\x1b"\\{}[]: h')
    ),
    max_size=60,
) | st.sampled_from([SECRET, f"a {SECRET} b", "x" * 5000, mark(NONCE, "end"), "upkeep:no-python"])
NUMBERS = st.one_of(
    st.integers(),
    st.floats(),
    st.sampled_from([10**30, -(10**400), 1e308, 2**64 - 1, float("inf"), True]),
)
JSON: Any = st.recursive(
    st.none() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=30,
)
NAMED = st.fixed_dictionaries({}, optional={"value": JSON, "name": JSON})
OBSERVATIONS = st.fixed_dictionaries(
    {},
    optional={
        "subject": TEXTS | JSON,
        "data": NAMED | JSON,
        "raw": TEXTS | JSON,
        "raw_base64": st.sampled_from(["/w==", "aHVudGVyMjI=", "?"]) | JSON,
        "error": TEXTS | JSON,
    },
)
PARTS = st.fixed_dictionaries(
    {"observations": st.lists(OBSERVATIONS, max_size=4) | JSON},
    optional={"error": st.just("") | TEXTS | JSON},
)
GOOD = st.fixed_dictionaries(
    {
        "observations": st.lists(
            st.fixed_dictionaries({"subject": TEXTS, "data": NAMED, "raw": TEXTS}), max_size=4
        ),
        "error": st.just(""),
    }
)
LINES = (PARTS | GOOD | JSON).map(lambda value: json.dumps(value).encode("ascii"))
HEADS = st.fixed_dictionaries({}, optional={"python": JSON, "clock": JSON}).map(
    lambda value: json.dumps(value).encode("ascii")
)
NESTED = st.builds(
    lambda depth, shape: (
        b'{"observations": [{"subject": "a", "data": {"value": '
        + shape[0] * depth
        + b"1"
        + shape[1] * depth
        + b"}}]}"
    ),
    st.integers(0, 100_000),
    st.sampled_from([(b"[", b"]"), (b'{"a":', b"}")]),
)
WHATEVER = settings(
    max_examples=oldest.examples(50), deadline=None, suppress_health_check=list(HealthCheck)
)


@WHATEVER
@given(st.binary(max_size=2000), st.binary(max_size=500))
def test_any_bytes(output: bytes, error: bytes) -> None:
    check(take(output.decode("utf-8", "surrogateescape"), error.decode("utf-8", "surrogateescape")))


@WHATEVER
@given(st.lists(st.binary(max_size=300), max_size=5))
def test_any_bytes_in_a_frame(lines: list[bytes]) -> None:
    check(take(framed(NONCE, lines).decode("utf-8", "surrogateescape")))


@WHATEVER
@given(HEADS, st.lists(LINES | NESTED, min_size=2, max_size=2), TEXTS)
@example(b"{}", [b'{"observations": []}'] * 2, "")
def test_any_json_in_a_frame(head: bytes, parts: list[bytes], around: str) -> None:
    output = around + framed(NONCE, [head, *parts]).decode("ascii") + around

    observed = take(output, around)

    check(observed)
    all_unknown = {one.check for one in observed.results if one.subject == EVERYTHING}
    for item in DUE:
        if refused(parts[item.request]):
            assert item.check in all_unknown


@WHATEVER
@given(st.lists(LINES, max_size=4), st.data())
def test_any_cut_of_a_frame(lines: list[bytes], data: st.DataObject) -> None:
    frame = framed(NONCE, [b"{}", *lines]).decode("ascii")
    begin = data.draw(st.integers(0, len(frame)))
    end = data.draw(st.integers(begin, len(frame)))

    check(take(frame[:begin] + frame[end:]))


@WHATEVER
@given(GOOD, NESTED | LINES)
def test_one_part_never_costs_another(good: dict[str, Any], other: bytes) -> None:
    line = json.dumps(good).encode("ascii")
    alone = take(framed(NONCE, [b"{}", line, line]).decode("ascii"))
    beside = take(framed(NONCE, [b"{}", line, other]).decode("ascii"))

    def of_clock(observed: Observed) -> list[tuple[str, str, str]]:
        return [
            (one.check, one.subject, one.message)
            for one in observed.results
            if one.check != "three"
        ]

    assert beside.outcome is Outcome.OK
    assert of_clock(beside) == of_clock(alone)
