# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The TLS sites that nginx's and Apache's configuration on a host tells of; parsers are pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Iterator

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import (
    Host,
    HostError,
    text_of,
)

NGINX = "/etc/nginx/nginx.conf"
APACHE = ("/etc/apache2/apache2.conf", "/etc/httpd/conf/httpd.conf")
LETSENCRYPT = "/etc/letsencrypt/live/*/fullchain.pem"
MOST_FILES = 300
MOST_BLOCKS = 5000
NOT_LOOKED_AT = "sites in the rest were not checked; declare their certificates in `served`"
FILE_LIMIT_BYTES = 1_000_000
TOKEN = re.compile(
    r"""#[^\n]*|"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([{};])|((?:\\.|\$\{|[^\s{};"'\\])(?:\\.|\$\{[^}]*\}|[^\s{};\\])*)"""
)


@dataclass(frozen=True)
class TlsSite:
    """One server that speaks TLS. places: `address:port` to connect to; names: those it is asked for by.

    certificate, key: their files; empty if the configuration does not say which, as with a variable in their names.
    """

    certificate: str
    key: str
    names: tuple[str, ...] = ()
    places: tuple[str, ...] = ()


@dataclass
class Block:
    """A block of a configuration: its directives, and the blocks in it.

    unread: of the outermost, the files that belong to it and could not be read, with the reason.
    """

    words: list[str]
    directives: list[list[str]] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)

    def values(self, name: str) -> list[list[str]]:
        """Return the arguments of each directive of this name, in any case of letters."""
        return [one[1:] for one in self.directives if one[0].lower() == name]


@dataclass(frozen=True)
class Sites:
    """TLS sites. unread: why files of the configurations could not be read, so that there may be more sites."""

    found: list[TlsSite]
    unread: dict[str, str]


def find_sites(host: Host) -> Sites:
    """Return the TLS sites of nginx, of Apache, and certbot's certificates that no site names."""
    sites: list[TlsSite] = []
    unread: dict[str, str] = {}
    for path in (NGINX, *APACHE):
        if not host.exists(path):
            continue
        root = load_nginx(host, path) if path == NGINX else load_apache(host, path)
        unread.update(root.unread)
        if sum(1 for _block in _walk(root)) >= MOST_BLOCKS:
            unread[path] = f"{path}: {MOST_BLOCKS} blocks or more; {NOT_LOOKED_AT}"
        sites += nginx_sites(root) if path == NGINX else apache_sites(root)
    known = {site.certificate for site in sites}
    for path in host.glob(LETSENCRYPT):
        if path not in known:
            sites.append(TlsSite(path, path.replace("fullchain.pem", "privkey.pem")))
    return Sites(sites, unread)


def load_nginx(host: Host, path: str) -> Block:
    """Return the configuration with what it includes; what cannot be read is named in `unread`."""
    folder = path.rpartition("/")[0]
    return _Includer(host, folder, parse_nginx, path).load()


def parse_nginx(text: str, include: _Includer | None = None, into: Block | None = None) -> Block:
    """Return the configuration as a tree. Source: https://nginx.org/en/docs/beginners_guide.html#conf_structure."""
    root = into or Block([])
    stack = [root]
    words: list[str] = []
    for match in TOKEN.finditer(text):
        double, single, sign, word = match.groups()
        if sign is None:
            token = double if double is not None else single if single is not None else word
            if token is not None:
                words.append(re.sub(r"\\(.)", r"\1", token))
        elif sign == "{":
            block = Block(words)
            stack[-1].blocks.append(block)
            stack.append(block)
            words = []
        elif sign == "}":
            if len(stack) > 1:
                stack.pop()
            words = []
        elif words:
            if words[0] == "include" and include is not None:
                # A pattern may name nothing.
                include(words[1:], stack[-1], not any(set("*?[") & set(one) for one in words[1:]))
            stack[-1].directives.append(words)
            words = []
    return root


class _Includer:
    """Reads what a configuration includes into the block that does."""

    def __init__(self, host: Host, folder: str, parse: object, path: str) -> None:
        self.host = host
        self.folder = folder
        self.parse = parse
        self.open = [path]
        self.files = 0
        self.unread: dict[str, str] = {}

    def load(self) -> Block:
        """Return the configuration.

        Raises: HostError if its first file cannot be read.
        """
        root = Block([], unread=self.unread)
        self._read(self.open[0], root)
        return root

    def __call__(self, patterns: list[str], block: Block, must_be: bool) -> None:
        """Read what the patterns name; must_be: the server does not start where a pattern names nothing."""
        for pattern in patterns:
            full = pattern if pattern.startswith("/") else f"{self.folder}/{pattern}"
            try:
                found = self.host.glob(full)
                self._include(found, block)
            except HostError as exc:
                self.unread[full] = str(exc)
                continue
            if "${" in pattern:
                reason = f"{full}: an include with a variable in its name; {NOT_LOOKED_AT}"
                self.unread[full] = reason
            elif must_be and not found:
                named = f"{self.open[-1]} includes it"
                self.unread[full] = f"{full}: no such file, and {named}; the server will not start"

    def _include(self, paths: list[str], block: Block) -> None:
        for path in paths:
            if path in self.open:
                continue
            if self.files >= MOST_FILES:
                reason = f"more than {MOST_FILES} included files; {NOT_LOOKED_AT}"
                self.unread[self.open[0]] = f"{self.open[0]}: {reason}"
                return
            self.files += 1
            self.open.append(path)
            try:
                self._read(path, block)
            except HostError as exc:
                self.unread[path] = f"{exc}; {NOT_LOOKED_AT}"
            finally:
                self.open.pop()

    def _read(self, path: str, block: Block) -> None:
        text = text_of(self.host.read_head(path, FILE_LIMIT_BYTES + 1))
        if len(text) > FILE_LIMIT_BYTES:
            self.unread[path] = f"{path}: more than {FILE_LIMIT_BYTES} bytes; {NOT_LOOKED_AT}"
        self.parse(text, self, block)  # type: ignore[operator]


def nginx_sites(root: Block) -> list[TlsSite]:
    """Return the servers with a certificate that listen with TLS."""
    sites = []
    for block, outer in _walk(root):
        if [word.lower() for word in block.words] != ["server"]:
            continue
        chain = [block, *outer]
        certificates = _nearest(chain, "ssl_certificate")
        keys = _nearest(chain, "ssl_certificate_key")
        places = [place for one in block.values("listen") if (place := _nginx_place(one))]
        names = [name for one in block.values("server_name") for name in one]
        if not places:
            continue
        asked = tuple(name.lower() for name in names if _is_name(name))
        for certificate, key in _pairs(certificates, keys):
            full = (_full(certificate, "/etc/nginx"), _full(key, "/etc/nginx"))
            sites.append(TlsSite(*full, asked, tuple(dict.fromkeys(places))))
    return sites


def _nginx_place(words: list[str]) -> str:
    """Return where a `listen` with TLS can be reached from the host itself, or an empty text."""
    if not words or "ssl" not in words[1:] or "quic" in words[1:] or words[0].startswith("unix:"):
        return ""
    address, port = words[0], "80"
    match = re.fullmatch(r"(?:(\[[0-9A-Fa-f:.]+\]|[^:\s]+):)?(\d+)", words[0])
    if match is not None:
        address, port = match.group(1) or "*", match.group(2)
    return _local(address, port)


def _local(address: str, port: str) -> str:
    """Return `address:port`, through loopback where it listens everywhere."""
    if address in ("*", "0.0.0.0", "_default_"):  # noqa: S104 - read, not listened on
        address = "127.0.0.1"
    elif address == "[::]":
        address = "[::1]"
    return f"{address}:{port}"


def load_apache(host: Host, path: str) -> Block:
    """Return the configuration with what it includes; what cannot be read is named in `unread`."""
    folder = path.rpartition("/")[0]
    if folder.endswith("/conf"):  # Red Hat's ServerRoot
        folder = folder.rpartition("/")[0]
    return _Includer(host, folder, parse_apache, path).load()


def parse_apache(text: str, include: _Includer | None = None, into: Block | None = None) -> Block:
    """Return the configuration as a tree. Source: https://httpd.apache.org/docs/2.4/configuring.html#syntax."""
    root = into or Block([])
    stack = [root]
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("</"):
            if len(stack) > 1:
                stack.pop()
            continue
        opens = line.startswith("<")
        words = [
            next(part for part in match if part is not None)
            for match in (
                (one.group(1), one.group(2), one.group(3))
                for one in re.finditer(r'"((?:[^"\\]|\\.)*)"|\'([^\']*)\'|(\S+)', line.strip("<>"))
            )
        ]
        if not words:
            continue
        if opens:
            block = Block(words)
            stack[-1].blocks.append(block)
            stack.append(block)
        else:
            if words[0].lower() in ("include", "includeoptional") and include is not None:
                # <IfModule>, <IfDefine> and <If> may leave out what they hold.
                surely = not any(one.words[0].lower().startswith("if") for one in stack[1:])
                must_be = words[0].lower() == "include" and surely
                include([_folder_pattern(word) for word in words[1:]], stack[-1], must_be)
            elif words[0].lower() == "serverroot" and include is not None:
                include.folder = words[1] if len(words) > 1 else include.folder
            stack[-1].directives.append(words)
    return root


def _folder_pattern(word: str) -> str:
    """Return a pattern for all in the folder if a whole folder is included."""
    return word.rstrip("/") + "/*" if word.endswith("/") else word


def apache_sites(root: Block) -> list[TlsSite]:
    """Return the virtual hosts with a certificate and TLS on."""
    sites = []
    for block, outer in _walk(root):
        if not block.words or block.words[0].lower() != "virtualhost":
            continue
        # <IfModule>, <IfDefine> inside are taken as if they held.
        parts = [block, *(inner for inner, _line in _walk(block))]
        certificates = [value for part in parts for value in _first(part, "sslcertificatefile")]
        keys = [value for part in parts for value in _first(part, "sslcertificatekeyfile")]
        switch = [value for part in [*parts, *outer] for value in _first(part, "sslengine")]
        if not certificates or not switch or switch[0].lower() not in ("on", "optional"):
            continue
        names = [value for part in parts for value in _first(part, "servername")]
        names += [value for part in parts for one in part.values("serveralias") for value in one]
        names = [name.partition("://")[2] or name for name in names]
        names = [name.partition(":")[0] for name in names]
        places = []
        for word in block.words[1:]:
            match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^:\s]+):(\d+)", word)
            if match is not None:
                places.append(_local(match.group(1), match.group(2)))
        asked = tuple(name.lower() for name in names if _is_name(name))
        for certificate, key in _pairs(certificates, keys):
            sites.append(TlsSite(certificate, key, asked, tuple(dict.fromkeys(places))))
    return sites


def _pairs(certificates: list[str], keys: list[str]) -> list[tuple[str, str]]:
    """Return the files of certificates and keys; of a site where none is named plainly, one without both."""
    pairs = []
    for index, certificate in enumerate(certificates):
        if not _is_file(certificate):
            continue
        key = keys[index] if index < len(keys) else ""
        pairs.append((certificate, key if _is_file(key) else ""))
    return pairs or [("", "")] * bool(certificates)


def _is_file(word: str) -> bool:
    return "$" not in word and not word.startswith(("data:", "engine:", "store:"))


def _walk(root: Block) -> Iterator[tuple[Block, list[Block]]]:
    """Yield each block below root with those around it, the nearest first."""
    waiting: list[tuple[Block, list[Block]]] = [(block, [root]) for block in root.blocks]
    count = 0
    while waiting and count < MOST_BLOCKS:
        block, outer = waiting.pop(0)
        count += 1
        yield block, outer
        waiting += [(inner, [block, *outer]) for inner in block.blocks]


def _first(block: Block, name: str) -> list[str]:
    """Return the first argument of each directive of this name."""
    return [one[0] for one in block.values(name) if one]


def _nearest(blocks: list[Block], name: str) -> list[str]:
    """Return the directive's values from the innermost block that has it: nginx's inheritance."""
    for block in blocks:
        found = _first(block, name)
        if found:
            return found
    return []


def _full(path: str, folder: str) -> str:
    return path if not path or path.startswith("/") else f"{folder}/{path}"


def _is_name(name: str) -> bool:
    """Return whether a server name is one that a client can ask for: no wildcard, no pattern, no catch-all."""
    return re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+\.?", name) is not None
