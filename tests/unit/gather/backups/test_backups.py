from __future__ import annotations

import gzip
import hashlib
import io
import os
import sqlite3
import tarfile
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups import backups
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._checksums import (
    listed_hash,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._members import escapes
from ansible_collections.astral.upkeep.plugins.module_utils.host.children import Answer
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation

NOISE = os.urandom(50_000)
DUMP = (
    b"-- PostgreSQL database dump\n"
    + NOISE.hex().encode()
    + b"\n-- PostgreSQL database dump complete\n"
)


def see(paths: list[str], **params: Any) -> Observation:
    wanted = {"name": "shop", "paths": paths}
    arguments = {"sets": [wanted | params.pop("set", {})], **params}
    valid = ArgumentSpecValidator(backups.ARGUMENTS).validate(arguments)
    assert not valid.error_messages
    (seen,) = backups.gather(valid.validated_parameters, Host())
    return seen


def tar_of(name: str = "a/b.txt") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(NOISE)
        archive.addfile(member, io.BytesIO(NOISE))
    return stream.getvalue()


def zip_of() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", NOISE)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("../../etc/passwd", True),
        ("/etc/passwd", True),
        ("a/../../b", True),
        ("..\\b", True),
        ("C:\\b", True),
        ("a/..b", False),
        ("./a", False),
    ],
)
def test_members_that_would_be_written_elsewhere_are_named_and_never_unpacked(
    name: str, bad: bool, tmp_path: Path
) -> None:
    (tmp_path / "a.tar").write_bytes(tar_of(name))

    assert escapes(name) is bad
    assert see([f"{tmp_path}/*"]).data["content"]["hostile"] == ([name] if bad else [])
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


def test_no_time_and_too_many_bytes_are_partial(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"\0" * 10_000_000))

    assert see([f"{tmp_path}/*"], read_bytes=1_000_000).data["content"]["state"] == "partial"
    assert see([f"{tmp_path}/*"], read_seconds=0).data["content"]["state"] == "partial"


def test_sqlite_is_asked_itself(tmp_path: Path) -> None:
    path = tmp_path / "a b?.sqlite"
    with sqlite3.connect(path) as database:
        database.execute("create table t (x)")
        database.executemany("insert into t values (?)", [(os.urandom(500),) for _ in range(500)])
    database.close()
    assert see([f"{tmp_path}/*.sqlite"]).data["content"]["state"] == "whole"
    whole = path.read_bytes()

    path.write_bytes(whole[: len(whole) // 2])
    os.utime(path, (time.time() - 3600,) * 2)

    assert see([f"{tmp_path}/*.sqlite"]).data["content"]["state"] == "broken"


def test_sqlite_with_a_collation_of_its_application_is_unread_and_not_broken(
    tmp_path: Path,
) -> None:
    with sqlite3.connect(tmp_path / "a.sqlite") as database:
        database.create_collation("german", lambda one, other: (one > other) - (one < other))
        database.execute("create table t (x text collate german primary key)")
        database.execute("insert into t values ('a')")
    database.close()

    content = see([f"{tmp_path}/*"]).data["content"]

    assert content["state"] == "unread"
    assert content["why"].endswith("no such collation sequence: german")


def test_a_touched_old_file_does_not_look_fresh(tmp_path: Path) -> None:
    (tmp_path / "shop-2026-01-05.gz").write_bytes(gzip.compress(b"old"))
    real = tmp_path / "shop-2026-01-20_0315.gz"
    real.write_bytes(gzip.compress(b"new"))

    newest = see([f"{tmp_path}/*"]).data["newest"]

    assert newest["path"] == str(real)
    assert (newest["taken_by"], newest["disagree"]) == ("name", True)


def test_links_unfinished_files_and_checksums_are_no_backups(tmp_path: Path) -> None:
    outside = tmp_path / "outside.gz"
    outside.write_bytes(gzip.compress(b"x"))
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "latest.gz").symlink_to(outside)
    (folder / "a.gz.part").write_bytes(b"x")
    (folder / "SHA256SUMS").write_text("x")

    data = see([f"{folder}/*"]).data

    assert (data["count"], data["newest"]) == (0, None)
    assert data["links"] == [str(folder / "latest.gz")]
    assert [one["path"] for one in data["making"]] == [str(folder / "a.gz.part")]


def test_a_folder_that_is_not_there_is_absence_and_not_an_error(tmp_path: Path) -> None:
    seen = see([f"{tmp_path}/none/*.gz"])

    assert (seen.error, seen.data["count"]) == ("", 0)


def test_a_time_in_the_future_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"x"))
    os.utime(path, (time.time() + 86400,) * 2)

    newest = see([f"{tmp_path}/*"]).data["newest"]
    assert newest["taken_at"] is None
    assert newest["future_at"] is not None


def test_a_file_from_the_future_does_not_hide_the_newest(tmp_path: Path) -> None:
    for name, later in (("a.gz", 86400 * 30), ("b.gz", -3600)):
        (tmp_path / name).write_bytes(gzip.compress(b"x"))
        os.utime(tmp_path / name, (time.time() + later,) * 2)

    assert see([f"{tmp_path}/*"]).data["newest"]["path"].endswith("b.gz")


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("{good}  a.gz\n", "match"),
        ("{good} *./a.gz\n", "match"),
        ("SHA256 (a.gz) = {good}\n", "match"),
        ("{bad}  a.gz\n", "mismatch"),
        ("{good}  b.gz\n", "not listed"),
        ("", "not listed"),
        ("oops  a.gz\n", "unread"),
        ("SHA256 (a.gz) = oops\n", "unread"),
    ],
)
def test_the_checksum_beside_it(text: str, state: str, tmp_path: Path) -> None:
    data = gzip.compress(b"x")
    (tmp_path / "a.gz").write_bytes(data)
    good = hashlib.sha256(data).hexdigest()
    (tmp_path / "SHA256SUMS").write_text(text.format(good=good, bad="0" * 64))

    assert see([f"{tmp_path}/*"]).data["manifest"]["state"] == state


def test_a_lone_checksum_counts_only_in_the_files_own() -> None:
    assert listed_hash("a" * 64, "a.gz", bare=True) == "a" * 64
    assert listed_hash("a" * 64, "a.gz", bare=False) is None


def test_nothing_declared_is_nothing_seen() -> None:
    valid = ArgumentSpecValidator(backups.ARGUMENTS).validate({})

    assert backups.gather(valid.validated_parameters, Host()) == []


def test_a_file_that_grows_while_it_is_read_is_not_one_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, growing = tmp_path / "a-1.gz", tmp_path / "a-2.gz"
    for path in (done, growing):
        path.write_bytes(gzip.compress(b"x"))
    os.utime(done, (time.time() - 3600,) * 2)
    read = backups._read

    def grow(one: Any, backup: Any, budget: Any) -> Any:
        growing.write_bytes(growing.read_bytes() + gzip.compress(b"more"))
        return read(one, backup, budget)

    monkeypatch.setattr(backups, "_read", grow)
    data = see([f"{tmp_path}/*"]).data

    assert data["newest"]["path"] == str(done)
    assert [one["path"] for one in data["making"]] == [str(growing)]


def test_a_folder_of_each_day_tells_when_its_backup_was_taken(tmp_path: Path) -> None:
    for day in ("2026-11-01", "2026-11-03", "2026-11-02"):
        (tmp_path / day).mkdir()
        (tmp_path / day / "shop.gz").write_bytes(gzip.compress(b"x"))

    newest = see([f"{tmp_path}/*/shop.gz"]).data["newest"]

    assert newest["path"].endswith("/2026-11-03/shop.gz")
    assert newest["taken_by"] == "name"


def test_a_set_without_a_place_is_an_error() -> None:
    assert "neither paths nor a repository" in see([]).error


def test_retention_and_the_second_copy_are_observed_where_declared(tmp_path: Path) -> None:
    for folder in ("set", "copy"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.gz").write_bytes(gzip.compress(b"x" * len(folder)))
    declared = {
        "retention": {"daily": 2, "since": "2026-01-01"},
        "second_copy": {"paths": [f"{tmp_path}/copy/*"]},
    }

    data = see([f"{tmp_path}/set/*"], set=declared).data

    assert (data["copy"]["apart"], data["copy"]["newest"]["path"]) == (
        "same file system",
        f"{tmp_path}/copy/a.gz",
    )
    assert "has 21 B" in data["copy"]["differs"] or "B, " in data["copy"]["differs"]
    assert [(tier["name"], tier["declared"]) for tier in data["retention"]] == [("daily", 2)]


def test_a_place_that_hangs_costs_the_sets_that_lie_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("here", "nas"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.gz").write_bytes(gzip.compress(b"x"))
    hung = f"{tmp_path}/nas/"

    def ask(calls: dict[str, Any], timeout_seconds: float) -> dict[str, Answer]:
        said = Answer(error=f"no answer within {timeout_seconds:g} s")
        return {place: said if place == hung else Answer(call()) for place, call in calls.items()}

    monkeypatch.setattr(backups, "side_by_side", ask)
    sets = [
        {"name": "here", "paths": [f"{tmp_path}/here/*"]},
        {"name": "nas", "paths": [f"{tmp_path}/nas/*"]},
        {
            "name": "copied",
            "paths": [f"{tmp_path}/here/*"],
            "second_copy": {"paths": [f"{tmp_path}/nas/*"]},
        },
    ]
    valid = ArgumentSpecValidator(backups.ARGUMENTS).validate({"sets": sets})

    here, nas, copied = backups.gather(valid.validated_parameters, Host())

    assert here.data["count"] == 1
    assert nas.error == f"{hung}: no answer within 10 s"
    assert copied.data["copy"]["error"] == f"{hung}: no answer within 10 s"


def test_a_folder_that_is_named_instead_of_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "shop-2026-11-01.sql.gz").write_bytes(gzip.compress(DUMP))
    (tmp_path / "README.txt").write_text("ours")
    copied = tmp_path / "www"
    copied.mkdir()
    (copied / "index.html").write_text("<html>")

    assert see([str(tmp_path)]).data["newest"]["path"].endswith(".sql.gz")
    tree = see([str(copied)]).data
    assert (tree["newest"]["form"], tree["content"]["state"]) == ("folder", "whole")
    assert see([f"{tmp_path}/*"]).data["newest"]["form"] == "file"


def test_a_folder_in_which_a_file_is_being_written_is_not_finished(tmp_path: Path) -> None:
    folder = tmp_path / "dump"
    folder.mkdir()
    (folder / "toc.dat").write_bytes(b"PGDMP")
    with (folder / "3001.dat.gz").open("wb") as stream:
        stream.write(b"x")
        making = see([f"{tmp_path}/*"]).data["making"]

    assert [one["path"] for one in making] == [str(folder)]
    assert making[0]["why"].startswith("held open by ")


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"paths": []}, "sets: neither paths nor a repository are declared"),
        ({"paths": ["backup/*"]}, "sets: 'backup/*' is not an absolute path"),
        ({"paths": ["/b/*"], "rpo_hours": 0}, "sets: rpo_hours: found 0; expected more than 0"),
        ({"paths": ["/b/*"], "rpo_hours": -1}, "sets: rpo_hours: found -1; expected more than 0"),
        ({"paths": ["/b/*"], "name": " "}, "sets: a set has an empty name"),
        ({"paths": ["/b/*"], "second_copy": {"elsewhere": "x"}}, "sets: second_copy: neither paths"),
        ({"paths": ["/b/*"], "second_copy": {"paths": ["x"]}}, "sets: second_copy: 'x' is not an"),
        ({"paths": ["/b/*"], "kind": "restic"}, "sets: kind: restic with paths"),
        ({"repository": "/r", "kind": "tar"}, "sets: kind: found tar with a repository; expected"),
        ({"repository": "--rsh=x"}, "sets: '--rsh=x' is not an absolute path"),
    ],
)  # fmt: skip
def test_a_set_that_is_declared_wrongly_says_how_and_costs_no_other(
    declared: dict[str, Any], said: str, tmp_path: Path
) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"x"))
    base = {key: spec.get("default") for key, spec in backups.ARGUMENTS["sets"]["options"].items()}
    copy = backups.ARGUMENTS["sets"]["options"]["second_copy"]["options"]
    wrong = {**base, "name": "wrong", "paths": [], **declared}
    if wrong["second_copy"]:
        blank = {key: spec.get("default") for key, spec in copy.items()}
        wrong["second_copy"] = {**blank, **wrong["second_copy"]}
    right = {**base, "name": "right", "paths": [f"{tmp_path}/*"]}
    params = {"sets": [wrong, right], "read": True, "read_seconds": 60, "read_bytes": 10**9}

    first, second = backups.gather(params, Host())

    assert first.error.startswith(said), first.error
    assert second.data["count"] == 1


def test_two_sets_of_one_name_are_a_mistake(tmp_path: Path) -> None:
    sets = [{"name": "shop", "paths": [f"{tmp_path}/*"]}] * 2
    valid = ArgumentSpecValidator(backups.ARGUMENTS).validate({"sets": sets})

    _first, second = backups.gather(valid.validated_parameters, Host())

    assert second.error == "sets: another set is called 'shop' too"


def test_no_link_that_a_pattern_matches_is_followed(tmp_path: Path) -> None:
    for folder in ("shop/a", "other"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "s.gz").write_bytes(gzip.compress(b"x"))
    os.utime(tmp_path / "shop/a/s.gz", (time.time() - 30 * 86400,) * 2)
    (tmp_path / "shop/b").symlink_to("../other")
    (tmp_path / "way").symlink_to("shop")

    for pattern in ("shop/*/s.gz", "shop/**/s.gz"):
        data = see([f"{tmp_path}/{pattern}"]).data
        assert data["newest"]["path"].endswith("/shop/a/s.gz"), pattern
        assert data["links"] == [f"{tmp_path}/shop/b"] or pattern.startswith("shop/**")
    # A link in the part that does not vary is the site's own word.
    assert see([f"{tmp_path}/way/*/s.gz"]).data["count"] == 1


def test_texts_and_scripts_beside_backups_are_no_backups(tmp_path: Path) -> None:
    backup = tmp_path / "shop.csv.gz"
    backup.write_bytes(gzip.compress(b"x"))
    os.utime(backup, (time.time() - 40 * 86400,) * 2)
    for name in ("status.txt", "last-run.json", "backup.sh", "README.md"):
        (tmp_path / name).write_text("x")

    data = see([f"{tmp_path}/*"]).data
    assert (data["count"], data["newest"]["path"]) == (1, str(backup))
    assert data["notes"] == ["4 texts or scripts beside the backups are not counted"]

    backup.unlink()
    assert see([f"{tmp_path}/*"]).data["count"] == 4


def test_an_armored_backup_is_one_and_a_signature_beside_a_backup_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.sql.asc").write_bytes(
        b"-----BEGIN PGP MESSAGE-----\n\n0lsB" + b"AAAA" * 30 + b"\n-----END PGP MESSAGE-----\n"
    )
    (tmp_path / "b.gz").write_bytes(gzip.compress(b"x"))
    (tmp_path / "b.gz.asc").write_bytes(b"-----BEGIN PGP SIGNATURE-----\n")

    assert see([f"{tmp_path}/*"]).data["count"] == 2
    assert see([f"{tmp_path}/*.sql.asc"]).data["content"]["state"] == "encrypted"


def test_retention_counts_no_empty_file(tmp_path: Path) -> None:
    for day in range(3):
        path = tmp_path / f"{day}.gz"
        path.write_bytes(gzip.compress(b"x") if day == 0 else b"")
        os.utime(path, (time.time() - day * 86400 - 3600,) * 2)

    (tier,) = see([f"{tmp_path}/*"], set={"retention": {"daily": 3}}).data["retention"]

    assert tier["found"] == 1


def test_what_is_dated_in_the_future_beside_others_is_said(tmp_path: Path) -> None:
    for name, later in (("a.gz", 86400), ("b.gz", -3600)):
        (tmp_path / name).write_bytes(gzip.compress(b"x"))
        os.utime(tmp_path / name, (time.time() + later,) * 2)

    (note,) = see([f"{tmp_path}/*"]).data["notes"]

    assert note == f"{tmp_path}/a.gz is dated in the future, or not at all, and is not counted"


def test_the_time_for_reading_begins_when_reading_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"x"))
    find = backups.candidates

    def slowly(*args: Any) -> Any:
        clock[0] += 50
        return find(*args)

    clock = [0.0]
    monkeypatch.setattr(backups, "candidates", slowly)
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    assert see([f"{tmp_path}/*"], read_seconds=1).data["content"]["state"] == "whole"


def test_a_file_in_a_folder_that_may_not_be_entered_is_not_absent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Closed(Host):
        def exists(self, path: str) -> bool:
            if path.endswith("a.gz"):
                raise HostError(f"{path}: permission denied")
            return super().exists(path)

    wanted = {"sets": [{"name": "shop", "paths": ["/usr/a.gz"]}]}
    valid = ArgumentSpecValidator(backups.ARGUMENTS).validate(wanted)
    (seen,) = backups.gather(valid.validated_parameters, Closed())

    assert seen.error == "/usr/a.gz: permission denied"
