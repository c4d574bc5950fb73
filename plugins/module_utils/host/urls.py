# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mask what is secret inside of values that are no secrets themselves: URLs, DSNs, and texts that quote them.

Of a URL the user part and the fragment go, and each value of its query becomes `*`. Its scheme, host and path stay, and
the names in its query: they tell one endpoint from another, and what a program calls a parameter is no secret of a
site. A word of the query without `=` has no name, so that it is a value. Of `password=…` and its like the value goes.

What is masked already stays as it is, so that a text may be masked at each step of its way.
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Any, Callable, Dict, Iterable, Iterator, Match, Tuple
from urllib.parse import quote, unquote

MASK = "*"
DNS = ("type", "class")
"""What a query of a dns: URL says is no secret (RFC 4501)."""
TOKEN_CHARACTERS = 20
"""A value of a query, or a user without a password, that is as long is looked for wherever it comes back."""

_SLASHES = (
    r"(?:(?<=[A-Za-z0-9+.-]:)\\{0,8}/\\{0,8}/|(?<![\w/.~:-])//(?=[^\s/?#\"<>`@]*:[^\s/?#\"<>`]*@))"
)
_USER = re.compile(rf"(?P<start>{_SLASHES})[^\s/?#\"<>`]*@")
_NO_USER = re.compile(
    r"(?P<start>(?<=[A-Za-z0-9+.-]:)\\{0,8}/\\{0,8}/)(?P<place>[^\s/?#\"'<>`\[\]@\\]*)"
)
_UP_TO_AT = re.compile(r"[^\s\"<>`]{0,512}@")
_RUN = re.compile(r"[^\s\"'<>`]+")
_ABSOLUTE = re.compile(r"(?<=[A-Za-z0-9+.-]:)\\{0,8}/\\{0,8}/")
_ENCODED = re.compile(r"[A-Za-z0-9+.-]%3A%2F%2F", re.IGNORECASE)
_TAIL = re.compile(r"[.,;:!)\]}\\]{0,20}\Z")
_BETWEEN = re.compile(r"(&amp;|\\u0026|&|;)")
_ADDRESS = re.compile(r"[0-9A-Fa-f:.]+\Z")
_HEADER = re.compile(
    r"^((?:content-)?location|refresh|link|referer)([ \t]{0,9}:[ \t]{0,9})(\S+)",
    re.IGNORECASE | re.MULTILINE,
)
_SETTING = re.compile(
    r"(?P<name>(?<![A-Za-z0-9])(?:(?:ssl|db|pg|mysql_|redis_)?(?:password|passwd|passphrase|pwd)"
    r"|(?:api|access|account|shared_?access|secret|private)_?-?key|(?:client_?)?secret"
    r"|(?:(?:access|api|auth|bearer|id|refresh|session)[_-]?)?token))"
    r"(?P<is>\s{0,3}=\s{0,3}|(?<=[\s\"'`]--password)\s{1,3}|(?<=[\s\"'`]--token)\s{1,3})"
    r"(?P<value>'[^']{0,200}'|\"[^\"]{0,200}\"|[^\s&;,\"'<>`]+)",
    re.IGNORECASE,
)
_GO = re.compile(r"(?<![^\s\"'=(,])[^\s\"'@/:]{1,64}:[^\s\"'@]{0,256}@(?=(?:tcp|tcp6|unix|udp)\()")
_LOGIN = re.compile(r"[^\s/@:]+:[^\s@]*@(?!sha\d)(?=[^\s@]+\Z)")
_WHOLE = re.compile(r"\s*(?:[A-Za-z][A-Za-z0-9+.:-]*:)?\\{0,8}/\\{0,8}/")
_SECRET_NAME = re.compile(
    r"pass|pwd|secret|token|key|auth|sig|session|jwt|code|credential", re.IGNORECASE
)


def masked(text: str) -> str:
    """Return any text with the secret parts of all URLs in it masked."""
    # Most texts have nothing of the kind, and there are thousands of each host: each step only where its sign stands.
    slashes, assigned = "//" in text or "/\\" in text, "=" in text
    query = "?" in text or "#" in text
    if slashes or query or "ocation" in text or "OCATION" in text:
        text = _HEADER.sub(_header, text)
    if "@" in text:
        text = _GO.sub("", _USER.sub(r"\g<start>", text))
    if slashes:
        text = _without_odd_users(text)
    if slashes or (query and assigned) or "%3A" in text or "%3a" in text:
        text = _RUN.sub(lambda found: _run(found.group()), text)
    if assigned or "--" in text:
        text = _SETTING.sub(_setting, text)
    return text


def masked_value(text: str) -> str:
    """Return a text that is one URL, DSN or anything else as a whole, masked: it may have spaces and quotes in it."""
    if _WHOLE.match(text):
        start, slashes, rest = _at_slashes(text)
        place = re.match(r"[^/?#\\]*", rest)
        authority = place.group() if place else ""
        if "@" in authority:
            rest = rest[authority.rindex("@") + 1 :]
        text = start + slashes + rest
        text = _without_odd_users(text)
        return masked(_reference(text, absolute=True))
    login = None if text.startswith("mailto:") else _LOGIN.match(text)
    return masked(text[login.end() :] if login else text)


def masked_deep(value: Any, mask: Callable[[str], str] = masked) -> Any:
    """Return JSON types with every text in them masked, keys too. mask: masked_value for what a site has declared."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, dict):
        return {masked_deep(key, mask): masked_deep(one, mask) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [masked_deep(one, mask) for one in value]
    return value


def labels(texts: Iterable[str]) -> Dict[str, str]:
    """Return by what people know each of the texts: masked; where two are then the same, with their number.

    The number is the place among those that look the same. A part of a hash would tell a weak secret.
    """
    found: Dict[str, str] = {}
    taken = set()
    for text in texts:
        if text in found:
            continue
        label = base = masked_value(text)
        number = 1
        while label in taken:
            number += 1
            label = f"{base} ({number})"
        taken.add(label)
        found[text] = label
    return found


def secrets_in(text: str) -> Iterator[str]:
    """Yield what is secret in a URL, plain and as it is encoded, as far as it can be looked for elsewhere.

    A short value of an ordinary name (`format=json`) is masked where it stands, and nowhere else: it would be found
    everywhere.
    """
    if not _WHOLE.match(text):
        for found in _SETTING.finditer(text):
            yield from _both(found.group("value").strip("'\""))
        login = _LOGIN.match(text)
        if login:
            yield from _both(login.group()[:-1].partition(":")[2])
        return
    rest = _at_slashes(text)[2]
    before, sign, _path = rest.partition("@")
    if sign:
        place = re.match(r"[^/?#]*@", rest) or _UP_TO_AT.match(rest)
        user, colon, password = (place.group()[:-1] if place else before).partition(":")
        if colon:
            yield from _both(password)
            # So a client sends them: a server may say it back (RFC 7617).
            for pair in (f"{user}:{password}", unquote(f"{user}:{password}")):
                yield b64encode(pair.encode("utf-8", "surrogateescape")).decode("ascii")
        elif len(user) >= TOKEN_CHARACTERS:
            yield from _both(user)
    query = rest.partition("?")[2].partition("#")[0]
    for pair in _BETWEEN.split(query):
        name, equals, value = pair.rpartition("=") if pair.count("=") > 1 else pair.partition("=")
        if not equals:
            name, value = "", pair
        if len(value) >= TOKEN_CHARACTERS or (value and _SECRET_NAME.search(name)):
            yield from _both(value)
    fragment = rest.partition("#")[2]
    if len(fragment) >= TOKEN_CHARACTERS:
        yield from _both(fragment)


def _both(text: str) -> Iterator[str]:
    """Yield a part of a URL as it stands there, and what it means."""
    yield text
    if "%" in text:
        yield unquote(text)
    if "+" in text:
        yield unquote(text.replace("+", " "))


def _at_slashes(text: str) -> Tuple[str, str, str]:
    """Return what stands before the first two slashes, these, and the rest."""
    found = re.search(r"\\{0,8}/\\{0,8}/", text)
    if found is None:
        return "", "", text
    return text[: found.start()], found.group(), text[found.end() :]


def _without_odd_users(text: str) -> str:
    """Return the text without user parts that hold a slash or were cut: what should be the port is not a number."""
    done = 0
    parts = []
    for found in _NO_USER.finditer(text):
        if found.start() < done:
            continue
        place = found.group("place")
        name, colon, port = place.rpartition(":")
        bare = port.rstrip(".,;:!)}*")
        if not colon or not name or not bare or bare.isdigit() or _ADDRESS.match(place):
            continue
        parts.append(text[done : found.end("start")])
        to = _UP_TO_AT.match(text, found.end("start"))
        if to:
            done = to.end()
        else:
            parts.append(MASK)
            done = found.end()
    return "".join([*parts, text[done:]]) if parts else text


def _run(run: str) -> str:
    """Return a run of characters without spaces and quotes, masked if it is a URL or a reference with a query."""
    absolute = _ABSOLUTE.search(run)
    if absolute is None:
        if "?" not in run and not (run.startswith("/") and "#" in run):
            return _decoded(run)
        if "=" not in run[max(run.find("?"), run.find("#"), 0) :]:
            return _decoded(run)
    tail = _TAIL.search(run)
    end = tail.start() if tail else len(run)
    return _reference(run[:end], absolute=absolute is not None) + run[end:]


def _reference(text: str, *, absolute: bool) -> str:
    """Return a reference without its fragment, and with the values of its query masked."""
    begins = 0
    if absolute:
        found = re.search(r"\\{0,8}/\\{0,8}/", text)
        begins = found.end() if found else 0
    mark = text.find("?", begins)
    sharp = text.find("#", begins)
    if sharp >= 0 and (mark < 0 or sharp < mark):
        return text[:sharp] if absolute or text.startswith("/") else text
    if mark < 0:
        return text
    query = text[mark + 1 :].partition("#")[0]
    public = DNS if text[:4].lower() == "dns:" else ()
    pieces = _BETWEEN.split(query)
    return text[: mark + 1] + "".join(
        piece if at % 2 else _pair(piece, public) for at, piece in enumerate(pieces)
    )


def _pair(text: str, public: Tuple[str, ...]) -> str:
    name, equals, value = text.partition("=")
    if name.lower() in public:
        return text
    if not equals:
        return MASK if name else ""
    return name + equals + (MASK if value else "")


def _decoded(run: str) -> str:
    """Return a run that holds a URL in percent-encoding, masked."""
    if not _ENCODED.search(run):
        return run
    plain = unquote(run)
    hidden = masked_value(plain)
    return run if hidden == plain else quote(hidden, safe="*=&;,")


def _header(found: Match[str]) -> str:
    """Return a header that holds a reference, masked: there it may be relative, and without a name in its query."""
    name, sign, value = found.groups()
    if name.lower() in ("refresh", "link"):
        return found.group()  # of their parts the URLs are found as in any text
    whole = masked_value(value)
    if not _WHOLE.match(value):
        whole = masked(_reference(whole, absolute=False).partition("#")[0])
    return name + sign + whole


def _setting(found: Match[str]) -> str:
    """Return `password=*`; PWD=/home/ada, as sudo logs it, is a folder."""
    if found.group("name").lower() == "pwd" and found.group("value").startswith("/"):
        return found.group()
    value = found.group("value")
    mark = value[0] if value[0] in "'\"" else ""
    return found.group("name") + found.group("is") + mark + MASK + mark
