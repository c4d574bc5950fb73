"""pg_dump, pg_restore and psql, told where the database is by a private file and never by their arguments."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from sqlalchemy import URL, Connection, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from upkeep import child
from upkeep.errors import StoreError
from upkeep.store import engines, errors

SERVICE = "upkeep"
CHUNK_BYTES = 1 << 20
LIMIT_SECONDS = 24 * 3600.0
"""A database may be large; one whose server does not answer any more is not waited for without an end."""
INSTALL = (
    "install PostgreSQL's client programs of the server's version (apt install postgresql-client)"
)


def name(url: URL) -> str:
    """Return the database's name for people."""
    engine, place = engines.connect(url.render_as_string(hide_password=False))
    engine.dispose()
    return place


def rows(url: URL) -> dict[str, int]:
    """Return how many rows each table has."""
    with _connection(url) as (db, _place):
        return _rows(db)


def dump(url: URL, part: Path) -> tuple[dict[str, int], str]:
    """Write an archive of one moment and read it to its end; return that moment's rows by table, and the version."""
    part = part.absolute()
    with _connection(url) as (db, place), _service(url) as environment:
        counted = _rows(db)
        if "alembic_version" not in counted:
            raise StoreError(f"{place}: is empty or not a database of Upkeep's")
        version = db.execute(text("SELECT version_num FROM alembic_version")).scalar() or ""
        moment = db.execute(text("SELECT pg_export_snapshot()")).scalar()
        options = ["--format=custom", "--no-owner", "--no-privileges", "--no-password"]
        _run(["pg_dump", *options, f"--snapshot={moment}", f"--file={part}"], environment, place)
    for options in (["--list"], ["--file=/dev/null"]):
        _run(["pg_restore", *options, str(part)], child.told_environment(), str(part))
    return counted, str(version)


def load(url: URL, file: Path, tables: Mapping[str, int]) -> None:
    """Replace all tables by the archive's, in one transaction that is committed only if all rows are there."""
    with _connection(url) as (db, place):
        there = inspect(db).get_table_names()
    program = _program("psql")
    command = [program, "--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1"]
    first = "BEGIN;\nSET LOCAL lock_timeout = '60s';\nSET LOCAL client_min_messages = warning;\n"
    first += "".join(f"DROP TABLE {_quoted(table)} CASCADE;\n" for table in there)
    first += DROP_FUNCTIONS
    with (
        _service(url) as environment,
        child.Child(
            command, given=subprocess.PIPE, output=subprocess.DEVNULL, environment=environment
        ) as loads,
    ):
        psql = loads.process
        assert psql.stdin
        whole = True
        with contextlib.suppress(BrokenPipeError):  # psql has ended, and its complaint says why
            psql.stdin.write(first.encode())
            whole = _pour(file, psql)
            if whole:
                # If we are killed before this, psql finds no COMMIT and the server takes all back.
                psql.stdin.write(_checked(tables).encode() + b"COMMIT;\n")
        with contextlib.suppress(BrokenPipeError):
            psql.stdin.close()
        late = loads.wait(LIMIT_SECONDS)
        said = loads.complaint()[:4000].decode(errors="replace").splitlines()
        ended = loads.ended()
    if late or ended or not whole:
        reason = next((line for line in said if "ERROR" in line), said[0] if said else late)
        message = f"{place}: {reason or f'{file} cannot be read to its end'}"
        raise StoreError(
            f"{message:.400}", remedy="the old content is still there, and nothing else"
        )


DROP_FUNCTIONS = """DO $drop$ DECLARE one regprocedure; BEGIN
FOR one IN SELECT p.oid::regprocedure FROM pg_proc p
  WHERE p.pronamespace = 'public'::regnamespace AND p.prokind = 'f'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
LOOP EXECUTE 'DROP FUNCTION ' || one || ' CASCADE'; END LOOP; END $drop$;
"""
"""Triggers' functions outlive their tables; those of extensions are not ours."""


def _pour(file: Path, psql: subprocess.Popen[bytes]) -> bool:
    """Send the archive's content; say whether pg_restore came to its end."""
    options = ["--no-owner", "--no-privileges", "--file=-"]
    command = [_program("pg_restore"), *options, str(file.absolute())]
    with child.Child(command, output=subprocess.PIPE, complaint=subprocess.DEVNULL) as reads:
        archive = reads.process
        assert archive.stdout
        assert psql.stdin
        shutil.copyfileobj(archive.stdout, psql.stdin, CHUNK_BYTES)
        return not reads.wait(LIMIT_SECONDS) and reads.ended() == 0


def _checked(tables: Mapping[str, int]) -> str:
    """Return statements that stop the transaction if a table has other rows than the manifest says."""
    statement = (
        "DO $check$ BEGIN IF (SELECT count(*) FROM public.{table}) <> {count} THEN "
        "RAISE EXCEPTION 'other rows than the manifest says'; END IF; END $check$;\n"
    )
    # A name with the mark of the quotation in it is none of ours.
    return "".join(
        statement.format(table=_quoted(table), count=int(count))
        for table, count in tables.items()
        if "$check$" not in table
    )


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _rows(db: Connection) -> dict[str, int]:
    names = sorted(inspect(db).get_table_names())
    return {
        one: int(db.execute(text(f"SELECT count(*) FROM {_quoted(one)}")).scalar() or 0)  # noqa: S608
        for one in names
    }


@contextlib.contextmanager
def _connection(url: URL) -> Iterator[tuple[Connection, str]]:
    """Yield a connection that sees one moment, without regard to the database's version, and the database's name."""
    engine, place = engines.connect(url.render_as_string(hide_password=False))
    try:
        with engine.connect() as db:
            db = db.execution_options(isolation_level="REPEATABLE READ")
            yield db, place
    except SQLAlchemyError as exc:
        raise errors.readable(place, exc) from exc
    finally:
        engine.dispose()


@contextlib.contextmanager
def _service(url: URL) -> Iterator[dict[str, str]]:
    """Yield an environment in which PostgreSQL's programs find the database, and its password if the URL has one."""
    parameters = url.translate_connect_args(username="user", database="dbname")
    for key, value in url.query.items():
        parameters[key] = value if isinstance(value, str) else ",".join(value)
    lines = [f"{key}={value}" for key, value in parameters.items()]
    if any("\n" in line for line in lines):
        raise StoreError("database: a line break in its URL")
    with tempfile.TemporaryDirectory(prefix="upkeep-") as folder:  # 0700
        path = Path(folder) / "pg_service.conf"
        path.write_text("\n".join([f"[{SERVICE}]", *lines, ""]), encoding="utf-8")
        yield child.told_environment({"PGSERVICEFILE": str(path), "PGSERVICE": SERVICE})


def _run(command: list[str], environment: Mapping[str, str], place: str) -> None:
    program = [_program(command[0]), *command[1:]]
    done = child.run(program, seconds=LIMIT_SECONDS, environment=environment)
    if done.status:
        said = [
            *done.complaint.decode(errors="replace").splitlines(),
            *filter(None, [done.stopped]),
        ]
        reason = next((line for line in said if "error" in line.lower()), said[-1] if said else "")
        remedy = INSTALL if "version mismatch" in reason else ""
        raise StoreError(f"{place}: {reason[:300]}", remedy=remedy)


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise StoreError(f"{name}: is not installed on this machine", remedy=INSTALL)
    return found
