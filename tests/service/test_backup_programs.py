"""Backups as real programs write them: pg_dump, zstd, restic."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.astral.upkeep.plugins.module_utils.gather import backups
from ansible_collections.astral.upkeep.plugins.module_utils.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.results import Observation

pytestmark = pytest.mark.newest


def needs(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            (pytest.fail if "CI" in os.environ else pytest.skip)(f"{program} is not on PATH")


def see(**wanted: Any) -> Observation:
    valid = ArgumentSpecValidator(backups.ARGUMENTS).validate({"sets": [{"name": "s", **wanted}]})
    assert not valid.error_messages
    (seen,) = backups.gather(valid.validated_parameters, Host())
    return seen


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a custom dump of a private server's database."""
    needs("initdb", "pg_ctl", "pg_dump", "pg_restore")
    user = "postgres" if os.geteuid() == 0 else None
    home = tmp_path_factory.mktemp("pg")
    for folder in (home, home.parent, home.parent.parent):
        folder.chmod(0o755)
    shutil.chown(home, user or os.geteuid())

    def run(*command: str) -> bytes:
        kept = subprocess.PIPE if command[0] == "pg_dump" else subprocess.DEVNULL
        return subprocess.run(
            command, check=True, user=user, stdout=kept, stderr=subprocess.DEVNULL, cwd=home
        ).stdout

    run("initdb", "-D", f"{home}/data", "-U", "upkeep", "-A", "trust", "-N")
    settings = f"-c listen_addresses= -c unix_socket_directories={home} -c fsync=off"
    run("pg_ctl", "-D", f"{home}/data", "-l", f"{home}/log", "-w", "-o", settings, "start")
    try:
        text = "create table t as select i, md5(i::text) from generate_series(1, 20000) i"
        run("psql", "-h", str(home), "-U", "upkeep", "-d", "postgres", "-c", text)
        return run("pg_dump", "-h", str(home), "-U", "upkeep", "-Fc", "postgres")
    finally:
        run("pg_ctl", "-D", f"{home}/data", "-m", "immediate", "stop")


def test_a_custom_dump_is_read_to_its_end(dump: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.dump").write_bytes(dump)

    content = see(paths=[f"{tmp_path}/*"]).data["content"]

    assert content["state"] == "complete", content
    assert content["members"] >= 1


def test_a_custom_dump_whose_list_is_whole_and_whose_data_is_cut_is_broken(
    dump: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "a.dump"
    path.write_bytes(dump[: len(dump) * 3 // 4])
    listed = subprocess.run(["pg_restore", "-l", path], capture_output=True, check=False)
    assert listed.returncode == 0  # which is why the list alone proves nothing

    assert see(paths=[f"{tmp_path}/*"]).data["content"]["state"] == "broken"


def test_zstd_is_read_by_its_program(tmp_path: Path) -> None:
    needs("zstd")
    (tmp_path / "a").write_bytes(os.urandom(100_000))
    subprocess.run(["zstd", "-q", "--rm", tmp_path / "a"], check=True)
    path = tmp_path / "a.zst"

    assert see(paths=[str(path)]).data["content"]["state"] == "complete"
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
    assert (seen.data["count"], seen.data["content"]["state"]) == (1, "complete")
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
