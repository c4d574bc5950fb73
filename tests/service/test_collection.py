"""The collection by itself: what its archive carries, and what of it works beside an ansible-core and nothing else."""

from __future__ import annotations

import contextlib
import gzip
import http.server
import importlib.metadata
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sysconfig
import tarfile
import threading
import venv
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from made_certificates import make
from packaging.requirements import Requirement
from patience import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]
CARRIED = {
    "CHANGELOG.md", "FILES.json", "MANIFEST.json", "README.rst", "meta", "playbooks", "plugins", "roles",
}  # fmt: skip
NAME = "astral.upkeep"
MODULES = sorted((ROOT / "plugins" / "modules").glob("*.py"))


def distributions(name: str) -> Iterator[importlib.metadata.Distribution]:
    """Yield an installed distribution and all that it requires."""
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        if (one := waiting.pop().lower()) in seen:
            continue
        seen.add(one)
        found = importlib.metadata.distribution(one)
        yield found
        for text in found.requires or ():
            required = Requirement(text)
            if required.marker is None or required.marker.evaluate({"extra": ""}):
                waiting.append(required.name)


class Plain(NamedTuple):
    """An environment with ansible-core, what that requires, and nothing else. home: its only folder for settings."""

    python: Path
    home: Path

    def ansible(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Run one of Ansible's programs, without what the tests' own environment says."""
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_LOCALHOST_WARNING": "False",
            "ANSIBLE_PIPELINING": "True",  # a third less to compute; what modules do is the same
        }
        marks = {name: value for name, value in os.environ.items() if name.startswith("STARTED_BY")}
        return subprocess.run(
            [self.python, "-m", "ansible", *words],
            cwd=self.home,
            env=environ | marks,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Plain:
    """As `python -m venv` and `pip install ansible-core` make it, with what is installed here already."""
    folder = tmp_path_factory.mktemp("plain")
    venv.create(folder / "venv", symlinks=True)
    scheme = {"base": str(folder / "venv"), "platbase": str(folder / "venv")}
    packages = Path(sysconfig.get_path("purelib", "venv", scheme))
    for one in distributions("ansible-core"):
        tops = {file.parts[0] for file in one.files or ()} - {"..", "__pycache__"}
        for top in tops:
            (packages / top).symlink_to(Path(str(one.locate_file(top))))
    home = folder / "home"
    home.mkdir()
    return Plain(folder / "venv" / "bin" / "python", home)


@pytest.fixture(scope="module")
def archive(plain: Plain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive, built of a checkout in which somebody has also tried the program."""
    checkout = tmp_path_factory.mktemp("checkout")
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard", "-z"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists():
            target = checkout / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target, follow_symlinks=False)
    for stray in ("mysite/upkeep.toml", "prod/secrets.yml", ".env", "notes.md", "plan.txt"):
        (checkout / stray).parent.mkdir(exist_ok=True)
        (checkout / stray).write_text("secret")
    built = plain.ansible("galaxy", "collection", "build", checkout, "--output-path", checkout)
    assert built.returncode == 0, built.stderr
    (found,) = checkout.glob("astral-upkeep-*.tar.gz")
    return found


@pytest.fixture(scope="module")
def installed(plain: Plain, archive: Path) -> Plain:
    """The plain environment with the collection, from its archive."""
    done = plain.ansible("galaxy", "collection", "install", archive)
    assert done.returncode == 0, done.stderr
    return plain


def test_it_carries_what_it_needs_and_nothing_else(archive: Path) -> None:
    with tarfile.open(archive) as opened:
        names = opened.getnames()
        manifest = json.load(opened.extractfile("MANIFEST.json"))  # type: ignore[arg-type]

    assert {name.partition("/")[0] for name in names} == CARRIED
    assert [name for name in names if "__pycache__" in name or "/." in name] == []
    assert manifest["collection_info"]["readme"] == "README.rst"


def test_its_texts_tell_of_nothing_that_it_has_not(archive: Path) -> None:
    with tarfile.open(archive) as opened:
        names = set(opened.getnames())
        texts = [opened.extractfile(one).read().decode() for one in ("README.rst", "CHANGELOG.md")]  # type: ignore[union-attr]

    assert re.findall(r"\bmake \w+|\bdocs/", texts[0]) == []
    assert [re.findall(r"\]\((?!http)|`_", text) for text in texts] == [[], []]
    told = set(re.findall(r"``(?:astral\.upkeep\.)?([a-z_]+)``", texts[0])) - {"upkeep"}
    things = {
        Path(name).stem for name in names if name.split("/")[0] in ("plugins", "playbooks", "roles")
    }
    assert told - things - {"observations"} == set()
    assert told >= {"observe", "daily", "log_rotation", "log_rotate", "log_retention"}


def test_each_plugin_is_documented_from_the_archive(installed: Plain) -> None:
    modules = {f"{NAME}.{one.stem}" for one in MODULES}

    listed = installed.ansible("doc", "-l", NAME, "--json")
    documented = installed.ansible("doc", "--json", *sorted(modules))
    roles = installed.ansible("doc", "-t", "role", "-l", NAME, "--json")

    assert json.loads(listed.stdout).keys() == modules
    described = json.loads(documented.stdout)
    assert described.keys() == modules
    assert all(one["doc"]["short_description"] and one["examples"] for one in described.values())
    assert json.loads(roles.stdout).keys() == {
        f"{NAME}.{role}"
        for role in ("backup_verify", "db_optimize", "isolate", "log_rotation", "release")
    }
    for said in (listed, documented, roles):
        assert (said.returncode, said.stderr) == (0, "")


def play(plain: Plain, tasks: list[dict[str, Any]]) -> subprocess.CompletedProcess[str]:
    """Run the tasks on this machine."""
    book = plain.home / "book.yml"
    book.write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    return plain.ansible("playbook", book)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Files to look at, and the URL of a server that gives them."""
    (tmp_path / "people.yml").write_text("people:\n  - name: Ada\n    id: ada\n")
    (tmp_path / "report.json").write_text("{}")
    (tmp_path / "shop.sql.gz").write_bytes(gzip.compress(b"-- dump"))
    (tmp_path / "shop.pem").write_bytes(make("shop.example").pem)
    (tmp_path / "logrotate.conf").write_text(
        f"{tmp_path}/access.log {{\n  weekly\n  rotate 2\n}}\n"
    )
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "old.log.1").touch()
    os.utime(tmp_path / "archive" / "old.log.1", (0, 0))
    for log in ("access.log", "auth.log"):
        (tmp_path / log).touch()
    with contextlib.closing(sqlite3.connect(tmp_path / "jobs.db")) as database:
        database.execute("CREATE TABLE job (id INTEGER)")
    handler = partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield tmp_path, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(PATIENCE_SECONDS)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *said: Any) -> None:
        """Log nothing."""


def asked(folder: Path, url: str) -> dict[str, tuple[dict[str, Any], str]]:
    """Return for each module its parameters, and a subject to be seen with them; empty if the machine decides."""
    place = url.removeprefix("http://")
    return {
        "access_log_info": ({"paths": [f"{folder}/access.log"]}, f"{folder}/access.log"),
        "auth_log_info": ({"paths": [f"{folder}/auth.log"]}, f"{folder}/auth.log"),
        "backups_info": ({"sets": [{"name": "shop", "paths": [f"{folder}/*.gz"]}]}, "shop"),
        "certificates_info": ({"files": [f"{folder}/shop.pem"]}, f"{folder}/shop.pem"),
        "clock_info": ({}, "clock"),
        "databases_info": (
            {"databases": [{"kind": "sqlite", "name": f"{folder}/jobs.db"}], "discover": False},
            f"sqlite {folder}/jobs.db",
        ),
        **{
            f"{name}_info": (
                {"databases": [{"kind": "sqlite", "name": f"{folder}/jobs.db"}], "discover": False},
                subject,
            )
            for name, subject in (
                ("database_activity", ""),
                ("database_objects", f"sqlite {folder}/jobs.db"),
                ("database_plans", ""),
                ("database_statements", ""),
            )
        },
        "database_optimization_info": ({"optimize_folder": f"{folder}/optimize"}, ""),
        "feeds_info": (
            {"source": "build/shop", "place": f"{folder}/report.json"},
            f"{folder}/report.json",
        ),
        "restores_info": (
            {
                "sets": [{"name": "shop", "paths": [f"{folder}/*.gz"], "verify": {}}],
                "folder": f"{folder}/restores",
            },
            "shop",
        ),
        "file_systems_info": ({}, "/"),
        "host_resources_info": ({}, "memory"),
        "http_health_info": ({"urls": [f"{url}/report.json"]}, f"{url}/report.json"),
        "log_rotation_info": (
            {"config": [f"{folder}/logrotate.conf"], "log_folders": [], "open_files": False},
            "logrotate",
        ),
        "isolation_info": ({}, "isolation"),
        "oom_kills_info": ({}, "out of memory"),
        "package_updates_info": ({}, "apt"),
        "reboot_info": ({}, "reboot"),
        "registers_info": (
            {"source": "register/people", "path": f"{folder}/people.yml"},
            f"{folder}/people.yml",
        ),
        "services_info": ({"services": [f"tcp://{place}"]}, f"tcp://{place}"),
        "systemd_units_info": ({}, ""),
    }


def test_each_module_but_observe_does_its_work(installed: Plain, here: tuple[Path, str]) -> None:
    folder, url = here
    expected = asked(folder, url)
    tasks: list[dict[str, Any]] = [
        {f"{NAME}.{name}": parameters, "register": name}
        for name, (parameters, _subject) in expected.items()
    ]
    rotate = {"config": [f"{folder}/logrotate.conf"], "state": f"{folder}/state", "force": True}
    keep = {"roots": [{"path": f"{folder}/archive", "keep_days": 1, "keep_newest": 0}]}
    tasks += [
        {f"{NAME}.log_rotate": rotate, "register": "rotated"},
        {f"{NAME}.log_retention": keep, "register": "removed"},
    ]
    together = "{{ dict(names | zip(query('ansible.builtin.vars', *names))) | to_json }}"
    copied = {"content": together, "dest": f"{folder}/seen.json"}
    tasks.append(
        {"ansible.builtin.copy": copied, "vars": {"names": [*expected, "rotated", "removed"]}}
    )

    done = play(installed, tasks)

    assert expected.keys() == {one.stem for one in MODULES if one.stem.endswith("_info")}
    assert done.returncode == 0, done.stdout + done.stderr
    seen = json.loads((folder / "seen.json").read_text())
    missing = {
        name: observations
        for name, (_parameters, subject) in expected.items()
        for observations in [seen[name]["observations"]]
        if subject and subject not in {one["subject"] for one in observations}
    }
    assert missing == {}
    assert [one["proved"] for one in seen["rotated"]["logs"]] == [True]
    assert (folder / "access.log.1").exists()
    assert seen["removed"]["changed"]
    assert list((folder / "archive").iterdir()) == []


def test_observe_says_what_it_needs_and_how_to_get_it(installed: Plain) -> None:
    done = installed.ansible("playbook", f"{NAME}.observe", "-i", "localhost,", "-c", "local")

    assert done.returncode == 2
    assert "needs the Python package upkeep beside ansible-core" in done.stdout
    assert f"Install it on the controller: {installed.python} -m pip install upkeep" in done.stdout
