from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._names import named_at

MINUTE, HOUR, DAY = 60, 3600, 86_400


def at(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[misc, arg-type]


@pytest.fixture(scope="module", autouse=True)
def in_utc() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


WRITTEN = at(2026, 11, 25, 2, 19)
NOW = WRITTEN + 9 * HOUR

FORMATS = [
    ("%Y-%m-%d_%H-%M-%S", 1),
    ("%Y-%m-%dT%H:%M:%S", 1),
    ("%Y_%m_%d-%H_%M_%S", 1),
    ("%Y%m%d%H%M%S", 1),
    ("%Y%m%d_%H%M%S", 1),
    ("%Y%m%dT%H%M%SZ", 1),
    ("%Y.%m.%d_%H%M%S", 1),
    ("%Y%m%d-%H%M", MINUTE),
    ("%Y%m%d%H%M", MINUTE),
    ("%Y-%m-%d_%Hh%Mm", MINUTE),
    ("%d%m%Y%H%M", MINUTE),
    ("%d_%m_%Y_%H_%M_%S", 1),
    ("%d-%m-%Y-%H-%M", MINUTE),
    ("%d.%m.%Y_%H%M", MINUTE),
    ("%m.%d.%Y_%H-%M-%S", 1),
    ("%H%M%S_%d%m%Y", 1),
    ("%Hh%Mm_%Y-%m-%d", MINUTE),
    ("%H-%M-%S_%Y-%m-%d", 1),
    ("%y%m%d%H%M", MINUTE),
    ("%y%m%d-%H%M%S", 1),
    ("%d-%b-%Y_%H%M", MINUTE),
    ("%Y-%b-%d--%H%M", MINUTE),
    ("%B %d, %Y %I-%M %p", MINUTE),
    ("%a-%b-%d-%H:%M:%S-UTC-%Y", 1),
    ("%Y-%m-%dT%H:%M:%S+00:00", 1),
    ("%Y-%m-%d", DAY),
    ("%Y%m%d", DAY),
    ("%d-%m-%Y", DAY),
    ("%m%d%Y", DAY),
    ("%y%m%d", DAY),
    ("%b%d", DAY),
    ("%Y-%j", DAY),
    ("%G-W%V", 7 * DAY),
    ("%s", 1),
]


@given(
    st.sampled_from(FORMATS),
    st.integers(int(at(2020, 1, 1)), int(at(2032, 1, 1))),
    st.integers(0, HOUR),
    st.sampled_from(["{}", "shop_{}.sql.gz", "pg15-{}.dump", "app-1.2.3-{}-final.tar"]),
)
def test_every_date_written_within_an_hour_is_found_to_its_precision(
    form: tuple[str, int], taken: int, later: int, around: str
) -> None:
    pattern, precision = form
    assume(pattern != "%s" or taken < 2_000_000_000)
    moment = datetime.fromtimestamp(taken, UTC)
    said = str(taken) if pattern == "%s" else moment.strftime(pattern)

    found = named_at(around.format(said), taken + later, taken + later + HOUR)

    assert found is not None, said
    assert taken - (taken % 60 if precision == MINUTE else 0) <= found.at < taken + precision


@given(
    st.one_of(
        st.text(max_size=255),
        st.text("0123456789-_.:TZhmsU+ NovWk٣\udc80", max_size=255),
        st.from_regex(r"[0-9]{1,20}([-_.:T ]?[0-9]{1,14}){0,8}", fullmatch=True),
    ),
    st.one_of(st.none(), st.floats(-1e12, 1e12), st.floats(1e9, 2e9)),
    st.floats(1e9, 2e9),
)
def test_no_name_raises_or_says_a_time_to_come(
    name: str, written: float | None, now: float
) -> None:
    found = named_at(name, written, now)

    assert found is None or found.at <= now


def test_a_copied_backup_keeps_each_strong_date() -> None:
    for back in range(5, 900, 7):
        moment = datetime(2026, 11, 25, 2, 15, 30, tzinfo=UTC) - timedelta(days=back)
        for pattern in ("%Y-%m-%d", "%Y%m%d", "%Y_%m_%d_%H_%M_%S", "%Y%m%d%H%M%S", "%d-%b-%Y"):
            found = named_at(f"shop-{moment.strftime(pattern)}.gz", WRITTEN, NOW)

            assert found is not None
            assert 0 <= found.at - moment.timestamp() < DAY
