"""A host that answers whatever a test wants: its Python is a program that says it."""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any

from lab.fleet import Fleet

INTERPRETER = "/usr/local/sbin/hostile-python"
BEHAVIOUR = "/etc/lab/hostile.py"
PROGRAM = """\
#!/usr/bin/python3
import json, os, re, subprocess, sys, time

arguments = sys.argv[1:]
if "-c" in arguments:  # whoever asks first if this is a Python
    os.execv("/usr/bin/python3", ["python3", *arguments])
observe = "-I" in arguments
given = sys.stdin.buffer.read()

def real():
    # What the host's own Python would have answered.
    return subprocess.run(["/usr/bin/python3", *arguments], input=given, stdout=subprocess.PIPE).stdout

def say(answer):
    sys.stdout.buffer.write(answer)
    sys.stdout.buffer.flush()

def changed(change):
    # The real answer, with its document changed and a frame around it that is right.
    answer = real().decode()
    nonce = re.search("^upkeep ([0-9a-f]+) answer ", answer, re.MULTILINE).group(1)
    begin = answer.index("\\n", answer.index("upkeep " + nonce + " answer ")) + 1
    end = answer.index("\\nupkeep " + nonce + " end", begin)
    head, *parts = answer[begin:end].split("\\n")
    document = dict(json.loads(head), answers=[json.loads(part) for part in parts if part])
    change(document)
    answers = document.pop("answers")
    lines = [document] + (answers if isinstance(answers, list) else [answers])
    text = "\\n".join(map(json.dumps, lines))
    say(("\\nupkeep %s answer %d\\n%s\\nupkeep %s end\\n" % (nonce, len(text), text, nonce)).encode())

behaviour = {"observe": lambda: say(real()), "job": lambda: say(b'{"changed": false}')}
exec(open("/etc/lab/hostile.py").read())
behaviour["observe" if observe else "job"]()
"""


def install(fleet: Fleet, host: str) -> None:
    """Give the host its program."""
    fleet.run(
        host,
        "sh",
        "-c",
        f"cat > {INTERPRETER}; chmod 755 {INTERPRETER}; : > {BEHAVIOUR}",
        input_text=PROGRAM,
    )


def behave(fleet: Fleet, host: str, code: str) -> None:
    """Let the host answer by this code, which changes `behaviour`; an empty one is a good host."""
    fleet.run(host, "sh", "-c", f"cat > {BEHAVIOUR}", input_text=code)


def frame(content: Any) -> str:
    """Return the frame that makes ansible-runner believe an event."""
    text = base64.b64encode(json.dumps(content).encode()).decode()
    parts = [text[at : at + 78] for at in range(0, len(text), 78)]
    return "\x1b[K" + "".join(f"{part}\x1b[{len(part)}D" for part in parts) + "\x1b[K"


def event(kind: str, number: str = "", **data: Any) -> dict[str, Any]:
    """Return an event as Ansible's callback would write it, of the task that observes."""
    same = {"task": "Observe what is due", "task_action": "astral.upkeep.observe"}
    same |= {"resolved_action": "astral.upkeep.observe", "play": "Check every host"}
    return {"uuid": number or str(uuid.uuid4()), "event": kind, "event_data": same | data}


def answer(host: Any, *results: dict[str, Any]) -> dict[str, Any]:
    """Return what `observe` gives of a host, with these verdicts."""
    return {
        "version": 1,
        "host": host,
        "outcome": "ok",
        "observed_at": "2030-01-01T00:00:00+00:00",
        "message": "",
        "seconds": 1.0,
        "python": "3.11.2",
        "clock_offset_seconds": 0.0,
        "requests": [],
        "due": [],
        "seen": [],
        "results": list(results),
        "asked": ["*"],
    }


def passed(host: Any, check: str, subject: str) -> dict[str, Any]:
    """Return a verdict that all is well."""
    return {
        "host": host,
        "check": check,
        "subject": subject,
        "status": "pass",
        "severity": None,
        "message": "all is well",
        "remedy": "",
        "measures": [],
        "controls": [],
        "observed_at": None,
        "evidence_sha256": "",
        "observation": None,
    }
