"""Backups as real programs write them: pg_dump, zstd, restic."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import subprocess
import tarfile
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from service.postgres import Postgres, program

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups import backups
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation


def needs(*programs: str) -> None:
    for name in programs:
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not on PATH")


def see(**wanted: Any) -> Observation:
    for path in (
        path for pattern in wanted.get("paths", ()) for path in Path("/").glob(pattern[1:])
    ):
        os.utime(
            path, (time.time() - 3600,) * 2
        )  # written a moment ago, it may still be being made
    valid = ArgumentSpecValidator(backups.ARGUMENTS).validate({"sets": [{"name": "s", **wanted}]})
    assert not valid.error_messages
    (seen,) = backups.gather(valid.validated_parameters, Host())
    return seen


@pytest.fixture(scope="module")
def dumps() -> dict[str, bytes]:
    """Return dumps of a private server's database (custom, plain) and of all its databases (cluster)."""
    needs("pg_restore")
    server = Postgres()
    try:
        url = server.create("dumped")
        text = "create table t as select i, md5(i::text) from generate_series(1, 20000) i"
        with psycopg.connect(url) as db:
            db.execute(text)
        commands = {
            "custom": [program("pg_dump"), "-Fc", url],
            "plain": [program("pg_dump"), url],
            "cluster": [program("pg_dumpall"), "-d", url],
        }
        return {
            kind: subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
            for kind, command in commands.items()
        }
    finally:
        server.close()


@pytest.fixture
def dump(dumps: dict[str, bytes]) -> bytes:
    return dumps["custom"]


def test_a_custom_dump_is_read_to_its_end(dump: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.dump").write_bytes(dump)

    content = see(paths=[f"{tmp_path}/*"]).data["content"]

    assert content["state"] == "whole", content
    assert content["members"] >= 1


def test_a_custom_dump_whose_list_is_whole_and_whose_data_is_cut_is_broken(
    dump: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "a.dump"
    path.write_bytes(dump[: len(dump) * 3 // 4])
    listed = subprocess.run(["pg_restore", "-l", path], capture_output=True, check=False)
    assert listed.returncode == 0  # which is why the list alone proves nothing

    assert see(paths=[f"{tmp_path}/*"]).data["content"]["state"] == "broken"


@pytest.mark.parametrize("kind", ["plain", "cluster"])
@pytest.mark.parametrize("name", ["a.sql", "a.sql.gz", "a.gz"])
def test_a_dump_of_sql_that_was_cut_before_it_was_packed_is_broken(
    dumps: dict[str, bytes], kind: str, name: str, tmp_path: Path
) -> None:
    # As `pg_dump | gzip` leaves it behind when pg_dump ends early, and pg_dumpall after the database before.
    whole = dumps[kind]
    before = whole.rindex(b"-- PostgreSQL database cluster") if kind == "cluster" else 100_000
    pack = gzip.compress if name.endswith(".gz") else bytes

    states = []
    for content in (whole, whole[:before]):
        (tmp_path / name).write_bytes(pack(content))
        states.append(see(paths=[f"{tmp_path}/*"]).data["content"]["state"])

    assert states == ["whole", "broken"]


def zstd(data: bytes) -> bytes:
    needs("zstd")
    return subprocess.run(["zstd", "-qc"], input=data, check=True, stdout=subprocess.PIPE).stdout


def tar_of(name: str) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = 100_000
        archive.addfile(member, io.BytesIO(os.urandom(100_000)))
    return stream.getvalue()


def test_what_zstd_packed_is_looked_at_as_what_gzip_did(tmp_path: Path) -> None:
    dump = b"--\n-- PostgreSQL database dump\n--\n" + os.urandom(50_000).hex().encode() + b";"
    contents = {
        "a.tar.zst": zstd(tar_of("a/b")),
        "cut.tar.zst": zstd(tar_of("a/b")[:60_000]),
        "hostile.tar.zst": zstd(tar_of("../b")),
        "a.sql.zst": zstd(dump + b"\n--\n-- PostgreSQL database dump complete\n--\n"),
        "cut.sql.zst": zstd(dump),
        "cut.zst": zstd(dump),
    }
    seen = {}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        seen[name] = see(paths=[str(tmp_path / name)]).data["content"]

    assert {name: content["state"] for name, content in seen.items()} == {
        "a.tar.zst": "whole",
        "cut.tar.zst": "broken",
        "hostile.tar.zst": "whole",
        "a.sql.zst": "whole",
        "cut.sql.zst": "broken",
        "cut.zst": "broken",
    }
    assert seen["a.tar.zst"]["members"] == 1
    assert seen["hostile.tar.zst"]["hostile"] == ["../b"]


def test_no_time_for_what_zstd_packed_is_partial(tmp_path: Path) -> None:
    (tmp_path / "a.zst").write_bytes(zstd(b"\0" * 50_000_000))
    wanted = {"sets": [{"name": "s", "paths": [f"{tmp_path}/*"]}], "read_bytes": 1_000_000}
    valid = ArgumentSpecValidator(backups.ARGUMENTS).validate(wanted)

    (seen,) = backups.gather(valid.validated_parameters, Host())

    assert seen.data["content"]["state"] == "partial"


def test_zstd_is_read_by_its_program(tmp_path: Path) -> None:
    needs("zstd")
    (tmp_path / "a").write_bytes(os.urandom(100_000))
    subprocess.run(["zstd", "-q", "--rm", tmp_path / "a"], check=True)
    path = tmp_path / "a.zst"

    assert see(paths=[str(path)]).data["content"]["state"] == "whole"
    path.write_bytes(path.read_bytes()[:-100])
    assert see(paths=[str(path)]).data["content"]["state"] == "broken"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    needs("restic")
    (tmp_path / "password").write_text("geheim\n")
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a").write_bytes(os.urandom(50_000))
    environment = {
        **os.environ,
        "RESTIC_PASSWORD_FILE": str(tmp_path / "password"),
        "RESTIC_REPOSITORY": str(tmp_path / "repo"),
    }
    for command in (["init"], ["backup", "--host", "db1", str(tmp_path / "files")]):
        subprocess.run(
            ["restic", "--no-cache", "-q", *command],
            env=environment,
            check=True,
            capture_output=True,
        )
    return tmp_path / "repo"


def test_a_restic_repository(repository: Path) -> None:
    password = {"password_file": str(repository.parent / "password")}

    seen = see(repository=str(repository), **password)
    other = see(repository=str(repository), snapshot_host="db2", **password)

    assert seen.error == ""
    assert (seen.data["count"], seen.data["content"]["state"]) == (1, "whole")
    assert other.data["count"] == 0


def test_a_restic_repository_that_lost_its_data_is_broken(repository: Path) -> None:
    for pack in (repository / "data").rglob("*"):
        if pack.is_file():
            pack.unlink()

    seen = see(repository=str(repository), password="geheim")

    assert seen.data["content"]["state"] == "broken"


def test_a_wrong_password_is_an_error_that_does_not_show_it(repository: Path) -> None:
    seen = see(repository=str(repository), password="falsch-und-geheim")

    assert "wrong password" in seen.error
    assert "falsch" not in repr(seen)
