"""Find out what stands in the way, for all hosts side by side: each line says what to do.

Goes by paramiko and not by Ansible: it wants to know why a connection fails, step by step, for all hosts at once.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import shlex
import shutil
import socket
import sys
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import paramiko

from ansible_collections.astral.upkeep.plugins.plugin_utils import payload, transport
from upkeep import parameters
from upkeep.check import load
from upkeep.errors import ConfigurationError, UpkeepError
from upkeep.inventory import read_inventory
from upkeep.parameters import ParameterError
from upkeep.site import Site
from upkeep.store import open_store

CONNECT_SECONDS = 5.0
COMMAND_SECONDS = 15.0
AT_ONCE = 50
CLOCK_LIMIT_SECONDS = 5.0
CONTROLLER = "controller"
PROBE = """\
import importlib.util as u, json, os, shutil, sys, time
p = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
def there(t):
    return u.find_spec(t[7:]) if t.startswith("python:") else shutil.which(t, path=p)
print("upkeep:" + json.dumps({"python": sys.version.split()[0], "path": sys.executable, "uid": os.geteuid(),
"clock": time.time(), "lacks": [t for t in %(tools)r if not any(map(there, t.split("|")))]}))
"""


@dataclass(frozen=True)
class Line:
    """What was found of one topic on one host. status: ok, warn, fail or unknown; remedy: what to do."""

    host: str
    topic: str
    status: str
    text: str
    remedy: str = ""


@dataclass(frozen=True)
class Way:
    """How a host is reached, as the inventory and ~/.ssh/config say."""

    host: str
    address: str
    port: int
    user: str
    local: bool = False
    become: bool = False
    become_password: bool = False
    password: str = field(default="", repr=False)
    keys: tuple[str, ...] = ()
    known_hosts: tuple[str, ...] = ()
    jump: str = ""
    proxy_command: str = ""
    interpreter: str = ""
    strict: bool = True


def examine(site: Site, limit: str = "") -> list[Line]:
    """Return what was found of the controller and of each host of the site, in this order.

    Takes seconds: all hosts side by side, each step with a time limit. Raises ConfigurationError if Ansible cannot
    read the inventory.
    """
    lines = list(examine_controller(site))
    hosts = read_inventory(str(site.inventory), limit)
    if not hosts:
        text = (
            f"no host of the inventory matches {limit!r}" if limit else "the inventory has no host"
        )
        return [
            *lines,
            Line(CONTROLLER, "inventory", "fail", text, "name hosts in inventory/hosts.yml"),
        ]
    found: dict[str, list[Line]] = {}
    with ThreadPoolExecutor(max_workers=min(AT_ONCE, len(hosts))) as pool:
        work = {pool.submit(_examine_host, name, hosts[name], site): name for name in hosts}
        for done in as_completed(work):
            found[work[done]] = done.result()
    return lines + [line for name in hosts for line in found[name]]


def examine_controller(site: Site) -> Iterator[Line]:
    """Yield what was found of this machine and of the site's settings."""
    for name in ("ansible-core", "ansible-runner"):
        yield Line(CONTROLLER, name, "ok", metadata.version(name))
    for program, package in (("ssh", "openssh-client"), ("setpriv", "util-linux")):
        if shutil.which(program) is None:
            text = f"{program} is not on PATH"
            yield Line(CONTROLLER, program, "fail", text, f"apt-get install {package}")
    try:
        store = open_store(site.settings.database_url)
        yield Line(CONTROLLER, "database", "ok", store.place)
        store.close()
    except UpkeepError as exc:
        yield Line(CONTROLLER, "database", "fail", str(exc), exc.remedy)
    workspace = site.settings.workspace
    parent = next(path for path in (workspace, *workspace.parents) if path.exists())
    if _file_system(parent) not in ("tmpfs", "ramfs"):
        text = f"{workspace} is on a disk; what a run writes there may survive on it"
        yield Line(
            CONTROLLER, "workspace", "warn", text, "set UPKEEP_WORKSPACE to a folder in memory"
        )
    encoding = (sys.stdout.encoding or "").lower()
    if "utf" not in encoding:
        text = f"the terminal's encoding is {encoding}; signs are shown in ASCII"
        yield Line(CONTROLLER, "terminal", "warn", text, "export LC_ALL=C.UTF-8")


def read_way(host: str, variables: Mapping[str, Any], config: paramiko.SSHConfig) -> Way:
    """Return how the host is reached; templates count as not said."""
    said = {name: value for name, value in variables.items() if "{{" not in str(value)}
    address = str(said.get("ansible_host") or said.get("ansible_ssh_host") or host)
    settings = config.lookup(address)
    options = _options(
        " ".join(
            str(said.get(name, ""))
            for name in ("ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_ssh_args")
        )
    )
    keys = [said.get("ansible_ssh_private_key_file"), said.get("ansible_private_key_file")]
    keys += options.get("identityfile", []) + list(settings.get("identityfile", []))
    user = said.get("ansible_user") or said.get("ansible_ssh_user") or settings.get("user")
    known = options.get("userknownhostsfile") or [settings.get("userknownhostsfile", "")]
    port = said.get("ansible_port") or said.get("ansible_ssh_port") or settings.get("port") or 22
    return Way(
        host=host,
        address=settings.get("hostname", address),
        port=int(port),
        user=str(user or getpass.getuser()),
        local=said.get("ansible_connection") == "local",
        become=_is_true(said.get("ansible_become", False)),
        become_password=any(
            name in variables for name in ("ansible_become_password", "ansible_become_pass")
        ),
        password=str(said.get("ansible_password") or said.get("ansible_ssh_pass") or ""),
        keys=tuple(str(Path(str(key)).expanduser()) for key in keys if key),
        known_hosts=tuple(word for text in known for word in str(text).split()),
        jump=(options.get("proxyjump") or [settings.get("proxyjump", "")])[0],
        proxy_command=(options.get("proxycommand") or [settings.get("proxycommand", "")])[0],
        interpreter=str(said.get("ansible_python_interpreter", "")),
        strict=(options.get("stricthostkeychecking") or ["yes"])[0].lower() not in ("no", "off"),
    )


def _options(arguments: str) -> dict[str, list[str]]:
    """Return ssh's options on a command line, by their names in small letters."""
    options: dict[str, list[str]] = {}
    try:
        words = iter(shlex.split(arguments))
    except ValueError:
        return options
    for word in words:
        if word.startswith("-o"):
            name, _equals, value = (word[2:] or next(words, "")).partition("=")
            options.setdefault(name.strip().lower(), []).append(value.strip())
        elif word[:2] in ("-J", "-i"):
            name = {"-J": "proxyjump", "-i": "identityfile"}[word[:2]]
            options.setdefault(name, []).append(word[2:] or next(words, ""))
    return options


def _examine_host(name: str, variables: Mapping[str, Any], site: Site) -> list[Line]:
    """Return what was found of one host; whatever goes wrong is a line of it."""
    try:
        way = read_way(name, variables, _ssh_config())
        tools = _tools(name, variables)
        lines = []
        if isinstance(tools, Line):
            lines, tools = [tools], []
        if way.local:
            lines.append(Line(name, "connection", "ok", "this machine"))
            return [*lines, *_examine_local(way, tools)]
        return [*lines, *_examine_remote(way, tools)]
    except Exception as exc:
        text = f"{type(exc).__name__}: {exc}"
        return [Line(name, "doctor", "unknown", text, "upkeep --debug doctor")]


def _tools(name: str, variables: Mapping[str, Any]) -> list[str] | Line:
    """Return what the host's due checks need of programs, or what is wrong with its entries.

    Of `a|b|python:c`, one is enough: a program, or a library of Python.
    """
    asked = {one: value for one, value in variables.items() if one.startswith(parameters.VARIABLES)}
    plain = {one: value for one, value in asked.items() if "{{" not in str(value)}
    try:
        entries = parameters.merge_entries(plain, load())
    except ParameterError as exc:
        return Line(name, "checks", "fail", str(exc), "mend it in the inventory")
    if not entries and len(plain) == len(asked):
        remedy = "list checks in group_vars as upkeep_checks_<name>; upkeep checks shows them"
        return Line(name, "checks", "warn", "no check is asked for here", remedy)
    gathers = [payload.gathers()[parameters.find(one, load()).gather] for one in entries]
    return sorted({tool for gather in gathers for tool in getattr(gather, "TOOLS", ())})


def _examine_local(way: Way, tools: Sequence[str]) -> Iterator[Line]:
    """Yield what this very machine lacks."""
    path = os.environ.get("PATH", "") + os.pathsep + "/usr/local/sbin:/usr/sbin:/sbin"
    missing = [one for one in tools if not any(_is_there(name, path) for name in one.split("|"))]
    yield from _lacks(way, missing)
    if os.geteuid() != 0:
        text = f"looks as {getpass.getuser()}: what only root may read will be unknown"
        yield Line(way.host, "privilege", "warn", text, "run it as root, or live with the unknowns")


def _examine_remote(way: Way, tools: Sequence[str]) -> Iterator[Line]:
    """Yield what was found step by step; a step that fails ends it."""
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    for path in _known_hosts(way):
        if Path(path).exists():
            client.load_host_keys(path)
    try:
        channel = _open(way)
    except OSError as exc:
        text = f"{way.address} port {way.port}: {_reason(exc)}"
        remedy = f"ssh -v -p {way.port} {way.user}@{way.address}"
        yield Line(way.host, "reachable", "fail", text, remedy)
        return
    try:
        yield from _examine_connected(client, channel, way, tools)
    finally:
        client.close()
        if channel is not None:
            channel.close()


def _examine_connected(
    client: paramiko.SSHClient, channel: Any, way: Way, tools: Sequence[str]
) -> Iterator[Line]:
    """Yield what was found of the host key, the login, and of the host itself."""
    place = f"{way.address} port {way.port}" if way.port != 22 else way.address
    scan = f"ssh-keyscan -p {way.port} {way.address}  # compare, then add to known_hosts"
    try:
        client.connect(
            way.address,
            port=way.port,
            username=way.user,
            password=way.password or None,
            key_filename=list(way.keys) or None,  # type: ignore[arg-type]  # it takes a list too
            sock=channel,
            timeout=CONNECT_SECONDS,
            banner_timeout=CONNECT_SECONDS,
            auth_timeout=CONNECT_SECONDS,
            look_for_keys=not way.keys,
        )
    except paramiko.BadHostKeyException as exc:
        text = f"the host key of {place} has changed: {_fingerprint(exc.key)}, known is another"
        remedy = f"find out why before anything else; then ssh-keygen -R '{way.address}'"
        yield Line(way.host, "host key", "fail", text, remedy)
    except paramiko.AuthenticationException as exc:
        keys = ", ".join(way.keys) or "the agent's and the default keys"
        remedy = f"ssh-copy-id -p {way.port} {way.user}@{way.address}"
        yield Line(
            way.host, "login", "fail", f"{way.user} is not let in with {keys}: {exc}", remedy
        )
    except paramiko.SSHException as exc:
        if "not found in known_hosts" in str(exc):
            yield Line(way.host, "host key", "fail", f"the host key of {place} is not known", scan)
        else:
            text = f"{place}: {_reason(exc)}"
            remedy = f"ssh -v -p {way.port} {way.user}@{way.address}"
            yield Line(way.host, "reachable", "fail", text, remedy)
    except OSError as exc:
        remedy = f"ssh -v -p {way.port} {way.user}@{way.address}"
        yield Line(way.host, "reachable", "fail", f"{place}: {_reason(exc)}", remedy)
    else:
        yield Line(way.host, "connection", "ok", f"{way.user}@{place}, host key known")
        yield from _examine_inside(client, way, tools)


def _examine_inside(client: paramiko.SSHClient, way: Way, tools: Sequence[str]) -> Iterator[Line]:
    """Yield what was found on the host, by one command."""
    probe = PROBE % {"tools": list(tools)}
    encoded = b64encode(probe.encode()).decode("ascii")
    interpreter = "" if way.interpreter.startswith("auto") else way.interpreter
    candidates = shlex.quote(interpreter) if interpreter else transport.CANDIDATES
    program = f"import base64; exec(base64.b64decode('{encoded}'))"
    script = (
        f'for p in {candidates}; do "$p" {transport.TRY} </dev/null >/dev/null 2>&1 &&'
        f' exec "$p" -c {shlex.quote(program)}; done; echo {transport.NO_PYTHON}'
    )
    before = time.time()
    try:
        said = _command(client, f"/bin/sh -c {shlex.quote(script)}")
    except (OSError, paramiko.SSHException) as exc:
        text = f"no answer to a command: {_reason(exc)}"
        yield Line(way.host, "python", "unknown", text, f"ssh {way.user}@{way.address} true")
        return
    answer = _parse(said)
    if answer is None:
        text = "no Python 3.8 or later"
        if interpreter:
            text += f" at {interpreter} (ansible_python_interpreter)"
        yield Line(
            way.host, "python", "fail", text, "apt-get install python3-minimal, on that host"
        )
        return
    yield Line(way.host, "python", "ok", f"{answer['python']} at {answer['path']}")
    yield from _lacks(way, answer["lacks"])
    yield from _clock(way, answer["clock"], before, time.time())
    yield from _privilege(client, way, answer["uid"])


def _lacks(way: Way, tools: Sequence[str]) -> Iterator[Line]:
    if tools:
        said = ", ".join(
            " or ".join(one.replace("python:", "Python's ").split("|")) for one in tools
        )
        text = f"its checks need {said}; not there"
        yield Line(way.host, "tools", "warn", text, "install them, or those checks are unknown")


def _is_there(tool: str, path: str) -> bool:
    if tool.startswith("python:"):
        return find_spec(tool.removeprefix("python:")) is not None
    return shutil.which(tool, path=path) is not None


def _clock(way: Way, clock: float, before: float, after: float) -> Iterator[Line]:
    """Yield how far the host's clock is from this one's: at least so much, whatever the way took."""
    offset = max(before - clock, clock - after, 0.0)
    if offset > CLOCK_LIMIT_SECONDS:
        text = f"its clock differs by {offset:.0f} s, at most {CLOCK_LIMIT_SECONDS:.0f} s"
        yield Line(way.host, "clock", "fail", text, "timedatectl set-ntp true, on that host")


def _privilege(client: paramiko.SSHClient, way: Way, uid: int) -> Iterator[Line]:
    """Yield if what is looked at as this user is enough."""
    if uid == 0:
        yield Line(way.host, "privilege", "ok", "root")
    elif not way.become:
        text = f"{way.user} without become: what only root may read will be unknown"
        yield Line(way.host, "privilege", "warn", text, "ansible_become: true in the inventory")
    elif way.become_password:
        yield Line(way.host, "privilege", "ok", f"{way.user} becomes root with a password")
    else:
        try:
            said = _command(client, "sudo -n true && echo upkeep:sudo")
        except (OSError, paramiko.SSHException):
            said = ""
        if "upkeep:sudo" in said:
            yield Line(way.host, "privilege", "ok", f"{way.user} becomes root without a password")
        else:
            text = f"{way.user} may not become root without a password, and none is given"
            remedy = "a rule in /etc/sudoers.d there, or ansible_become_password from the vault"
            yield Line(way.host, "privilege", "fail", text, remedy)


def _command(client: paramiko.SSHClient, command: str) -> str:
    """Return what a command prints, in bounded time and size."""
    _stdin, stdout, _stderr = client.exec_command(command, timeout=COMMAND_SECONDS)
    return stdout.read(100_000).decode("utf-8", "replace")


def _parse(said: str) -> dict[str, Any] | None:
    for line in said.splitlines():
        if line.startswith("upkeep:{"):
            try:
                answer: dict[str, Any] = json.loads(line.removeprefix("upkeep:"))
            except ValueError:
                return None
            return answer
    return None


def _open(way: Way) -> Any:
    """Return a connected socket, or a channel through a jump host or a proxy command."""
    command = way.proxy_command
    if way.jump and way.jump.lower() != "none":
        jumps = ["-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_SECONDS:.0f}"]
        for key in way.keys:
            jumps += ["-i", key]
        for path in way.known_hosts:
            jumps += ["-o", f"UserKnownHostsFile={path}"]
        first, _comma, more = way.jump.rpartition(",")
        jumps += ["-J", first] if first else []
        command = shlex.join(["ssh", *jumps, "-W", f"{way.address}:{way.port}", more])
    if command and command.lower() != "none":
        command = command.replace("%h", way.address).replace("%p", str(way.port))
        proxy = paramiko.ProxyCommand(command.replace("%r", way.user))
        proxy.settimeout(CONNECT_SECONDS)
        return proxy
    return socket.create_connection((way.address, way.port), CONNECT_SECONDS)


def _known_hosts(way: Way) -> list[str]:
    if way.known_hosts:
        return [str(Path(path).expanduser()) for path in way.known_hosts]
    return [str(Path("~/.ssh/known_hosts").expanduser()), "/etc/ssh/ssh_known_hosts"]


def _ssh_config() -> paramiko.SSHConfig:
    path = Path("~/.ssh/config").expanduser()
    if path.is_file():
        try:
            return paramiko.SSHConfig.from_path(str(path))
        except (OSError, paramiko.ConfigParseError) as exc:
            raise ConfigurationError(f"{path}: {exc}") from exc
    return paramiko.SSHConfig()


def _fingerprint(key: paramiko.PKey) -> str:
    digest = hashlib.sha256(key.asbytes()).digest()
    return f"{key.get_name()} SHA256:{b64encode(digest).decode('ascii').rstrip('=')}"


def _file_system(path: Path) -> str:
    """Return the kind of file system that the path is on; empty if that cannot be seen."""
    best, kind = "", ""
    try:
        text = Path("/proc/self/mounts").read_text(encoding="utf-8")
    except OSError:
        return ""
    for line in text.splitlines():
        _source, target, this, *_rest = line.split()
        if path.is_relative_to(target) and len(target) >= len(best):
            best, kind = target, this
    return kind


def _is_true(value: Any) -> bool:
    return str(value).lower() in ("true", "yes", "on", "1")


def _reason(exc: BaseException) -> str:
    if isinstance(exc, TimeoutError):
        return "no answer in time"
    text = getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
    return " ".join(text.split())
