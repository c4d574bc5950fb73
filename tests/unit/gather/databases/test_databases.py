"""Each kind of database is a file, and what a host is sent has all of them."""

from __future__ import annotations

import base64
import importlib
import re
import zlib
from pathlib import Path

import yaml

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases import databases
from ansible_collections.astral.upkeep.plugins.modules import databases_info
from ansible_collections.astral.upkeep.plugins.plugin_utils import payload

FOLDER = Path(databases.__file__).parent
FILES = sorted(
    path.stem
    for path in FOLDER.glob("_*.py")
    if path.stem not in ("__init__", "_engine", "_databases_shape")
)


def test_each_file_is_a_kind_of_its_name() -> None:
    engines = [importlib.import_module(f"{databases.__package__}.{name}").ENGINE for name in FILES]

    assert [one.kind for one in engines] == [name.lstrip("_") for name in FILES]
    assert {one.kind: one for one in engines} == databases.ENGINES


def test_the_module_documents_each_kind() -> None:
    options = yaml.safe_load(databases_info.DOCUMENTATION)["options"]
    kind = options["databases"]["suboptions"]["kind"]

    assert set(kind["choices"]) == set(databases.ENGINES)


def test_what_a_host_is_sent_has_each_kind() -> None:
    program = payload.build([("databases", {})], 10, "nonce").decode("ascii")

    sent: set[str] = set()
    for bundle in re.findall(r'^"([A-Za-z0-9+/=]+)"', program, re.MULTILINE):
        sent |= set(zlib.decompress(base64.b64decode(bundle)).decode("utf-8").split("\0")[::2])
    assert {f"{payload.SHARED}.gather.databases.{name}" for name in FILES} <= sent
