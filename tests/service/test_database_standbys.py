"""A primary and its standby, of two versions: who follows, who does not; and a page that the disk has changed."""

from __future__ import annotations

import importlib
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import left_behind
import psycopg
import pytest
from patience import eventually
from service.majors import CLERK, MONITOR, MajorServer, own_server
from verdicts import verdict_of

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases import (
    database_activity,
    database_objects,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.model.remedies import command_of
from upkeep.model.verdicts import Severity, Status, Verdict

NOW = datetime(2026, 11, 27, tzinfo=UTC)
FOLLOWER = "follower"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="std", dir="/tmp"))
    left_behind.remove_at_the_end(made)
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module", params=[13, 18])
def primary(request: pytest.FixtureRequest, folder: Path) -> Iterator[MajorServer]:
    made = own_server(request.param, folder / f"p{request.param}")
    yield made
    if (made.home / "data/postmaster.pid").exists():
        made.stop()


@pytest.fixture(scope="module")
def standby(primary: MajorServer, folder: Path) -> Iterator[MajorServer]:
    made = standby_of(primary, folder / f"s{primary.major}")
    yield made
    made.stop()


def standby_of(primary: MajorServer, home: Path) -> MajorServer:
    """Start a standby, made of the primary's files while that is stopped."""
    primary.stop("fast")
    with (primary.home / "data/pg_hba.conf").open("a") as file:
        file.write("local replication all trust\n")
    shutil.copytree(primary.home / "data", home / "data")
    primary.start()
    port = primary.port  # it has another folder for its socket, and no TCP
    settings = {
        "unix_socket_directories": home,
        "listen_addresses": "",
        "primary_conninfo": f"host={primary.home} port={port} user=keeper application_name={FOLLOWER}",
        "wal_retrieve_retry_interval": "100ms",
    }
    with (home / "data/postgresql.conf").open("a") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
    (home / "data/standby.signal").touch()
    (home / "port").write_text(str(port))
    made = MajorServer(primary.major, home)
    if made.account:
        for path in (home, home / "data", *(home / "data").rglob("*")):
            shutil.chown(path, made.account)
    made.start()
    return made


def see(server: MajorServer, user: str = MONITOR) -> Observation:
    """See it through its socket."""
    declared = server.declared(user=user, address=str(server.home))
    params = {"databases": [declared], "discover": False, "timeout_seconds": 60}
    [seen] = database_activity.gather(params, Host())
    assert seen.data["connected"] is True, seen.data
    return seen


def judged(seen: Observation, check: str = "database_replication", **limits: Any) -> Verdict:
    module = importlib.import_module(f"upkeep.checks.databases.{check}")
    verdict = verdict_of(module.CHECK, seen, module.Limits(**limits), NOW)
    assert verdict is not None
    return verdict


def until(server: MajorServer, words: str, **limits: Any) -> Verdict:
    """Return the verdict that says this."""

    def said() -> Verdict | None:
        verdict = judged(see(server), **limits)
        return verdict if words in verdict.message else None

    return eventually(said, words)


def test_a_standby_follows(primary: MajorServer, standby: MajorServer) -> None:
    there = until(primary, f"{FOLLOWER} (streaming) is ")
    here = until(standby, "behind its primary at")

    assert there.status is Status.PASS
    assert here.status is Status.PASS
    assert see(standby).data["unread"].keys() == {"logins"}
    assert judged(see(primary), least_standbys=2).message.startswith(
        "1 standby follows, at least 2"
    )


def test_an_index_that_a_standby_alone_uses_is_used(
    primary: MajorServer, standby: MajorServer
) -> None:
    for statement in (
        "CREATE TABLE visit (a int, b int)",
        "INSERT INTO visit SELECT i, i FROM generate_series(1, 80000) AS i",
        "CREATE INDEX visit_a ON visit (a)",
        "CREATE INDEX visit_b ON visit (b)",
        "ANALYZE visit",
    ):
        primary.execute(statement)

    def unused(*addresses: object) -> Observation:
        standbys = [{"address": str(one), "port": primary.port} for one in addresses]
        declared = primary.declared(standbys=standbys)
        params = {
            "databases": [declared],
            "discover": False,
            "timeout_seconds": 60,
            "catalog_seconds": 60,
        }
        [seen] = database_objects.gather(params, Host())
        return seen

    def names(seen: Observation) -> list[str]:
        return [one["name"] for one in seen.data["unused_indexes"]["indexes"]]

    both = ["public.visit_a", "public.visit_b"]
    eventually(
        lambda: unused(standby.home).data["unused_indexes"]["asked"] == 1, "that it has the indexes"
    )
    assert names(unused(standby.home)) == both

    standby.execute("SET enable_seqscan = off; SELECT count(*) FROM visit WHERE a = 7")
    eventually(
        lambda: names(unused(standby.home)) == both[1:], "that the use on the standby is counted"
    )
    assert names(unused()) == both

    gone = judged(unused("/nowhere"), "database_unused_indexes", min_days=0, low_mib=1)
    itself = judged(unused(primary.home), "database_unused_indexes", min_days=0, low_mib=1)
    heard = judged(unused(standby.home), "database_unused_indexes", min_days=0, low_mib=1)

    assert gone.status is Status.UNKNOWN
    assert "the standby /nowhere:" in gone.message
    assert itself.status is Status.UNKNOWN
    assert "has not said what it uses: it is no standby" in itself.message
    assert heard.status is Status.FAIL
    assert heard.message.startswith("public.visit_b (")
    assert ", 1 standby included; limit 1 MiB" in heard.message


def test_a_standby_that_applies_nothing_is_found(
    primary: MajorServer, standby: MajorServer
) -> None:
    until(primary, "(streaming)")
    standby.execute("SELECT pg_wal_replay_pause()")
    primary.execute(
        "CREATE TABLE much AS SELECT i, repeat('x', 100) FROM generate_series(1, 40000) i"
    )

    paused = until(standby, "it is paused")
    behind = until(primary, "at most 1 MiB", medium_mib=1)
    standby.execute("SELECT pg_wal_replay_resume()")
    after = until(primary, "at most 5 min", medium_mib=1)

    assert paused.severity is Severity.HIGH
    assert behind.severity is Severity.MEDIUM
    assert behind.message.startswith(f"{FOLLOWER} (streaming) is ")
    assert after.status is Status.PASS


def test_a_standby_whose_primary_is_gone_is_found(
    primary: MajorServer, standby: MajorServer
) -> None:
    until(standby, "(streaming)")
    primary.stop("fast")
    gone = until(standby, "receives nothing from its primary")
    primary.start()
    after = until(standby, "(streaming)")

    assert gone.severity is Severity.CRITICAL
    assert after.status is Status.PASS


def test_a_synchronous_standby_that_is_there_is_not_waited_for(
    primary: MajorServer, standby: MajorServer
) -> None:
    until(primary, "(streaming)")
    for names, words in ((f"2 ({FOLLOWER}, other)", "commits wait for"), (FOLLOWER, "(streaming)")):
        primary.execute("ALTER SYSTEM SET synchronous_standby_names = '" + names + "'")
        primary.execute("SELECT pg_reload_conf()")
        until(primary, words)
    primary.execute("ALTER SYSTEM RESET synchronous_standby_names")
    primary.execute("SELECT pg_reload_conf()")


def test_an_account_without_rights_says_what_it_lacks(
    primary: MajorServer, standby: MajorServer
) -> None:
    for server in (primary, standby):
        verdict = judged(see(server, CLERK))

        assert verdict.status is Status.UNKNOWN
        assert command_of(verdict.remedy).endswith(f" -c 'GRANT pg_monitor TO {CLERK}'")
    refused = judged(see(primary, CLERK), "database_logins")
    assert refused.status is Status.UNKNOWN
    assert "GRANT SELECT ON pg_hba_file_rules TO upkeep_clerk" in refused.remedy


def test_a_page_that_the_disk_has_changed_is_found(
    primary: MajorServer, standby: MajorServer
) -> None:
    if primary.major < 18:  # initdb switches them on from then
        assert judged(see(primary), "database_checksums").message == "data_checksums is off"
        return
    name = primary.fresh()
    primary.execute(
        "CREATE TABLE note AS SELECT repeat('x', 1000) FROM generate_series(1, 100)", name
    )
    [(path,)] = primary.execute("SELECT pg_relation_filepath('note')", name)
    primary.stop("fast")
    with (primary.home / "data" / path).open("r+b") as file:
        file.seek(8192 + 4000)
        file.write(b"\xff")
    primary.start()
    with pytest.raises(psycopg.errors.DataCorrupted):
        primary.execute("SELECT count(*) FROM note", name)

    def damaged() -> Verdict | None:
        verdict = judged(see(primary), "database_checksums")
        return verdict if verdict.status is Status.FAIL else None

    verdict = eventually(damaged, "the failure")
    primary.execute("DROP TABLE note", name)
    primary.execute("SELECT pg_stat_reset()", name)

    assert verdict.severity is Severity.CRITICAL
    assert verdict.message.startswith(f"1 page of {name} had a wrong checksum")
    eventually(lambda: judged(see(primary), "database_checksums").status is Status.PASS, "its end")
