"""Each kind of database is a file, and what a host is sent has all of them."""

from __future__ import annotations

import base64
import dataclasses
import importlib
import re
import zlib
from pathlib import Path

import pytest
import yaml

from ansible_collections.astral.upkeep.plugins.doc_fragments.databases import ModuleDocFragment
from ansible_collections.astral.upkeep.plugins.module_utils.databases import declared, registry
from ansible_collections.astral.upkeep.plugins.plugin_utils import payload

ENGINES = Path(registry.__file__).parent / "engines"
FILES = sorted(path.stem for path in ENGINES.glob("[!_]*.py"))
PACKAGE = f"{payload.SHARED}.databases.engines"
GATHERS = ("databases", "database_activity", "database_objects", "database_statements")
ABOUT = {"kind", "connected", "subject", "declared", "reason", "version", "in_recovery", "socket"}
NOTES = {"unread", "not_offered", "unseen"}


def test_each_file_is_a_kind_of_its_name() -> None:
    engines = {name: importlib.import_module(f"{PACKAGE}.{name}").ENGINE for name in FILES}

    assert {name: one.kind for name, one in engines.items()} == {name: name for name in FILES}
    assert engines == registry.ENGINES


def test_the_documentation_has_each_kind() -> None:
    options = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]
    kind = options["databases"]["suboptions"]["kind"]

    assert set(kind["choices"]) == set(registry.ENGINES)


def test_the_documentation_has_each_option() -> None:
    options = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]
    documented = options["databases"]["suboptions"]

    assert set(options) == set(declared.ARGUMENTS)
    assert set(documented) == set(declared.DATABASES["options"])


@pytest.mark.parametrize("gather", GATHERS)
def test_what_a_host_is_sent_has_each_kind(gather: str) -> None:
    program = payload.build([(gather, {})], 10, "nonce").decode("ascii")

    sent, first = set(), b""
    for bundle in re.findall(r'^"([A-Za-z0-9+/=]+)"', program, re.MULTILINE):
        text = zlib.decompressobj(zdict=first).decompress(base64.b64decode(bundle))
        sent |= set(text.decode("utf-8").split("\0")[::2])
        first = first or text
    assert {f"{PACKAGE}.{name}" for name in FILES} <= sent


@pytest.mark.parametrize("gather", GATHERS[1:])
def test_each_topic_is_a_field_of_the_shape(gather: str) -> None:
    name = "".join(part.capitalize() for part in gather.split("_"))
    module = f"{payload.SHARED}.gather.databases._{gather}_shape"
    shape = getattr(importlib.import_module(module), name)
    topics = {topic for one in registry.ENGINES.values() for topic in one.topics.get(gather, ())}

    assert {one.name for one in dataclasses.fields(shape)} == topics | ABOUT | NOTES
