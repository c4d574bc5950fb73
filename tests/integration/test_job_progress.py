"""What a long job does is shown while it works: over each way to a host, with the driver and without it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from integration.conftest import Sites, Upkeep
from lab.fleet import Fleet
from patience import eventually

import ansible_collections

MODULE = """\
import os
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.progress import ProgressFile

module = AnsibleModule(argument_spec={"signs": {"type": "path"}}, supports_check_mode=True)
signs = module.params["signs"]
file = ProgressFile(os.path.join(signs, "progress.json"))
for step, share in (("first", None), ("second", 0.4)):
    file.tell({"title": "turning stones", "number": 2, "of": 3, "step": step, "share": share})
    print("turning stones (2 of 3): of no worker")
    while not os.path.exists(os.path.join(signs, step)):
        time.sleep(0.05)
file.end()
module.exit_json(changed=False)
"""
ACTION = """\
from ansible.plugins.action.normal import ActionModule as NormalAction
from ansible_collections.astral.upkeep.plugins.plugin_utils.progress import shown_progress


class ActionModule(NormalAction):
    def run(self, tmp=None, task_vars=None):
        with shown_progress(self, task_vars, self._task.args["signs"] + "/progress.json"):
            return super().run(tmp, task_vars)
"""
HOSTS: dict[str, dict[str, Any]] = {
    "here": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable},
    "web1": {},
    "db1": {"ansible_python_interpreter": "/usr/bin/python3", "ansible_pipelining": False},
    "plain1": {
        "ansible_user": "opspw",
        "ansible_become": True,
        "ansible_become_password": "lab-secret-opspw",
        "ansible_pipelining": False,
    },
    "plain2": {
        "ansible_user": "ops",
        "ansible_become": True,
        "ansible_become_method": "su",
        "ansible_become_password": "lab-secret-root",
    },
}
SHOWN = [name for name in HOSTS if name != "plain2"]
"""By su nothing can be asked beside the job: it needs a terminal."""
FIRST, SECOND = "turning stones (2 of 3): first", "turning stones (2 of 3): second, 40 %"


class Stones:
    """A site with a job that goes on to its next step when a file is there."""

    def __init__(self, upkeep: Upkeep, fleet: Fleet, folder: Path) -> None:
        self.upkeep, self.fleet = upkeep, fleet
        self.signs = {name: Path("/tmp/signs") for name in HOSTS} | {"here": folder / "signs"}
        self.playbook = upkeep.site / "playbooks" / "stones.yml"
        for name, text in (("library", MODULE), ("action_plugins", ACTION)):
            (upkeep.site / "playbooks" / name).mkdir(parents=True)
            (upkeep.site / "playbooks" / name / "stones.py").write_text(text)
        task = {"name": "Turn them", "stones": {"signs": "{{ signs }}"}}
        play = {"name": "Stones", "hosts": "all", "gather_facts": False, "tasks": [task]}
        self.playbook.write_text(yaml.safe_dump([play]))
        procedures = {"stones": {"title": "Stones", "playbook": "playbooks/stones.yml"}}
        (upkeep.site / "schedule.yml").write_text(yaml.safe_dump({"procedures": procedures}))
        variables = upkeep.site / "inventory" / "host_vars"
        variables.mkdir()
        for name, given in HOSTS.items():
            said = {**given, "signs": str(self.signs[name])}
            (variables / f"{name}.yml").write_text(yaml.safe_dump(said))
            self.on(name, f"umask 022; rm -rf {self.signs[name]}; mkdir {self.signs[name]}")

    def on(self, host: str, script: str) -> None:
        if host == "here":
            subprocess.run(["sh", "-c", script], check=True)
        else:
            self.fleet.run(host, "sh", "-c", script)

    def go_on(self, step: str) -> None:
        """Let the job end that step, on all hosts."""
        for name, folder in self.signs.items():
            self.on(name, f"touch {folder}/{step}")

    @contextlib.contextmanager
    def said(
        self, command: list[str], environ: dict[str, str]
    ) -> Iterator[tuple[list[str], Callable[[], int]]]:
        """Start a command; give the lines that it has printed so far, and what waits for its status."""
        started = subprocess.Popen(
            command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        lines: list[str] = []
        out = started.stdout
        assert out is not None
        reader = threading.Thread(
            target=lambda: [lines.append(one.rstrip()) for one in iter(out.readline, "")]
        )
        reader.start()
        try:
            yield lines, started.wait
        finally:
            for step in ("first", "second"):
                self.go_on(step)
            started.wait()
            reader.join()
            out.close()
            print(*lines, sep="\n")  # shown by pytest if the test fails


@pytest.fixture
def stones(site: Sites, fleet: Fleet, tmp_path: Path) -> Stones:
    return Stones(site({name: [] for name in HOSTS}), fleet, tmp_path)


def by_driver(stones: Stones) -> tuple[list[str], dict[str, str]]:
    return stones.upkeep.command("run", "stones"), stones.upkeep.environ


def by_ansible(stones: Stones) -> tuple[list[str], dict[str, str]]:
    inventory = str(stones.upkeep.site / "inventory")
    playbook = [str(Path(sys.executable).with_name("ansible-playbook")), str(stones.playbook)]
    collections = str(Path(next(iter(ansible_collections.__path__))).parent)
    environ = {**stones.upkeep.environ, "ANSIBLE_COLLECTIONS_PATH": collections}
    environ["PYTHONUNBUFFERED"] = "1"  # into a pipe, Ansible says nothing before it has much to say
    return [*playbook, "-i", inventory, "-f", "6"], environ


@pytest.mark.parametrize("started", [by_driver, by_ansible])
def test_each_step_is_a_line_while_the_job_works(
    stones: Stones, started: Callable[[Stones], tuple[list[str], dict[str, str]]]
) -> None:
    with stones.said(*started(stones)) as (lines, ended):
        for text, step in ((FIRST, "first"), (SECOND, "second")):
            expected = {f"{name}: {text}" for name in SHOWN}
            eventually(lambda wanted=expected: wanted <= set(lines))
            stones.go_on(step)
        ended()

    told = [one for one in lines if "turning stones" in one]
    assert len(told) == len(set(told))
    assert not [one for one in told if one.startswith("plain2") or "no worker" in one]


def test_nothing_is_shown_of_a_job_that_only_says_what_it_would_do(stones: Stones) -> None:
    for step in ("first", "second"):
        stones.go_on(step)

    command, environ = by_driver(stones)
    done = subprocess.run([*command, "--check"], env=environ, capture_output=True, text=True)

    assert "turning stones" not in done.stdout + done.stderr
