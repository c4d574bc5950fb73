# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which lines of an authentication log may tell of a failed login, though nobody here understands them.

Such a line may turn a pass into unknown, so it must be none that a client can write at will: its program has to be one
that decides about logins, and the words of failure have to stand outside what a client may choose.
"""

from __future__ import annotations

import re

from ansible_collections.astral.upkeep.plugins.module_utils.gather.logins._lines import LoginLine
from ansible_collections.astral.upkeep.plugins.module_utils.gather.logins._messages import PREFIX
from ansible_collections.astral.upkeep.plugins.module_utils.gather.logins._services import PROGRAMS

# Write into the same logs, and let nobody in; so do all of systemd's own services.
_BESIDE = """
CRON anacron atd audispd auditd chage chfn chpasswd chsh cron crond crontab dbus-daemon gpasswd groupadd groupdel
groupmod
newusers passwd pkexec runuser rsyslogd sshguard syslog-ng syslogd systemd useradd userdel usermod vipw
"""
# Write elsewhere, and let nobody in: a log that has nothing else is none of logins.
_ELSEWHERE = """
ModemManager NetworkManager anvil apparmor apt avahi-daemon bounce chronyd cleanup cloud-init containerd dhclient dhcpcd
dnsmasq dockerd fail2ban fail2ban-server fail2ban.actions fail2ban.filter irqbalance iscsid kernel kubelet lmtp local
logrotate lvm master mdadm multipathd named networkd-dispatcher ntpd pickup pipe postscreen qmgr rngd smartd smtp snapd
snmpd tlsmgr tlsproxy trivial-rewrite udisksd unattended-upgrade virtual wpa_supplicant
"""
ELSEWHERE = frozenset(_ELSEWHERE.split())
HARMLESS = frozenset(_BESIDE.split()) | ELSEWHERE
# Serve everybody, and have many a failure that is none of a login.
NOISY = frozenset(["ftp", "smtp", "mailbox", "directory", "database", "vpn", "web", "bare"])

# What clients choose stands in quotes, brackets and `name=value`; their names have dots and dashes.
CHOSEN = re.compile(
    r"'[^']*'|\"[^\"]*\"|`[^']*'|<[^>]*>|\[[^\]]*\]"
    r"|\b\w{0,20}(?:user|name|login|acct|account|agent)=[^,;=]*(?=[,;]|\s\S+=|$)"
    r"|\b(?:for|from|as|user|account)(?: user| account)? \S+(?= (?:from|on|via|port|at|by|in|logged|to)\b|[,;]|$)"
    r"|(?<!\S)[^\s=]{1,200}=\S*",
    re.IGNORECASE,
)
# A program's own verdict, however it is quoted: `result=failed`, `msg="login failed"`.
VERDICT = re.compile(
    r"\b(?:res|result|reason|error|err|status|outcome|event|action|verdict)=(?:\"([^\"]{1,60})\"|([\w-]{1,60}))"
    r"|\b(?:msg|message)=\"((?:[\w-]+ ?){1,4})",
    re.IGNORECASE,
)
# The same in a message that is a JSON object; a quote that a client sent is escaped there.
JSON_VERDICT = re.compile(
    r'(?<!\\)"(?:msg|message|res|result|reason|error|err|status|outcome|event|action|verdict)"\s{0,5}:\s{0,5}"'
    r"((?:[\w-]+ ?){1,4})",
    re.IGNORECASE,
)
# After what succeeded comes who it was.
SUCCEEDED = re.compile(
    r"(?<!not )\b(?:accepted|opened|closed|succeeded|successful(?:ly)?|granted|logged (?:in|out))\b"
    r".*?\b(?:for|user|as|by|from)\b",
    re.IGNORECASE,
)
WORDS = re.compile(
    r"(?<![\w.@/-])(?:(?:login|auth|log on|password) ?)?"
    r"(?:fail(?:ed|ure|ures|s)?|invalid|illegal|incorrect|denied|refused|reject(?:ed|s)?|badlogin"
    r"|nonexistent|unsuccessful"
    r"|(?:bad|wrong) (?:user(?:name)?|pass(?:word|code|phrase)|log(?:in|on)|credentials?|pin|auth\w*)"
    r"|mismatch(?:ed)?"
    r"|no such (?:user|account)|unknown (?:user|account)|un(?:authori[sz]ed|authenticated)|authfail\w*"
    r"|locked out|lockout|not (?:allowed|permitted|authori[sz]ed|authenticated|in sudoers)"
    r"|(?:could not|cannot|can't|unable to) authenticate"
    r"|does(?: not|n't) match)(?![\w@-]|\.\w)",
    re.IGNORECASE,
)
LOGIN = re.compile(
    r"(?<![\w.@/-])(?:log(?:ged)?[- ]?(?:in|on|ins|ons)|auth\w*|pass(?:word|wd|code|phrase)s?|pin|otp|credentials?|sasl"
    r"|users?|usernames?|accounts?|access|sign[- ]?(?:in|on)|badlogin|login\w+)(?![\w@-]|\.\w)",
    re.IGNORECASE,
)
# A look that costs little, for nearly all lines have none.
HINTS = re.compile(
    r"fail|nvalid|llegal|ncorrect|denied|refused|reject|badlogin|nonexist|unsucc|bad |wrong |mismatch"
    r"|no such|unknown |unauth|locked out|lockout|not (?:allow|permit|auth|in sud|match)|authenticate|n't match",
    re.IGNORECASE,
)
TEXT_LIMIT = 2_000
FIRST_WORDS = re.compile(r"(?:[\w'-]+[ ,:]*){1,4}")


def may_be_a_failure(line: LoginLine, declared: bool) -> bool:
    """Return whether a line of which nothing was understood may tell of a failed login.

    declared: the site has named the log, so that a program that nobody here knows may be the one that decides.
    """
    program, message = line.program, line.message
    if program in HARMLESS or program.startswith("systemd-"):
        return False
    family = "sshd" if program == "sshd" else PROGRAMS.get(program)
    if not (family or declared):
        return False
    if family == "sshd" and not message.startswith("pam_"):
        # All else that it writes with such words in it was read, or quotes its client.
        prefix = PREFIX.match(message)
        said = message[prefix.end() :] if prefix else message
        return WORDS.match(said) is not None and LOGIN.search(own_words(said)) is not None
    if not HINTS.search(message):
        return False
    return says_failure(message, family is None or family in NOISY)


def is_elsewhere(program: str) -> bool:
    """Return whether a line of this program of which nothing was understood is none of a log of logins."""
    return program in ELSEWHERE or PROGRAMS.get(program) == "web"


def says_failure(text: str, of_a_login: bool) -> bool:
    """Return whether the program's own words in a text are of a failure. of_a_login: and of a login too."""
    own = own_words(text)
    return WORDS.search(own) is not None and (not of_a_login or LOGIN.search(own) is not None)


def own_words(text: str) -> str:
    """Return a text without what a client may choose: quoted, named, or behind a success."""
    text = text[:TEXT_LIMIT]
    succeeded = SUCCEEDED.search(text)
    verdicts = " ".join(" ".join(found) for found in VERDICT.findall(text))
    if text.startswith("{"):
        verdicts += " ; " + " ; ".join(JSON_VERDICT.findall(text))
    return CHOSEN.sub(" ", text[: succeeded.end()] if succeeded else text) + " ; " + verdicts


def unread_may_be_a_failure(text: str) -> bool:
    """Return whether a line that is no log line of any known kind may tell of a failed login."""
    return HINTS.search(text[:TEXT_LIMIT]) is not None and says_failure(text, of_a_login=True)


def begins_with_failure(text: str) -> bool:
    """Return whether an application's message begins with a failure; what follows may be its client's text."""
    first = FIRST_WORDS.match(text)
    return first is not None and WORDS.search(first[0]) is not None
