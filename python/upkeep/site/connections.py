"""How each host is reached: by what the inventory, ansible.cfg and ssh's own configuration say together.

What OpenSSH knows better is asked of OpenSSH: `ssh -G` gives its options for a host, with Match, Include and tokens as
Ansible's connection will have them; `ssh-keygen -F` gives the keys it knows, hashed names and patterns too.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from upkeep.model.errors import UpkeepError
from upkeep.system import account, child

SSH_SECONDS = 10.0
CONNECT_SECONDS = 5.0
TEMPLATE_DEPTH = 5
SSH = ("ssh", "smart", "paramiko", "paramiko_ssh", "ansible.builtin.ssh")
LOCAL = ("local", "ansible.builtin.local")
# Ansible's names of one thing: the first that is said counts.
ADDRESS = ("ansible_host", "ansible_ssh_host")
PORT = ("ansible_port", "ansible_ssh_port")
USER = ("ansible_user", "ansible_ssh_user")
KEY = ("ansible_private_key_file", "ansible_ssh_private_key_file")
PASSWORD = ("ansible_password", "ansible_ssh_password", "ansible_ssh_pass")
BECOME_PASSWORD = ("ansible_become_password", "ansible_become_pass", "ansible_sudo_pass")
CHECKING = ("ansible_ssh_host_key_checking", "ansible_host_key_checking")
CONFIGURED = {
    "DEFAULT_BECOME": "ansible_become",
    "DEFAULT_BECOME_METHOD": "ansible_become_method",
    "DEFAULT_TRANSPORT": "ansible_connection",
}
VAULTED = "__ansible_vault"


class WayError(UpkeepError):
    """It cannot be told how a host is reached."""


@dataclass(frozen=True)
class Way:
    """How a host is reached.

    kind: ssh, local, or the name of another connection of Ansible's. name: what known_hosts files call the host.
    proxy: the command that stands between, empty if none. options: what the inventory gives ssh, as
    words of its command line. password_vaulted: there is one, for Ansible's eyes only.
    """

    host: str
    kind: str = "ssh"
    address: str = ""
    port: int = 22
    user: str = ""
    name: str = ""
    keys: tuple[str, ...] = ()
    agent: bool = True
    known_hosts: tuple[str, ...] = ()
    strict: bool = True
    proxy: str = ""
    password: str = field(default="", repr=False)
    password_vaulted: bool = False
    become: bool = False
    become_method: str = "sudo"
    become_password: bool = False
    interpreter: str = ""
    options: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """The address, with its port if that is not ssh's own."""
        return self.address if self.port == 22 else f"{self.address} port {self.port}"

    @property
    def command(self) -> str:
        """How a person tries the same."""
        port = [] if self.port == 22 else ["-p", str(self.port)]
        return shlex.join(["ssh", *port, *self.options, f"{self.user}@{self.address}"])


def read_way(host: str, variables: Mapping[str, Any], defaults: Mapping[str, Any]) -> Way:
    """Return how the host is reached.

    defaults: what ansible.cfg and ANSIBLE_* say, by the names of the inventory's variables.

    Raises: WayError with what is in the way of knowing.
    """
    said = HostVariables(host, variables, defaults)
    kind = said.text("ansible_connection") or "ssh"
    if kind in LOCAL:
        return Way(host, "local", user=account.own_name())
    if kind not in SSH:
        return Way(host, kind)
    options = _ssh_options(said)
    address = options["hostname"][0]
    port = int(options["port"][0])
    tokens = {"h": address, "p": str(port), "r": options["user"][0], "n": said.address}
    vaulted = any(_is_vaulted(variables.get(name)) for name in PASSWORD)
    checking = said.text(*CHECKING) or "true"
    strict = options.get("stricthostkeychecking", ["ask"])[0] not in ("false", "no", "accept-new")
    known = [*options.get("userknownhostsfile", ()), *options.get("globalknownhostsfile", ())]
    agent = options.get("identityagent", [""])[0] != "none"
    return Way(
        host,
        address=address,
        port=port,
        user=options["user"][0],
        name=_known_name(options, address, port),
        keys=tuple(_path(one, tokens) for one in options.get("identityfile", ())),
        agent=agent and options.get("identitiesonly", ["no"])[0] != "yes",
        known_hosts=tuple(_path(one, tokens) for words in known for one in words.split()),
        strict=strict and _is_true(checking),
        proxy=_proxy(options, tokens),
        password="" if vaulted else said.text(*PASSWORD),
        password_vaulted=vaulted,
        become=_is_true(said.text("ansible_become")),
        become_method=said.text("ansible_become_method") or "sudo",
        become_password=any(name in variables for name in BECOME_PASSWORD),
        interpreter=said.text("ansible_python_interpreter"),
        options=_own_options(said),
    )


def read_defaults(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return what ansible.cfg and ANSIBLE_* say of connections, by the names of the inventory's variables."""
    program = Path(sys.executable).parent / "ansible-config"
    command = [str(program), "dump", "--only-changed", "-t", "all", "--format", "json"]
    try:
        told = child.told_environment({"ANSIBLE_NOCOLOR": "1", **environment})
        done = child.run(command, seconds=SSH_SECONDS * 6, environment=told)
        dumped = [] if done.status else json.loads(done.output)
    except (OSError, ValueError):
        return {}  # what is wrong with it, ansible-inventory says better
    found: dict[str, Any] = {}
    for one in dumped:
        if one.get("name") in CONFIGURED:
            found[CONFIGURED[one["name"]]] = one["value"]
        for plugin in one.get("CONNECTION_PLUGINS", ()):
            for option in plugin.get("ssh", ()):
                name = "user" if option["name"] == "remote_user" else option["name"]
                found[f"ansible_{name}"] = option["value"]
    return found


def known_keys(way: Way) -> list[tuple[str, str, str]]:
    """Return marker, type and base64 of each key that ssh knows the host by.

    marker: empty, `@revoked` or `@cert-authority`.
    """
    keys = []
    for path in way.known_hosts:
        if not Path(path).is_file():
            continue
        command = ["ssh-keygen", "-F", way.name, "-f", path]
        done = child.run(command, seconds=SSH_SECONDS)
        for line in done.output.decode("utf-8", "replace").splitlines():
            words = line.split()
            marker = words.pop(0) if words and words[0].startswith("@") else ""
            if len(words) >= 3 and not line.startswith("#"):
                keys.append((marker, words[1], words[2]))
    return keys


class HostVariables:
    """What is said of one host: the inventory's variables before the defaults, templates resolved."""

    def __init__(self, host: str, variables: Mapping[str, Any], defaults: Mapping[str, Any]):
        self.host = host
        self.variables = {**defaults, **variables}
        self.address = self.text(*ADDRESS) or host

    def text(self, *names: str) -> str:
        """Return the first of these variables that is said.

        Raises: WayError if only Ansible can resolve it.
        """
        for name in names:
            value = self.variables.get(name)
            if value is None or value == "":
                continue
            if _is_vaulted(value):
                return ""
            return self._resolve(name, str(value))
        return ""

    def _resolve(self, name: str, text: str) -> str:
        """Return the text without templates: of the host's own variables only, without Ansible's lookups."""
        environment = SandboxedEnvironment(undefined=StrictUndefined)
        names = {"inventory_hostname": self.host, "ansible_playbook_python": sys.executable}
        names["inventory_hostname_short"] = self.host.partition(".")[0]
        result = text
        for _depth in range(TEMPLATE_DEPTH):
            if "{{" not in result and "{%" not in result:
                return result
            try:
                result = environment.from_string(result).render({**names, **self.variables})
            except (TemplateError, TypeError, ValueError, ArithmeticError) as exc:
                what = f"{name} is a template that only Ansible resolves: {text!r:.200} ({exc})"
                raise WayError(what, remedy=f"ansible -m ping {shlex.quote(self.host)}") from exc
        raise WayError(f"{name} is a template without an end: {text!r:.200}")


def _ssh_options(said: HostVariables) -> dict[str, list[str]]:
    """Return ssh's options for the host by their names, as Ansible calls it."""
    command = ["ssh", "-G", *_words(said, "ansible_ssh_args")]
    # In Ansible's order: of what is said twice, ssh takes the first.
    for option, names in (("Port", PORT), ("IdentityFile", KEY), ("User", USER)):
        if value := said.text(*names):
            value = str(Path(value).expanduser()) if names is KEY else value
            command += ["-o", f'{option}="{value}"']
    command += _words(said, "ansible_ssh_common_args") + _words(said, "ansible_ssh_extra_args")
    try:
        done = child.run([*command, "--", said.address], seconds=SSH_SECONDS)
    except FileNotFoundError as exc:
        raise WayError("ssh is not there", remedy="apt-get install openssh-client") from exc
    except (OSError, ValueError) as exc:
        raise WayError(f"ssh -G: {exc}") from exc
    if done.stopped:
        raise WayError(f"ssh -G: {done.stopped}", remedy=shlex.join([*command, said.address]))
    if done.status:
        lines = done.complaint.decode("utf-8", "replace").strip().splitlines()
        raise WayError(f"ssh: {lines[-1] if lines else f'status {done.status}'}")
    options: dict[str, list[str]] = {}
    for line in done.output.decode("utf-8", "replace").splitlines():
        name, _space, value = line.partition(" ")
        options.setdefault(name, []).append(value)
    return options


def _own_options(said: HostVariables) -> tuple[str, ...]:
    """Return the key and the arguments of ssh that the inventory names, without which ssh goes another way."""
    key = said.text(*KEY)
    words = ["-i", str(Path(key).expanduser())] if key else []
    return (
        *words,
        *_words(said, "ansible_ssh_common_args"),
        *_words(said, "ansible_ssh_extra_args"),
    )


def _words(said: HostVariables, name: str) -> list[str]:
    """Return a variable's arguments of ssh."""
    try:
        return shlex.split(said.text(name))
    except ValueError as exc:
        raise WayError(f"{name}: {said.text(name)!r:.200}: {str(exc).lower()}") from exc


def _known_name(options: Mapping[str, list[str]], address: str, port: int) -> str:
    """Return what known_hosts files call the host."""
    alias = options.get("hostkeyalias", [""])[0]
    if alias and alias != "none":
        return alias
    return address.lower() if port == 22 else f"[{address.lower()}]:{port}"


def _proxy(options: Mapping[str, list[str]], tokens: Mapping[str, str]) -> str:
    """Return the command that goes between, empty if there is none."""
    jump = options.get("proxyjump", ["none"])[0]
    if jump not in ("", "none"):
        first, _comma, last = jump.rpartition(",")
        command = ["ssh", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_SECONDS:.0f}"]
        command += ["-J", first] if first else []
        target = f"[{tokens['h']}]:{tokens['p']}"
        return shlex.join([*command, "-W", target, f"ssh://{last}"])
    command_line = options.get("proxycommand", ["none"])[0]
    return "" if command_line in ("", "none") else _expand(command_line, tokens)


def _path(text: str, tokens: Mapping[str, str]) -> str:
    home = str(account.home() or "~")
    return str(Path(_expand(text, {**tokens, "d": home, "u": account.own_name()})).expanduser())


def _expand(text: str, tokens: Mapping[str, str]) -> str:
    """Return the text with ssh's tokens resolved; an unknown one stays."""
    parts = text.split("%%")
    for token, value in tokens.items():
        parts = [part.replace(f"%{token}", value) for part in parts]
    return "%".join(parts)


def _is_vaulted(value: Any) -> bool:
    return isinstance(value, Mapping) and VAULTED in value


def _is_true(value: Any) -> bool:
    return str(value).lower() in ("true", "yes", "on", "1", "y", "t")
