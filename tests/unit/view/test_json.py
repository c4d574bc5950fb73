from __future__ import annotations

import json
from dataclasses import replace

import pytest
import view_samples
from jsonschema import Draft202012Validator

from upkeep.model.answer import Outcome
from upkeep.model.verdicts import Measure
from upkeep.view.json import dumps, run_document, schema
from upkeep.view.model import HostInRun, RunTally


def validate(document):
    Draft202012Validator.check_schema(schema())
    Draft202012Validator(schema()).validate(document)


def made(*, hosts=8, changes=None, **options):
    tally, names, results = RunTally(), [], []
    for observed in view_samples.hosts(hosts, options.pop("failing", 4), **options):
        tally.add(observed)
        names.append(HostInRun.of(observed))
        results += observed.results
    return run_document(view_samples.summary(tally, **(changes or {})), names, results)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"hosts": 0, "changes": {"status": "failed", "cause": "no hosts", "id": None}},
        {"failing": 8, "hostile": True},
        {"unseen": 2},
        {"changes": {"status": "running", "ended_at": None}},
    ],
    ids=["usual", "nothing", "hostile", "unseen", "running"],
)
def test_documents_are_what_the_schema_says(options):
    document = made(**options)

    validate(json.loads(dumps(document)))


def test_the_document_says_how_the_run_stands():
    document = made(hosts=8, failing=4, unseen=1)

    assert document["version"] == 1
    assert document["run"]["exit_status"] == 3
    assert document["counts"]["hosts"] == {
        "ok": 7, "unreachable": 1, "timed_out": 0, "failed": 0, "not_begun": 0, "skipped": 0,
    }  # fmt: skip
    assert document["counts"]["hosts_in_need"] == 5
    assert document["counts"]["results"]["pass"] == sum(
        result["status"] == "pass" for result in document["results"]
    )


def test_host_text_stays_to_the_letter_and_its_control_characters_do_not_reach_a_terminal():
    text = "a\x1b]52;c;x\x07\x9b\x7f\u202e<script>{{ 7 * 7 }}\n"
    observed = next(view_samples.hosts(1, 1))
    results = [replace(observed.results[0], subject=text)]

    printed = dumps(run_document(view_samples.summary(RunTally()), [], results))

    assert json.loads(printed)["results"][0]["subject"] == text
    assert printed.replace("\n", "").isprintable()
    assert printed.isascii()


def test_what_is_no_number_is_null():
    observed = next(view_samples.hosts(1, 0))
    measures = (Measure("a", float("nan")), Measure("b", float("inf")), Measure("c", 1.5))
    host = replace(HostInRun.of(observed), clock_offset_seconds=float("nan"))

    document = run_document(
        view_samples.summary(RunTally()), [host], [replace(observed.results[0], measures=measures)]
    )

    validate(json.loads(dumps(document)))
    assert [m["value"] for m in document["results"][0]["measures"]] == [None, None, 1.5]
    assert document["hosts"][0]["clock_offset_seconds"] is None


def test_the_schema_rejects_what_is_not_in_it():
    document = made()
    document["results"][0]["verdict"] = "fine"

    errors = list(Draft202012Validator(schema()).iter_errors(document))

    assert [error.validator for error in errors] == ["additionalProperties"]


def test_the_schema_knows_every_outcome():
    known = schema()["properties"]["hosts"]["items"]["properties"]["outcome"]["enum"]

    assert known == [outcome.value for outcome in Outcome]
