"""The next step that is told with a verdict: a command that can be pasted, with words behind it, or words alone.

`du -x /srv | sort -n | tail  # what grows`: a shell takes the line as it stands. A remedy that begins with no command
has none in it. `{subject}` stands for what the check looked at.
"""

from __future__ import annotations

import functools
import ipaddress
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

COMMENT = "  # "
SUBJECT = "{subject}"
LONGEST = 200


def command_of(remedy: str) -> str:
    """Return the command, or an empty text if the remedy is words alone."""
    command, comment, _words = remedy.partition(COMMENT)
    return command if comment else ""


def words_of(remedy: str) -> str:
    """Return the words: those behind the command, or all."""
    command, comment, words = remedy.partition(COMMENT)
    return words if comment else command


def about(remedy: str, subject: str) -> str:
    """Return a remedy for this subject; only its words, if the subject is nothing to paste.

    Such as a URL in which something secret is masked: it would ask for something else.
    """
    if SUBJECT not in remedy:
        return remedy
    quoted = "" if "://" in subject and "*" in subject else quote(subject)
    return remedy.replace(SUBJECT, quoted) if quoted else words_of(remedy)


def quote(text: Any) -> str:
    """Return what a host says as one word of a shell; empty if it is nothing that a person should paste."""
    said = str(text)
    if not said or len(said) > LONGEST or not said.isprintable() or said.startswith("-"):
        return ""
    return shlex.quote(said)


def block(source: Any) -> str:
    """Return how to block the address that logins come from; a log may also name a host, or nothing."""
    try:
        address = ipaddress.ip_address(str(source))
    except ValueError:
        return "find out where they come from, and let sshd take keys only"
    family = "ip6" if address.version == 6 else "ip"
    rule = f"nft add rule inet filter input {family} saddr {address} drop"
    return f"{rule}{COMMENT}block the source; and let sshd take keys only"


# --- what could not be seen ------------------------------------------------------------------------------------------
DENIED, MISSING, NO_PROGRAM, REFUSED, NO_ANSWER, NO_NAME, BROKEN, GONE = (
    "denied", "missing", "no program", "refused", "no answer", "no name", "broken", "gone",
)  # fmt: skip
"""Why a gather could not see, as `host.HostError` says it."""
STEPS = {
    DENIED: "namei -l {at}  # the agent's account may not read one of these; give it the right, or observe as root",
    MISSING: "ls -ld {at}  # if it should be there, see why not; if not, correct it in the inventory",
    NO_PROGRAM: "command -v {at}  # install the package that has it",
    NO_NAME: "getent ahosts {at}  # the host's resolver does not know the name",
    BROKEN: "journalctl -k -p err -n 20 --no-pager  # the disk below it gives errors",
    GONE: "findmnt -T {at}  # the file system below it does not answer",
}


def step(cannot: Any) -> str:
    """Return how to find out why a gather could not see; empty if nothing is known. cannot: why, and of what."""
    if not isinstance(cannot, list) or len(cannot) != 2 or not isinstance(cannot[0], str):
        return ""
    why, at = cannot
    quoted = quote(at)
    if why in STEPS and quoted:
        return STEPS[why].replace("{at}", quoted)
    return _connection(str(at)) if why in (REFUSED, NO_ANSWER) and quoted else ""


def _connection(at: str) -> str:
    """Return how to see who listens at an address, `host:port` or a path of a socket."""
    if at.startswith("/"):
        return f"ss -xl src {quote(at)}{COMMENT}see whether anybody listens there"
    host, _colon, port = at.rpartition(":")
    if not host or not port.isdigit():
        return ""
    try:
        here = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        here = False
    if here:
        return f"ss -ltnp 'sport = :{port}'{COMMENT}see whether anybody listens there"
    name = quote(host)
    return f"nc -vz -w 5 {name} {port}{COMMENT}try it from the host; then look at the server and at what is between"


# --- this program's own commands -------------------------------------------------------------------------------------
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]*\Z")


def command(name: str, *arguments: str, site: str = "", limit: str = "") -> str:
    """Return an upkeep command that can be pasted; a host's name that is more than a name is left out."""
    words = [program(), name, *arguments]
    if site:
        words += ["-i", site]
    if limit and _PLAIN_NAME.match(limit):
        words += ["--limit", limit]
    return shlex.join(words)


def first(line: str, words: str) -> str:
    """Return a remedy: the command that comes first, and what it is for."""
    return f"{line}{COMMENT}{words}"


def after(check: str) -> str:
    """Return the words of an unknown that follows from what another check says of the same thing."""
    return f"fix what {check} says first"


def completed(remedy: str, site: str, takes_site: Callable[[Sequence[str]], bool]) -> str:
    """Return a remedy whose command of ours has the program's path, where it is needed, and the site in question.

    site: as it was given, or empty. takes_site: whether a command, given by its words, is one of a site.
    """
    line, comment, words = remedy.partition(COMMENT)
    try:
        called, *rest = shlex.split(line)
    except ValueError:  # words, with an apostrophe
        return remedy
    if called != "upkeep":
        return remedy
    if site and not {"-i", "--inventory"} & set(rest) and takes_site(rest):
        rest += ["-i", site]
    return shlex.join([program(), *rest]) + comment + words


@functools.cache
def program() -> str:
    """Return how this program is called: its name or, where that is not on PATH, its path."""
    own = Path(sys.argv[0])
    if shutil.which("upkeep") or own.name != "upkeep" or "/" not in sys.argv[0]:
        return "upkeep"
    return str(own.absolute())
