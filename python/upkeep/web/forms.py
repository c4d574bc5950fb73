"""What a browser sends: fields, and files where a route takes them. Never more than is said, never a file's path."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

import anyio
from python_multipart.exceptions import MultipartParseError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

FORM_BYTES = 64 * 1024
MOST_FIELDS = 100
MOST_FILES = 20
FILES_SECONDS = 300.0
# What is too large is read to its end all the same, and dropped, so that browsers show why; up to here.
DROPPED_BYTES = 250_000_000


@dataclass(frozen=True)
class Upload:
    """A file that was sent. name: as the browser says it, not to be believed."""

    name: str
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class Body:
    """What was sent. too_large: it was dropped for that; wrong: why it could not be read."""

    fields: dict[str, str] = field(default_factory=dict)
    files: tuple[Upload, ...] = ()
    too_large: bool = False
    wrong: str = ""


async def read(request: Request, most_bytes: int, *, files: bool = False) -> Body:
    """Return what was sent. files: whether a form with files is read."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data" and files:
        try:
            with anyio.fail_after(FILES_SECONDS):
                return await _with_files(request, most_bytes)
        except TimeoutError:
            return Body(wrong=f"it took longer than {FILES_SECONDS:.0f} s to arrive")
    sent = b""
    async for chunk in request.stream():
        sent += chunk
        if len(sent) > most_bytes:
            return Body(too_large=True)
    if kind != "application/x-www-form-urlencoded":
        return Body()
    return Body(dict(parse_qsl(sent.decode("utf-8", "replace"), keep_blank_values=True)))


async def _with_files(request: Request, most_bytes: int) -> Body:
    parser = MultiPartParser(
        request.headers,
        _at_most(request, most_bytes),
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


async def _at_most(request: Request, most_bytes: int) -> AsyncGenerator[bytes]:
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > DROPPED_BYTES:
            break
        if received <= most_bytes:
            yield chunk
    if received > most_bytes:
        raise _TooLargeError("too large")
