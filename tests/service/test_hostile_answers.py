"""Hosts that answer what no host of ours would, in one real run beside hosts that are well."""

from __future__ import annotations

import base64
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import warm
import yaml

CHECKS = ["memory_available", "reboot_pending"]
SHIM = """\
#!{python}
import json, os, re, sys, time
if "-c" in sys.argv:
    sys.exit(0)
program = sys.stdin.buffer.read()
nonce = re.search(rb'"nonce": "([0-9a-f]{{32}})"', program).group(1).decode()
out = sys.stdout

def frame(*lines):
    body = "\\n".join(lines)
    out.write("\\nupkeep %s answer %d\\n%s\\nupkeep %s end\\n" % (nonce, len(body), body, nonce))

def seen(data, **more):
    more.setdefault("subject", "memory")
    text = json.dumps({{"observations": [dict(more, data="DATA")], "error": ""}})
    return text.replace('"DATA"', data)

HEAD = json.dumps({{"python": "3.11.2", "clock": time.time()}})
WELL = json.dumps({{"observations": [], "error": ""}})
{body}
"""


def event(host: str, event: str) -> str:
    """Return what ansible-runner takes for an event of Ansible, wherever it stands in Ansible's text."""
    data = {
        "uuid": "00000000-0000-4000-8000-000000000000",
        "event": event,
        "event_data": {"host": host, "res": {"unreachable": True, "msg": "made up"}},
    }
    text = base64.b64encode(json.dumps(data).encode()).decode()
    return f"\x1b[K{text}\x1b[{len(text)}D\x1b[K"


PART = "its answer cannot be read: "
WHOLE = "the host's answer cannot be read: "
ENDED = "the program ended with status "
EVENTS = event("invented", "runner_on_unreachable") + event("", "playbook_on_no_hosts_matched")
HOSTILE: dict[str, tuple[str, str, str]] = {
    # name: what it does, its outcome, what is said of memory_available
    "deep": ("frame(HEAD, seen('{\"a\": ' + '[' * 250 + ']' * 250 + '}'), WELL)", "ok",
             PART + "nested deeper than 64"),
    "deepest": ("frame(HEAD, '[' * 500_000, WELL)", "ok", PART + "nested deeper than 64"),
    "large": ("frame(HEAD, seen('{}', raw='x' * 86_000_000), WELL)", "failed",
              "its answer is larger than 16 MB"),
    "endless": ("while True: out.write('x' * 65536)", "failed", "its answer is larger than 16 MB"),
    "large-part": ("frame(HEAD, seen('{}', raw='x' * 5_000_000), WELL)", "ok",
                   "bytes of observations, at most 600000"),
    "nan": ("frame(HEAD, seen('{\"a\": NaN}'), WELL)", "ok", PART + "the number NaN"),
    "digits": ("frame(HEAD, seen('{\"a\": ' + '9' * 5000 + '}'), WELL)", "ok", PART + "not JSON"),
    "shape": ("frame(HEAD, seen('{}', subject=[]), WELL)", "ok",
              PART + "subject is a list; expected a text"),
    "parts": ("frame(HEAD, WELL)", "failed", WHOLE + "1 parts; expected 2"),
    "twice": ("frame(HEAD, WELL, WELL)\nframe(HEAD, WELL, WELL)", "failed",
              ENDED + "0 and more than one answer"),
    "marks": ("out.write('\\nupkeep:no-python\\n<<<upkeep:1\\n{}\\nupkeep:1>>>\\n')", "failed",
              ENDED + "0 and no answer"),
    "events": (f"sys.stderr.write({EVENTS!r})\nout.write({EVENTS!r})\nsys.exit(3)", "failed",
               ENDED + "3 and no answer: "),
    "event-in-error": (
        "frame(HEAD, json.dumps({'observations': [], 'error': " + repr(EVENTS) + "}), WELL)",
        "ok", "host_resources: \\x1b[K"),
    "surrogate": ("frame(HEAD, seen('{}', error='\\ud800'), WELL)", "ok", "\\ud800"),
}  # fmt: skip


def write_site(folder: Path) -> Path:
    hosts: dict[str, Any] = {}
    for name, (body, _outcome, _said) in HOSTILE.items():
        shim = folder / f"{name}.py"
        shim.write_text(SHIM.format(python=sys.executable, body=body))
        shim.chmod(0o755)
        hosts[name] = {"ansible_python_interpreter": str(shim)}
    for name in ("well1", "well2"):
        hosts[name] = {"ansible_python_interpreter": sys.executable}
    site = folder / "site"
    (site / "inventory").mkdir(parents=True)
    variables = {"ansible_connection": "local", "upkeep_checks_all": CHECKS}
    inventory = {"all": {"vars": variables, "hosts": hosts}}
    (site / "inventory" / "hosts.yml").write_text(yaml.safe_dump(inventory))
    procedure = {
        "title": "Daily procedure",
        "playbook": "astral.upkeep.observe",
        "rule": "FREQ=DAILY;BYHOUR=3;BYMINUTE=0",
        "time_zone": "UTC",
        "owner": "DevSecOps",
        "duration": "30 min",
    }
    (site / "schedule.yml").write_text(yaml.safe_dump({"procedures": {"daily": procedure}}))
    (site / "upkeep.toml").write_text(f'state = "{folder}/state"\nforks = 3\n')
    return site


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One run of all these hosts."""
    folder = tmp_path_factory.mktemp("hostile")
    site = write_site(folder)
    environ = {**os.environ, "UPKEEP_WORKSPACE": str(folder / "work")}
    done = warm.run(["run", "daily", "-i", str(site), "--json"], env=environ)
    assert done.returncode == 3, done.stdout[-3000:] + done.stderr[-3000:]
    made: dict[str, Any] = json.loads(done.stdout)
    return made


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_answer_is_unknown_with_its_reason(document: dict[str, Any], name: str) -> None:
    _body, outcome, said = HOSTILE[name]
    (host,) = [one for one in document["hosts"] if one["name"] == name]
    results = {one["check"]: one for one in document["results"] if one["host"] == name}

    assert host["outcome"] == outcome, host
    assert results["memory_available"]["status"] == "unknown"
    text = results["memory_available"]["message"]
    assert said in text
    assert host["message"].isprintable()


def test_the_run_knows_these_hosts_and_no_other_and_those_that_are_well_are(
    document: dict[str, Any],
) -> None:
    assert {one["name"] for one in document["hosts"]} == {*HOSTILE, "well1", "well2"}
    well = {
        (one["host"], one["check"], one["status"])
        for one in document["results"]
        if one["host"].startswith("well") and one["check"] == "memory_available"
    }
    assert {(host, check) for host, check, _status in well} == {
        ("well1", "memory_available"),
        ("well2", "memory_available"),
    }
    assert all(status != "unknown" for _host, _check, status in well)
    assert document["run"]["status"] == "partial"
