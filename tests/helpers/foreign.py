"""Inputs that are none of a gather's, and a host on which whatever is asked gives one of them."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import json
import lzma
import os
import random
import socket
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError, Ran

NAME = "foreign.example"
PARTS = ("verify",)
"""Parts of what is declared without which a gather looks at nothing."""
WAITS = {"timeout_seconds": 0.05, "tries": 1}
"""What is waited for comes at once here, or never."""
HTML = """<!DOCTYPE html>
<html><head><title>502 Bad Gateway</title></head>
<body><center><h1>502 Bad Gateway</h1></center><hr><center>nginx</center></body></html>
"""
DPKG = "2026-11-23 08:29:{:02} status installed libc-bin:amd64 2.36-9+deb12u9\n"
POSTGRESQL = "2026-11-23 08:29:{:02}.101 UTC [812] LOG:  checkpoint starting: time\n"
REDIS = "812:M 23 Nov 2026 08:29:{:02}.101 * 100 changes in 300 seconds. Saving...\n"
KUBERNETES = "I1123 08:29:{:02}.101000       1 controller.go:116] loading OpenAPI spec\n"
CRON = "Nov 23 08:29:{:02} web1 CRON[812]: (root) CMD (command -v debian-sa1 > /dev/null)\n"
MAIL = "Nov 23 08:29:{:02} mail postfix/qmgr[812]: 4XyZ: from=<a@b.example>, size=812, nrcpt=1\n"
KERNEL = '[   12.{:02}1234] audit: type=1400 apparmor="STATUS" operation="profile_load"\n'
JAVA = (
    "2026-11-23 08:29:{:02},101 ERROR [main] c.e.App - boom\njava.lang.Error: x\n\tat c.e.App.run\n"
)
CONTAINER = '{{"log":"started\\n","stream":"stdout","time":"2026-11-23T08:29:{:02}.1Z"}}\n'
CEF = "Nov 23 08:29:{:02} fw CEF:0|Vendor|Product|1|100|traffic|3|src=192.0.2.7 dst=192.0.2.8\n"


def _many(line: str) -> str:
    return "".join(line.format(second) for second in range(60))


def _zip() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("word/document.xml", "<w:document/>")
    return made.getvalue()


def _tar() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("notes.txt"))
    return made.getvalue()


CONTENTS: dict[str, bytes | str] = {
    "empty": b"",
    "a newline": "\n",
    "blank lines": "\n" * 500,
    "spaces": " " * 5000,
    "a NUL": b"\0",
    "NULs, as after a crash": bytes(64_000),
    "0": "0",
    "0 and a newline": "0\n",
    "1": "1\n",
    "minus one": "-1\n",
    "NaN": "nan\n",
    "a large number": "9" * 400 + "\n",
    "null": "null\n",
    "true": "true\n",
    "OK": "OK\n",
    "yes": "yes\n",
    "an empty object": "{}\n",
    "an empty list": "[]\n",
    "a text in JSON": '"pass"\n',
    "an error in JSON": json.dumps({"error": {"code": 403, "message": "forbidden"}}) + "\n",
    "deep JSON": "[" * 5000,
    "YAML": "a: 1\nb: [x, y]\n",
    "INI": "[main]\nenabled = true\n",
    "CSV": "time,status,size\n2026-11-23 08:29:00,200,12\n",
    "XML": '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>\n',
    "an HTML error page": HTML,
    "an HTTP answer to nothing": "HTTP/1.1 \r\n\r\n",
    "a command's error": "bash: line 1: foo: command not found\n",
    "permission denied": "cat: /etc/shadow: Permission denied\n",
    "a pointer of Git LFS": "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n",
    "a shell script": "#!/bin/sh\nset -eu\nexec true\n",
    "a README": "# Backups\n\nThey lie elsewhere.\n",
    "a mail": "From: a@b.example\nSubject: cron\n\nAll well.\n",
    "base64": "QUJDREVG" * 400 + "\n",
    "one long line": "x" * 200_000,
    "a PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog >>\nendobj\n%%EOF\n",
    "a JPEG": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01" + random.Random(1).randbytes(4000),
    "a PNG": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + random.Random(2).randbytes(4000),
    "a program": b"\x7fELF\x02\x01\x01" + random.Random(3).randbytes(4000),
    "noise": random.Random(4).randbytes(20_000),
    "gzip": gzip.compress(HTML.encode()),
    "bzip2": bz2.compress(HTML.encode()),
    "xz": lzma.compress(HTML.encode()),
    "a document in a zip": _zip(),
    "a tar": _tar(),
    "a journal of systemd": b"LPKSHHRH" + random.Random(5).randbytes(8000),
    "UTF-16, little end first": ("\ufeff" + _many(CRON)).encode("utf-16-le"),
    "UTF-16, big end first": ("\ufeff" + _many(CRON)).encode("utf-16-be"),
    "Latin-1": "größer als früher\n".encode("latin-1") * 50,
    "the log of dpkg": _many(DPKG),
    "the log of PostgreSQL": _many(POSTGRESQL),
    "the log of Redis": _many(REDIS),
    "the log of Kubernetes": _many(KUBERNETES),
    "the log of cron": _many(CRON),
    "the log of Postfix": _many(MAIL),
    "the log of the kernel": _many(KERNEL),
    "the log of a Java program": _many(JAVA),
    "the log of a container": _many(CONTAINER),
    "the log of a firewall": _many(CEF),
}


def _socket(path: Path) -> None:
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listening:
        here = Path.cwd()
        os.chdir(path.parent)  # the path of a socket has 107 bytes at most
        try:
            listening.bind(path.name)
        finally:
            os.chdir(here)


THINGS: dict[str, Callable[[Path], object]] = {
    "a folder": lambda path: path.mkdir(),
    "a folder of folders": lambda path: (path / "a" / "b").mkdir(parents=True),
    "a FIFO": os.mkfifo,
    "a socket": _socket,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "nothing": lambda path: path.symlink_to("/dev/null"),
    "a full device": lambda path: path.symlink_to("/dev/full"),
    "a link to nowhere": lambda path: path.symlink_to("gone"),
    "a link to itself": lambda path: path.symlink_to(path),
}


class ForeignHost(Host):
    """Gives one foreign input for whatever is asked of it: a file, a folder, a command, a connection.

    path: where the input lies. clock: what `now` says. lacking: programs that this host does not have.
    reached: what was given of it, so that a test can tell that it was asked.
    """

    def __init__(self, path: Path, clock: float, lacking: frozenset[str] = frozenset()) -> None:
        self.path = str(path)
        self.clock = clock
        self.lacking = lacking
        self.reached: set[str] = set()
        self.sockets: list[socket.socket] = []
        self.content = path.read_bytes() if stat.S_ISREG(self._mode()) else b""

    def _mode(self) -> int:
        try:
            return Path(self.path).stat().st_mode
        except OSError:
            return 0

    def now(self) -> float:
        return self.clock

    def open(self, path: str, follow_links: bool = True) -> IO[bytes]:
        self.reached.add("file")
        return super().open(self.path)

    def stat(self, path: str, follow_links: bool = True) -> os.stat_result:
        return super().stat(self.path, follow_links)

    def exists(self, path: str) -> bool:
        return True

    def realpath(self, path: str) -> str:
        return path

    def readlink(self, path: str) -> str:
        return self.path

    def names(self, path: str) -> list[str]:
        self.reached.add("folder")
        return super().names(self.path) if stat.S_ISDIR(self._mode()) else ["1", "foreign"]

    def glob(self, pattern: str, limit: int = 10_000) -> list[str]:
        self.reached.add("folder")
        return [pattern.replace("**", "a").replace("*", "foreign")]

    def statvfs(self, path: str) -> os.statvfs_result:
        return super().statvfs("/")

    def which(self, program: str) -> str | None:
        return None if program in self.lacking else f"/usr/bin/{program}"

    def run(self, command: list[str], *args: Any, **kwargs: Any) -> Ran:
        if command[0] in self.lacking:
            raise HostError(f"{command[0]}: no such program")
        self.reached.add("command")
        return Ran(0, self.content.decode("utf-8", "surrogateescape"))

    @contextlib.contextmanager
    def output(self, command: list[str]) -> Iterator[IO[bytes]]:
        self.reached.add("command")
        yield io.BytesIO(self.content)

    def connect(self, address: str, port: int, timeout_seconds: float = 10.0) -> socket.socket:
        self.reached.add("connection")
        near, far = socket.socketpair()
        near.settimeout(timeout_seconds)
        far.setblocking(False)
        with contextlib.suppress(OSError):
            far.send(self.content)
        far.shutdown(socket.SHUT_WR)
        self.sockets += [near, far]
        return near

    def connect_udp(self, address: str, port: int, timeout_seconds: float = 10.0) -> socket.socket:
        self.reached.add("connection")
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        near.settimeout(0.05)
        with contextlib.suppress(OSError):
            far.send(self.content[:60_000])
        self.sockets += [near, far]
        return near

    def close(self) -> None:
        """Close what was connected: a gather's process ends, and with it what it has left open."""
        for one in self.sockets:
            one.close()

    def resolve(self, name: str, port: int = 0) -> list[str]:
        return ["192.0.2.1"]

    def environ(self, name: str) -> str:
        return ""


def make(name: str, path: Path, clock: float) -> None:
    """Make the foreign input at path, an hour old; raise OSError where this machine cannot."""
    if name in CONTENTS:
        content = CONTENTS[name]
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    else:
        THINGS[name](path)
    with contextlib.suppress(OSError):
        os.utime(path, (clock - 3600, clock - 3600))


def places(path: str) -> tuple[str, ...]:
    """Return what a site may name as the place of something: the input as a file, or what a server says."""
    return (path, f"http://{NAME}/", f"{NAME}:443", f"smtp://{NAME}:25", f"dns://{NAME}/a.example")


def lacks(tools: Iterable[str]) -> list[frozenset[str]]:
    """Return what a host may lack, so that each alternative of `a|b|c` has its turn."""
    found = {frozenset[str]()}
    for one in tools:
        names = [name.rpartition(":")[2] for name in one.split("|")]
        found |= {frozenset(names[:number]) for number in range(len(names))}
    return sorted(found, key=len)


def declared(arguments: dict[str, Any], place: str, *, beside: bool) -> Iterator[dict[str, Any]]:
    """Give parameters that name the place wherever the arguments have room for one; a set for each kind there is.

    beside: also those in which it is a file that stands beside, such as a CA's. Where that cannot be read, nothing else
    is looked at.
    """
    kinds = sorted({kind for spec in _options(arguments) for kind in spec.get("choices", ())})
    for kind in kinds or [""]:
        alone = _filled(arguments, place, kind, beside=False)
        yield alone
        if beside and (both := _filled(arguments, place, kind, beside=True)) != alone:
            yield both


def _options(arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give the arguments of things that are declared one by one."""
    for spec in arguments.values():
        yield from spec.get("options", {}).values()


def _filled(arguments: dict[str, Any], place: str, kind: str, *, beside: bool) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, spec in arguments.items():
        required = spec.get("required", False)
        free = required or spec.get("default") in (None, "", [])
        of = spec.get("type", "str")
        if of == "list" and free:
            options = spec.get("options")
            one = _filled(options, place, kind, beside=beside) if options else place
            made[name] = [one]
        elif kind in spec.get("choices", ()):
            made[name] = kind
        elif name in WAITS:
            made[name] = WAITS[name] if of == "float" else 1
        elif of == "int" and required:
            made[name] = 1
        elif of == "dict" and name in PARTS:
            made[name] = {}
        elif required or name in ("address", "name") or (of == "path" and free and beside):
            made[name] = place
    return made
