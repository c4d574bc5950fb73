"""The next step that is told with a verdict: a command that can be pasted, with words behind it, or words alone.

`du -x /srv | sort -n | tail  # on the host: see what grows`: a shell takes the line as it stands, and the words say
where to run it. A remedy that begins with no command has none in it: its words begin with `decide: `, for a person must
decide what to do. `{subject}` stands for what the check looked at.
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

from upkeep.model.source import is_source

COMMENT = "  # "
DECIDE = "decide: "
"""Begins the words where no command puts it right by itself: a person must decide."""
ON_CONTROLLER, ON_HOST, ON_LOOKER = (
    "on the controller", "on the host", "on the host that looks at it",
)  # fmt: skip
PACKAGES = {
    "certbot": "certbot",
    "chronyc": "chrony",
    "curl": "curl",
    "logrotate": "logrotate",
    "lsof": "lsof",
    "mariadb": "mariadb-client",
    "mariadb-dumpslow": "mariadb-client",
    "nc": "netcat-openbsd",
    "nft": "nftables",
    "nginx": "nginx",
    "ntpq": "ntpsec",
    "openssl": "openssl",
    "psql": "postgresql-client",
    "redis-cli": "redis-tools",
    "sqlite3": "sqlite3",
}
"""Programs that remedies name and that not every host has, each with the Debian package that has it."""
SUBJECT = "{subject}"
JOURNAL = "journal"
"""The subject of a check that reads the journal of systemd, and no file."""
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


def quote(text: Any, longest: int = LONGEST) -> str:
    """Return what a host says as one word of a shell; empty if it is nothing that a person should paste."""
    said = str(text)
    if not said or len(said) > longest or not said.isprintable() or said.startswith("-"):
        return ""
    return shlex.quote(said)


def programs_of(line: str) -> list[str]:
    """Return the programs that a command starts, in their order; none if it is no line of a shell."""
    words = shlex.shlex(line, posix=True, punctuation_chars=True)
    words.whitespace_split = True
    found: list[str] = []
    begins = True
    try:
        for word in words:
            if begins or (word in PACKAGES and found and found[-1] == "runuser"):
                found.append(word)
            begins = bool(word.strip("|&;") == "")
    except ValueError:
        return []
    return found


def placed(remedy: str, host: str = "") -> str:
    """Return a remedy whose words say where its command is run, and what has a program that may be missing there.

    host: what the remedy is for, as its result names it; a source is looked at from some host.
    """
    line, comment, words = remedy.partition(COMMENT)
    if not comment or words.startswith((ON_CONTROLLER, ON_HOST)):
        return remedy
    programs = programs_of(line)
    if programs and Path(programs[0]).name.startswith(("upkeep", "ansible")):
        return f"{line}{comment}{ON_CONTROLLER}: {words}"
    where = ON_LOOKER if is_source(host) else ON_HOST
    missing = [one for one in dict.fromkeys(programs) if one in PACKAGES]
    said = "".join(f"; if {one} is missing: apt-get install {PACKAGES[one]}" for one in missing)
    return f"{line}{comment}{where}: {words}{said}"


def block(source: Any) -> str:
    """Return how to block the address that logins come from; a log may also name a host, or nothing.

    A route needs no rule set that is already there, and is gone after the next start.
    """
    try:
        address = ipaddress.ip_address(str(source))
    except ValueError:
        return f"{DECIDE}find out where the logins come from, and let sshd take keys only"
    words = f"{DECIDE}block the source until the next reboot, if it is none of yours; let sshd take keys only"
    return f"ip route replace blackhole {address}{COMMENT}{words}"


def literally(text: str) -> str:
    """Return a text as `grep -E` takes it to the letter."""
    return re.sub(r"([][.^$*+?(){}|\\])", r"\\\1", text)


def log_lines(log: str, found: str, words: str) -> str:
    """Return how to see the newest lines of a log that have one of some words. found: for `grep -iE`."""
    search = f"grep -aiE {shlex.quote(found)}"
    if log == JOURNAL:
        return look(f"journalctl --no-pager --since -1d | {search} | tail -n 20", words)
    name = quote(log)
    return look(f"{search} {name} | tail -n 20", words) if name else ""


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
    BROKEN: "dmesg -T --level=emerg,alert,crit,err | tail -n 20  # the disk below it gives errors",
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
    return connection(str(at)) if why in (REFUSED, NO_ANSWER) and quoted else ""


def connection(at: str) -> str:
    """Return how to see who listens at an address, `host:port` or a path of a socket."""
    if at.startswith("/"):
        return f"ss -xl src {quote(at)}{COMMENT}see whether anybody listens there"
    host, _colon, port = at.rpartition(":")
    if not host or not port.isdigit():
        return ""
    host = host.strip("[]")
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


def look(line: str, words: str) -> str:
    """Return a remedy: a command, and what it is for."""
    return f"{line}{COMMENT}{words}"


def first(line: str, words: str) -> str:
    """Return a remedy that is not a check's: its words say where the command is run."""
    return placed(look(line, words))


def after(check: str) -> str:
    """Return the words of an unknown that follows from what another check says of the same thing."""
    return f"fix what {check} says first"


_AFTER = re.compile(after(r"(\w+)"))


def cause_of(remedy: str) -> str:
    """Return the check that `after` names in a remedy; empty if it is another remedy."""
    found = _AFTER.fullmatch(remedy)
    return found.group(1) if found else ""


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
    if site and not {"-i", "--inventory", "--help"} & set(rest) and takes_site(rest):
        rest += ["-i", site]
    return shlex.join([program(), *rest]) + comment + words


@functools.cache
def program() -> str:
    """Return how this program is called: its name or, where that is not on PATH, its path."""
    own = Path(sys.argv[0])
    if shutil.which("upkeep") or own.name != "upkeep" or "/" not in sys.argv[0]:
        return "upkeep"
    return str(own.absolute())
