# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What health endpoints answer, and how long each step of it takes."""

from __future__ import annotations

import contextlib
import json
import math
import re
from typing import Any, Iterator

from ansible_collections.astral.upkeep.plugins.module_utils.host.connect import (
    NoAnswerError,
    client_context,
    side_by_side,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from ansible_collections.astral.upkeep.plugins.module_utils.host.urls import labels, masked
from ansible_collections.astral.upkeep.plugins.module_utils.host.web import (
    HttpAnswer,
    HttpAsk,
    fetch,
    split_url,
)

SOURCES = ("site",)
ARGUMENTS: dict[str, dict[str, Any]] = {
    "source": {"type": "str", "default": ""},
    "urls": {"type": "list", "elements": "str", "default": []},
    "method": {"type": "str", "default": "GET"},
    "headers": {"type": "dict", "default": {}, "no_log": True},
    "body": {"type": "str", "default": "", "no_log": True},
    "json": {"type": "dict", "default": {}},
    "contains": {"type": "str", "default": ""},
    "tries": {"type": "int", "default": 3},
    "timeout_seconds": {"type": "float", "default": 10.0},
    "redirects": {"type": "int", "default": 0},
    "redirect_hosts": {"type": "list", "elements": "str", "default": []},
    "keep_body": {"type": "bool", "default": False},
    "verify": {"type": "bool", "default": True},
    "ca_file": {"type": "path", "default": ""},
    "server_name": {"type": "str", "default": ""},
    "connect_to": {"type": "str", "default": ""},
    "limit_bytes": {"type": "int", "default": 1_000_000},
}
TIMEOUT_SECONDS = 75
NETWORK = True
OWN_SECONDS = 70.0
MOST_TRIES = 20
RAW_LIMIT_CHARACTERS = 16_000
RAW_LIMIT_BYTES = 17_000
COMPONENTS = 100
TEXT_CHARACTERS = 200
DEPTH = 6
NUMBER_DIGITS = 300
HIDDEN_HEADERS = re.compile(
    r"cookie|auth|token|secret|passw|key|session|credential|signature|csrf|xsrf|jwt|nonce",
    re.IGNORECASE,
)
"""In the names of headers whose values may let somebody in."""
PLAIN_STATE = re.compile(r"[A-Za-z][A-Za-z _-]{0,29}")


class UnreadableError(ValueError):
    """JSON that is meant to harm, or means two things."""


def gather(params: dict[str, Any], host: Host) -> list[Observation]:
    """Return one observation per URL: a try's outcome and times for each try, the document's values for the last."""
    urls = list(dict.fromkeys(params["urls"]))
    hosts = (*_hosts(urls), *params["redirect_hosts"])
    tried = side_by_side(lambda url: _observe(url, params, hosts, host), urls, OWN_SECONDS)
    return [
        Observation(subject, _data(one), one["raw"], one["error"])
        if isinstance(one, dict)
        else Observation(subject, error=_why(one))
        for subject, one in zip(labels(urls).values(), tried)
    ]


def _data(one: dict[str, Any]) -> dict[str, Any]:
    return {} if one["error"] else one["data"]


def _why(one: Any) -> str:
    """Return why an endpoint could not be looked at."""
    if one is None:
        return f"not checked within {OWN_SECONDS:g} s"
    return str(one) or type(one).__name__


def _hosts(urls: list[str]) -> Iterator[str]:
    """Yield the hosts of the URLs that are any."""
    for url in urls:
        with contextlib.suppress(ValueError):
            yield split_url(url).hostname or ""


def _observe(
    url: str, params: dict[str, Any], hosts: tuple[str, ...], host: Host
) -> dict[str, Any]:
    """Return data, raw and error of one endpoint.

    Raises: NoAnswerError or ValueError if it cannot be asked at all.
    """
    split_url(url)
    ask = HttpAsk(
        url,
        client_context(params["verify"], params["ca_file"]),
        method=params["method"].upper(),
        headers={str(name): str(value) for name, value in params["headers"].items()},
        body=params["body"],
        timeout_seconds=params["timeout_seconds"],
        limit_bytes=params["limit_bytes"],
        redirects=params["redirects"],
        server_name=params["server_name"],
        connect_to=params["connect_to"],
        hosts=hosts,
    )
    tries: list[dict[str, Any]] = []
    last: HttpAnswer | None = None
    for _number in range(min(max(params["tries"], 1), MOST_TRIES)):
        try:
            last = fetch(host, ask)
        except NoAnswerError as exc:
            tries.append({"stage": exc.stage, "problem": str(exc)[:500]})
            continue
        entry: dict[str, Any] = {"status": last.status}
        entry.update({f"{step}_seconds": round(spent, 6) for step, spent in last.seconds.items()})
        if last.stopped:
            entry["problem"] = last.stopped
        tries.append(entry)
    if last is None and all(one["stage"] == "resolver" for one in tries):
        return {"data": {}, "raw": "", "error": f"the host's resolver: {tries[-1]['problem']}"}
    data: dict[str, Any] = {"tries": tries, "verified": bool(params["verify"])}
    if way := _way(params):
        data["way"] = way
    raw = ""
    if last is not None:
        data.update(_content(last, params))
        raw = _raw(last, data, params["keep_body"])
    return {"data": data, "raw": raw, "error": ""}


def _way(params: dict[str, Any]) -> dict[str, str]:
    """Return how the endpoint is asked otherwise than plainly, so that people can ask it alike. Headers stay secret."""
    way = {name: str(params[name]) for name in ("connect_to", "ca_file") if params[name]}
    if params["method"].upper() != "GET":
        way["method"] = params["method"].upper()
    return way


def _raw(answer: HttpAnswer, data: dict[str, Any], keep_body: bool) -> str:
    """Return the last answer as evidence: its headers without secrets, and what was asked of its body.

    The body itself only where the site asks for it: what an endpoint tells a program is not for all who read evidence.
    """
    lines = [f"{answer.status} {answer.reason}"]
    lines += [
        f"{name}: {value}" for name, value in answer.headers if not HIDDEN_HEADERS.search(name)
    ]
    asked = [
        f"{one['path']} = {json.dumps(one['value']) if one['found'] else 'not there'}"
        for one in data.get("json", [])
    ]
    if "contains" in data:
        found = "is there" if data["contains"]["found"] else "is not there"
        asked.append(f"{json.dumps(data['contains']['wanted'])} {found}")
    texts = ["\n".join(lines), "\n".join(asked)]
    if keep_body:
        texts.append(answer.body[:RAW_LIMIT_BYTES].decode("utf-8", "surrogateescape"))
    # Masked before it is cut: half a URL does not tell what was its password.
    return "\n\n".join(masked(text)[:RAW_LIMIT_CHARACTERS] for text in texts if text)


def _content(answer: HttpAnswer, params: dict[str, Any]) -> dict[str, Any]:
    """Return what the last answer holds, as far as it was asked for."""
    data: dict[str, Any] = {
        "url": answer.url,
        "redirected": answer.redirected,
        "protocol": answer.protocol,
        "body_bytes": len(answer.body),
        "body_truncated": answer.truncated,
    }
    if params["contains"]:
        wanted = params["contains"].encode("utf-8", "surrogateescape")
        data["contains"] = {"wanted": params["contains"], "found": wanted in answer.body}
    kind = next((value for name, value in answer.headers if name.lower() == "content-type"), "")
    if params["json"] or (answer.body and "json" in kind.lower()):
        try:
            document = parse_json(answer.body, answer.truncated)
        except UnreadableError as exc:
            data["json_unreadable"] = str(exc)
        except ValueError as exc:
            data["json_problem"] = str(exc)[:TEXT_CHARACTERS]
        else:
            data["components"] = components(document)
            data["components_cut"] = len(data["components"]) >= COMPONENTS
            data["json"] = [
                {
                    "path": str(path),
                    "wanted": wanted,
                    **_compared(find(document, str(path)), wanted),
                }
                for path, wanted in params["json"].items()
            ]
    return data


def _compared(found: dict[str, Any], wanted: Any) -> dict[str, Any]:
    """Return what was found; of a URL, whether it is the one that is wanted: masked, others look the same."""
    value = found.get("value")
    if not isinstance(value, str) or masked(value) == value:
        return found
    return {**found, "same": value in (wanted if isinstance(wanted, list) else [wanted])}


def parse_json(body: bytes, truncated: bool = False) -> Any:
    """Return the document.

    NaN and infinity are no JSON (RFC 8259, section 6); of a doubled name readers take the first, the last or neither
    (section 4).

    Raises: ValueError if it is no JSON, UnreadableError if no two readers would agree on it.
    """
    if truncated:
        raise UnreadableError(f"JSON of more than {len(body)} bytes")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise UnreadableError("JSON that is not UTF-8") from exc
    try:
        return json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_int=_integer,
            parse_float=_fraction,
        )
    except RecursionError:
        raise UnreadableError("JSON nested too deep") from None
    except json.JSONDecodeError as exc:
        raise ValueError(f"not JSON: {exc}") from exc


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object; refuse a name that comes twice."""
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        double = next(name for name, _value in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise UnreadableError(f"JSON with the name {double[:80]!r} twice in one object")
    return made


def _constant(name: str) -> Any:
    raise UnreadableError(f"JSON with {name}")


def _integer(text: str) -> int | float:
    """Return the number; thousands of digits would take minutes."""
    if len(text) > NUMBER_DIGITS:
        raise UnreadableError(f"JSON with a number of {len(text)} digits")
    return int(text)


def _fraction(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise UnreadableError(f"JSON with the number {text[:40]}")
    return number


def find(document: Any, path: str) -> dict[str, Any]:
    """Return what is at a path of names and indexes with dots, `components.db.status`; a name may itself have dots."""
    found, value = _walk(document, path.split(".") if path else [])
    return {"found": found, "value": _bounded(value)} if found else {"found": False}


def _walk(value: Any, parts: list[str]) -> tuple[bool, Any]:
    if not parts:
        return True, value
    if isinstance(value, list):
        index = parts[0]
        if index.isascii() and index.isdigit() and int(index) < len(value):
            return _walk(value[int(index)], parts[1:])
        return False, None
    if isinstance(value, dict):
        for length in range(1, len(parts) + 1):
            name = ".".join(parts[:length])
            if name in value:
                found = _walk(value[name], parts[length:])
                if found[0]:
                    return found
    return False, None


def _bounded(value: Any) -> Any:
    """Return a scalar as it is, of anything larger its start as text."""
    if isinstance(value, str):
        return value[:TEXT_CHARACTERS]
    if isinstance(value, (dict, list)):
        kind = "an object" if isinstance(value, dict) else "a list"
        return f"({kind} of {len(value)})"
    return value


def components(document: Any) -> list[dict[str, Any]]:
    """Return the states that the document tells, each with its path: what is called status, state or health.

    As in Spring Boot's actuator (`components.db.status`), draft-inadarei-api-health-check (`checks.x.0.status`),
    ASP.NET Core (`entries.x.status`) and documents that hold plain `"database": "up"` under a name such as `checks`.
    """
    found: list[dict[str, Any]] = []
    waiting: list[tuple[str, Any, bool]] = [("", document, False)]
    while waiting and len(found) < COMPONENTS:
        path, value, plain = waiting.pop(0)
        depth = path.count(".")
        if isinstance(value, dict):
            pairs = list(value.items())[:COMPONENTS]
        elif isinstance(value, list):
            pairs = [(str(index), one) for index, one in enumerate(value[:COMPONENTS])]
        else:
            continue
        for name, one in pairs:
            name = name[:80]
            place = f"{path}.{name}" if path else name
            told = name.lower() in ("status", "state", "health", "healthy")
            if _is_state(one, told, plain) and len(found) < COMPONENTS:
                found.append({"path": place, "state": _bounded(one)})
            elif isinstance(one, (dict, list)) and depth < DEPTH and len(waiting) < 1000:
                group = name.lower() in (
                    "checks",
                    "components",
                    "services",
                    "dependencies",
                    "details",
                    "entries",
                )
                waiting.append((place, one, group))
    return found


def _is_state(value: Any, told: bool, plain: bool) -> bool:
    """Return whether a value is a component's state: by its name, or because it is a plain word among components."""
    if isinstance(value, bool):
        return told or plain
    return isinstance(value, str) and (told or (plain and bool(PLAIN_STATE.fullmatch(value))))
