"""One call, one answer: only what the call's nonce marks decides, and nothing that comes back fills the controller."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import psutil
import pytest
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from patience import PATIENCE_SECONDS

from ansible_collections.astral.upkeep.plugins.module_utils.host.program import framed, mark
from ansible_collections.astral.upkeep.plugins.plugin_utils import transport

NONCE, OTHER = "0123456789abcdef" * 2, "f" * 32
ANSWER = '{"head": 1}\n{"part": "' + mark(OTHER, "end") + ' upkeep:no-python"}'
FRAME = framed(NONCE, ANSWER.encode().split(b"\n")).decode()
NO_PYTHON = f"\n{mark(NONCE, 'no-python')}\n"


def read(output: str, error: str = "", status: int = 0, interpreter: str = "") -> str:
    given = {"stdout": output, "stderr": error, "rc": status}
    carried = transport._read(given, NONCE, interpreter, str, time.monotonic())
    assert bool(carried.answer) != bool(carried.problem)
    return carried.answer or carried.problem


def cut(at: int) -> str:
    return FRAME[:at]


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (FRAME, ANSWER),
        ("Welcome to this host\n" + FRAME, ANSWER),
        ("half a line" + FRAME, ANSWER),
        ("BECOME-SUCCESS-x\nmotd \x1b[2J\n" + FRAME, ANSWER),
        (FRAME + "logout\n", ANSWER),
        (FRAME.rstrip("\n"), ANSWER),
        (FRAME.lstrip("\n"), ANSWER),
        (FRAME.replace("\n", "\r\n"), ANSWER),
        ("banner\r\n" + FRAME.replace("\n", "\r\n") + "logout\r\n", ANSWER),
        (NONCE + "\n" + f'plan = "nonce": "{NONCE}"\n' + FRAME, ANSWER),
        (f"upkeep:no-python\n{mark(OTHER, 'no-python')}\n" + FRAME, ANSWER),
        (FRAME + f"upkeep:no-python\n{mark(OTHER, 'no-python')}\n", ANSWER),
        (f"said: {mark(NONCE, 'no-python')}\n" + FRAME, ANSWER),
        (FRAME.replace(NONCE, OTHER) + FRAME, ANSWER),
        (FRAME + FRAME.replace(NONCE, OTHER), ANSWER),
        (framed(NONCE, [FRAME.replace(NONCE, OTHER).encode()]).decode(),
         FRAME.replace(NONCE, OTHER)),
    ],
    ids=[
        "alone",
        "a banner before it",
        "half a line before it",
        "control characters before it",
        "text after it",
        "no line feed at its end",
        "no line feed at its beginning",
        "through a terminal",
        "through a terminal, with a banner",
        "standard input echoed",
        "no-Python lines of others before it",
        "no-Python lines of others after it",
        "its mark within a line",
        "an old answer before it",
        "an old answer after it",
        "an old answer within it",
    ],
)  # fmt: skip
def test_the_answer_is_what_its_nonce_marks(output: str, expected: str) -> None:
    assert read(output) == expected


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("", "no answer"),
        ("Welcome\n", "no answer"),
        ("upkeep:no-python\n", "no answer"),
        (f"{mark(OTHER, 'no-python')}\n", "no answer"),
        (FRAME.replace(NONCE, OTHER), "no answer"),
        (FRAME.replace("\nupkeep", "\n upkeep"), "no answer"),
        (FRAME + FRAME, "more than one answer"),
        (FRAME + NO_PYTHON, "more than one answer"),
        (NO_PYTHON + FRAME, "more than one answer"),
        (NO_PYTHON + NO_PYTHON, "an incomplete answer"),
        (cut(60), "an incomplete answer"),
        (cut(len(FRAME) - 40), "an incomplete answer"),
        (cut(len(FRAME) - 3), "an incomplete answer"),
        (FRAME.replace(f"answer {len(ANSWER)}", "answer"), "an answer without a length"),
        (FRAME.replace(f"answer {len(ANSWER)}", "answer -1"), "an answer without a length"),
        (FRAME.replace(f"answer {len(ANSWER)}", "answer ²"), "an answer without a length"),
        (FRAME.replace(f"answer {len(ANSWER)}", "answer 1 2"), "an answer without a length"),
        (
            FRAME.replace(f"answer {len(ANSWER)}", "answer 9"),
            f"an answer of {len(ANSWER)} characters; expected 9",
        ),
        (
            FRAME.replace(f"answer {len(ANSWER)}", "answer 16000001"),
            "an answer of 16000001 bytes, at most 16000000",
        ),
        (FRAME.replace('"head"', '"hea'), f"an answer of {len(ANSWER) - 2} characters"),
        ((mark(NONCE, "x") + "\n") * 400_000, "more than one answer"),
        (mark(NONCE, "x") * 400_000, "an incomplete answer"),
    ],
    ids=[
        "empty",
        "a banner alone",
        "the no-Python line of old",
        "the no-Python line of another call",
        "the answer of another call",
        "marks that do not begin their lines",
        "twice",
        "no Python after it",
        "no Python before it",
        "no Python twice",
        "cut in its head",
        "cut in its last part",
        "cut in its last mark",
        "no length",
        "a negative length",
        "a length of no digits",
        "two lengths",
        "a length that is too small",
        "a length that is too large",
        "characters lost",
        "marks without an end",
        "marks without an end in one line",
    ],
)
def test_what_is_not_just_one_whole_answer_is_none(output: str, reason: str) -> None:
    text = read(output, error="the last words\n", status=3)

    assert text.startswith(f"the program ended with status 3 and {reason}")
    assert text.endswith(": the last words")


@pytest.mark.parametrize(
    ("output", "interpreter", "wanted"),
    [
        (NO_PYTHON, "", "Python"),
        (NO_PYTHON.replace("\n", "\r\n"), "", "Python"),
        ("Welcome" + NO_PYTHON + "logout", "", "Python"),
        (NO_PYTHON, "/opt/py", "/opt/py (from ansible_python_interpreter)"),
    ],
    ids=["alone", "through a terminal", "talk around it", "one that the inventory names"],
)
def test_no_python_is_told(output: str, interpreter: str, wanted: str) -> None:
    text = read(output, "noise", 127, interpreter)

    assert text == f"no usable {wanted}: 3.8 or later is needed"


def test_only_the_tail_of_standard_error_is_quoted_and_cleaned_before_it_is_cut() -> None:
    given = {"stdout": "not this", "stderr": "x" * 5000 + "\n" + "secret" * 60 + "\x1b[K", "rc": 1}

    def clean(text: str) -> str:
        return text.replace("secret" * 60, "********").replace("\x1b", "ESC")

    carried = transport._read(given, NONCE, "", clean, time.monotonic())

    assert carried.problem.endswith("x\n********ESC[K")
    assert len(carried.problem) < 400


def carry(execute: Callable[..., dict[str, Any]], timeout_seconds: float = 60) -> Any:
    return transport.carry(execute, b"pass", NONCE, "", timeout_seconds, str)


def test_the_nonce_goes_first_on_standard_input_and_is_not_in_the_command() -> None:
    asked: dict[str, Any] = {}

    def execute(script: str, **others: Any) -> dict[str, Any]:
        asked.update(others, script=script)
        return {"stdout": FRAME, "stderr": "", "rc": 0}

    carried = carry(execute)

    assert carried.answer == ANSWER
    assert asked["in_data"] == NONCE.encode() + b"\npass"
    assert NONCE not in asked["script"]


def test_each_call_has_a_nonce_of_its_own() -> None:
    made = {transport.new_nonce() for _number in range(1000)}

    assert len(made) == 1000
    assert {len(nonce) for nonce in made} == {32}


@pytest.mark.parametrize(
    ("raised", "kind", "problem"),
    [
        (
            AnsibleConnectionFailure(
                'Data could not be sent to remote host "h". Make sure this host can be reached over'
                " ssh: banner: can be reached over ssh: no route"
            ),
            "unreachable",
            "banner: can be reached over ssh: no route",
        ),
        (AnsibleConnectionFailure("refused"), "unreachable", "refused"),
        (AnsibleError("Incorrect sudo password"), "failed", "Incorrect sudo password"),
        (OSError("disk"), "failed", "OSError: disk"),
        (
            UnicodeDecodeError("utf-8", b"\xff", 0, 1, "odd"),
            "failed",
            "UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff in position 0: odd",
        ),
        (MemoryError(), "failed", "its answer is larger than 16 MB"),
        (transport.TooMuch(), "failed", "its answer is larger than 16 MB"),
    ],
    ids=["ssh", "connection", "become", "system", "codec", "no memory", "too much"],
)
def test_whatever_a_connection_raises_is_a_reason(
    raised: BaseException, kind: str, problem: str
) -> None:
    def execute(_script: str, **_others: Any) -> dict[str, Any]:
        raise raised

    carried = carry(execute)

    assert (carried.kind, carried.problem) == (kind, problem)


def test_who_asks_to_stop_is_heard() -> None:
    def execute(_script: str, **_others: Any) -> dict[str, Any]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carry(execute)


def collecting(command: list[str], started: list[subprocess.Popen[bytes]]) -> Any:
    """Return an execution that collects without an end, as Ansible's connection plugins do."""

    def execute(_script: str, **_others: Any) -> dict[str, Any]:
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        started.append(process)
        chunks = []
        with process.stdout as stream:
            while chunk := stream.read(1 << 16):
                chunks.append(chunk)
        data = b"".join(chunks)
        chunks.clear()
        text = data.decode("ascii")
        lines = text.strip().splitlines()
        return {"stdout": text, "stdout_lines": lines, "stderr": "", "rc": process.wait()}

    return execute


def test_an_answer_without_an_end_is_given_up_and_who_gives_it_is_ended() -> None:
    started: list[subprocess.Popen[bytes]] = []
    before = transport._own_memory()

    carried = carry(collecting(["yes", "x" * 100], started))

    assert (carried.kind, carried.problem) == ("failed", "its answer is larger than 16 MB")
    started[0].wait(60)  # psutil has taken its status
    assert not psutil.pid_exists(started[0].pid)
    assert transport._own_memory() - before < 400 << 20


@pytest.fixture
def free_alarm() -> Iterator[None]:
    """Without the timer of pytest's own timeout: a task with a timeout of its own has that one only."""
    left, _interval = signal.setitimer(signal.ITIMER_REAL, 0)
    yield
    signal.setitimer(signal.ITIMER_REAL, left)


@pytest.mark.usefixtures("free_alarm")
def test_a_host_that_never_answers_is_given_up() -> None:
    started: list[subprocess.Popen[bytes]] = []

    carried = carry(collecting(["sleep", "1000"], started), timeout_seconds=1)

    assert (carried.kind, carried.problem[:10]) == ("timed_out", "no answer ")
    started[0].wait(60)  # psutil has taken its status
    assert not psutil.pid_exists(started[0].pid)


def carry_the_largest() -> tuple[str, int]:
    size = transport.ANSWER_LIMIT_BYTES
    frame = framed(NONCE, [b"%s"]).decode().replace("answer 2", f"answer {size}")
    program = f"print({frame!r} % ('x' * {size}))"
    carried = carry(collecting([sys.executable, "-c", program], []))
    return carried.problem, len(carried.answer)


def test_the_largest_answer_is_let_through() -> None:
    # In a process of its own, as a worker of Ansible is: here other tests' memory comes and goes.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as worker:
        carried = worker.submit(carry_the_largest).result(PATIENCE_SECONDS)

    assert carried == ("", transport.ANSWER_LIMIT_BYTES)
