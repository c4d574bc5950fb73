"""What a browser sends: fields, and files where a route takes them. Never more than is said, never a file's path."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl

import anyio
from python_multipart.exceptions import MultipartParseError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

FORM_BYTES = 64 * 1024
MOST_FIELDS = 100
MOST_FILES = 20
FORM_SECONDS = 20.0
FILES_SECONDS = 300.0
# What is too large is read to its end all the same, and dropped, so that browsers show why; up to here.
DROPPED_BYTES = 250_000_000
DROPPED_FORM_BYTES = 10_000_000


@dataclass(frozen=True)
class Upload:
    """A file that was sent. name: as the browser says it, not to be believed."""

    name: str
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class Body:
    """What was sent.

    too_large: it was dropped for that; late: the seconds in which it did not arrive; wrong: why it could not be read.
    whole: whether all of it has been read, so that the connection can be used again.
    """

    fields: dict[str, str] = field(default_factory=dict)
    files: tuple[Upload, ...] = ()
    too_large: bool = False
    late: float = 0.0
    wrong: str = ""
    whole: bool = True


async def read(request: Request, most_bytes: int, *, files: bool = False) -> Body:
    """Return what was sent, as far as it arrives before the time is over. files: whether a form with files is read."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    with_files = files and kind == "multipart/form-data"
    seconds = FILES_SECONDS if with_files else FORM_SECONDS
    stream = _Stream(request, most_bytes, DROPPED_BYTES if files else DROPPED_FORM_BYTES)
    body = Body(late=seconds)
    with anyio.move_on_after(seconds):
        body = await (_with_files(request, stream) if with_files else _plain(stream, kind))
    return replace(body, whole=stream.ended)


async def _plain(stream: _Stream, kind: str) -> Body:
    try:
        sent = b"".join([chunk async for chunk in stream])
    except _TooLargeError:
        return Body(too_large=True)
    if kind != "application/x-www-form-urlencoded":
        return Body()
    return Body(dict(parse_qsl(sent.decode("utf-8", "replace"), keep_blank_values=True)))


async def _with_files(request: Request, stream: _Stream) -> Body:
    parser = MultiPartParser(
        request.headers,
        aiter(stream),
        max_files=MOST_FILES,
        max_fields=MOST_FIELDS,
        max_part_size=FORM_BYTES,
    )
    try:
        form = await parser.parse()
    except _TooLargeError:
        return Body(too_large=True)
    except (MultiPartException, MultipartParseError, KeyError) as exc:
        return Body(wrong=getattr(exc, "message", "") or "it is no form")
    fields: dict[str, str] = {}
    uploads = []
    try:
        for name, value in form.multi_items():
            if not isinstance(value, UploadFile):
                fields[name] = value
            elif value.filename:  # a field for files that was left empty has none
                uploads.append(Upload(value.filename, await value.read()))
    finally:
        await form.close()
    return Body(fields, tuple(uploads))


class _TooLargeError(MultiPartException):
    """So that the parser closes what it has opened."""


class _Stream:
    """What a client sends, at most so much of it; what is more is read too, up to a limit, and dropped."""

    def __init__(self, request: Request, most_bytes: int, dropped_bytes: int) -> None:
        self._request = request
        self._most_bytes = most_bytes
        self._dropped_bytes = dropped_bytes
        self.ended = False

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        received = 0
        async for chunk in self._request.stream():
            received += len(chunk)
            if received > self._dropped_bytes:
                raise _TooLargeError("too large")
            if received <= self._most_bytes:
                yield chunk
        self.ended = True
        if received > self._most_bytes:
            raise _TooLargeError("too large")
