# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A feed: a file or a URL that others write, such as the report of a build. Its size, time and SHA-256.

It looks at a source, and is asked of the controller. No redirect is followed, and no link-local or loopback address and
no cloud's metadata is asked for: a feed is somebody else's, as a channel is.
"""

from __future__ import annotations

import hashlib
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.host.addresses import (
    ANY,
    OTHERS,
    refused,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.connect import (
    NoAnswerError,
    client_context,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import (
    Observation,
    not_seen,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.site_files import (
    look,
    whole_path,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.times import iso
from ansible_collections.astral.upkeep.plugins.module_utils.host.urls import masked, masked_value
from ansible_collections.astral.upkeep.plugins.module_utils.host.web import (
    HttpAnswer,
    HttpAsk,
    fetch,
    split_url,
)

SOURCES = ("feed", "build", "site")
ARGUMENTS: dict[str, dict[str, Any]] = {
    "source": {"type": "str", "required": True},
    "place": {"type": "str", "required": True},
    "folder": {"type": "str", "default": ""},
    "ca_file": {"type": "path", "default": ""},
    "local": {"type": "bool", "default": False},
    "timeout_seconds": {"type": "float", "default": 20.0},
    "limit_bytes": {"type": "int", "default": 50_000_000},
}
ABSENT = (404, 410)
OK = 200


def gather(params: dict[str, Any], host: Host) -> list[Observation]:
    """Return one observation, of the feed; its subject is its path as the site says it, or its URL without secrets."""
    place = params["place"]
    subject = masked_value(place)
    try:
        if "://" in place:
            data = _of_url(host, place, params)
        else:
            path = whole_path(place, params["folder"])
            data = look(host, path, params["limit_bytes"])
    except (HostError, NoAnswerError, ValueError) as exc:
        return [not_seen(subject, exc)]
    data["at"] = iso(host.now())
    return [Observation(subject, data, _raw(subject, data))]


def _of_url(host: Host, url: str, params: dict[str, Any]) -> dict[str, Any]:
    """Return what there is at a URL.

    Raises: NoAnswerError or ValueError if it cannot be asked, HostError if its answer is no feed.
    """
    split_url(url)
    reach = ANY if params["local"] else OTHERS
    ask = HttpAsk(
        url,
        client_context(True, params["ca_file"]),
        timeout_seconds=params["timeout_seconds"],
        limit_bytes=params["limit_bytes"],
        refuse=partial(_refused, reach),
    )
    answer = fetch(host, ask)
    if answer.status in ABSENT:
        return {"there": False, "status": answer.status}
    if answer.stopped:
        raise HostError(f"{answer.stopped}: a feed's URL leads to it at once")
    if answer.status != OK:
        raise HostError(f"answered {answer.status} {masked(answer.reason)[:80]}")
    if answer.truncated:
        raise HostError(f"more than {params['limit_bytes']} bytes")
    return {
        "there": True,
        "status": answer.status,
        "bytes": len(answer.body),
        "sha256": hashlib.sha256(answer.body).hexdigest(),
        "modified_at": _modified(answer),
    }


def _refused(reach: str, address: str) -> str:
    """Return why an address is not asked."""
    why = refused(address, reach)
    return f"{address} is {why}" if why else ""


def _modified(answer: HttpAnswer) -> str | None:
    """Return what the server says of the time, `Last-Modified` (RFC 9110, section 8.8.2); None if nothing is said."""
    said = next((value for name, value in answer.headers if name.lower() == "last-modified"), "")
    try:
        return iso(parsedate_to_datetime(said).timestamp()) if said else None
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def _raw(subject: str, data: dict[str, Any]) -> str:
    """Return what was seen as evidence; the feed itself is the site's to keep."""
    if not data["there"]:
        return f"{subject}: not there at {data['at']}"
    when = data["modified_at"] or "no time"
    return f"{subject}: {data['bytes']} B, {when}, sha256 {data['sha256']}, at {data['at']}"
