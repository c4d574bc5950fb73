# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which lines of an authentication log may tell of a failed login, though nobody here understands them.

Such a line may turn a pass into unknown, so it must be none that a client can write at will: its program has to be one
that decides about logins, and the words of failure have to stand outside what a client may choose.
"""

from __future__ import annotations

import re

from ansible_collections.astral.upkeep.plugins.module_utils.auth_messages import PREFIX, Line

# By the name that they write into logs, without what stands before its last slash.
DECIDES = frozenset(
    [
        *(
            "cockpit-session",
            "cockpit-tls",
            "cyrus",
            "doas",
            "dovecot",
            "dropbear",
            "ftpd",
            "gdm-password",
        ),
        *(
            "imap",
            "imapd",
            "imaps",
            "imapds",
            "in.ftpd",
            "in.telnetd",
            "ipop3d",
            "krb5kdc",
            "lightdm",
            "login",
        ),
        *(
            "mongod",
            "mongodb",
            "mysqld",
            "mariadbd",
            "nginx",
            "openvpn",
            "ovpn-server",
            "perl",
            "polkitd",
        ),
        *(
            "pop3",
            "pop3d",
            "pop3s",
            "postgres",
            "proftpd",
            "pure-ftpd",
            "pvedaemon",
            "radiusd",
            "remote",
        ),
        *(
            "rlogind",
            "rshd",
            "saslauthd",
            "saslpasswd",
            "screensharingd",
            "sendmail",
            "sieve",
            "slapd",
            "smbd",
        ),
        *(
            "smtpd",
            "sm-mta",
            "sshd",
            "su",
            "sudo",
            "telnetd",
            "usermin",
            "uwimap",
            "vsftpd",
            "webmin",
            "xrdp",
        ),
        *(
            "xrdp-sesman",
            "sssd",
            "sssd_be",
            "sddm",
            "kdm",
            "charon",
            "xl2tpd",
            "pppd",
            "exim",
            "exim4",
        ),
    ]
)
# Write into the same logs, and let nobody in.
HARMLESS = frozenset(
    [
        *(
            "CRON",
            "chage",
            "chfn",
            "chpasswd",
            "chsh",
            "cron",
            "crond",
            "crontab",
            "dbus-daemon",
            "gpasswd",
        ),
        *(
            "groupadd",
            "groupdel",
            "groupmod",
            "kernel",
            "newusers",
            "passwd",
            "pkexec",
            "rsyslogd",
            "runuser",
        ),
        *(
            "sshguard",
            "systemd",
            "systemd-logind",
            "systemd-user",
            "useradd",
            "userdel",
            "usermod",
            "vipw",
        ),
    ]
)
# What clients choose stands in quotes, brackets and `name=value`; their names have dots and dashes.
CHOSEN = re.compile(r"'[^']*'|\"[^\"]*\"|<[^>]*>|\[[^\]]*\]|\S+=\S*")
WORDS = re.compile(
    r"(?<![\w.@-])(?:(?:login|auth|log on|password) ?)?"
    r"(?:fail(?:ed|ure|ures)?|invalid|illegal|incorrect|denied|refused|reject(?:ed)?|badlogin|nonexistent"
    r"|bad password|no such user|unknown user|not allowed)(?![\w.@-])",
    re.IGNORECASE,
)
# A look that costs little, for nearly all lines have none.
HINTS = (
    "ail",
    "nvalid",
    "llegal",
    "ncorrect",
    "enied",
    "efused",
    "eject",
    "bad",
    "nonexist",
    "unknown",
    "no such",
)


def may_be_a_failure(line: Line, declared: bool) -> bool:
    """Say if a line of which nothing was understood may tell of a failed login.

    declared: the site has named the log, so that a program that nobody here knows may be the one that decides.
    """
    program, message = line.program, line.message
    if program in HARMLESS or not (program in DECIDES or not program or declared):
        return False
    lower = message.lower()
    if not any(hint in lower for hint in HINTS):
        return False
    prefix = PREFIX.match(message)
    said = message[prefix.end() :] if prefix else message
    if program == "sshd" and not said.startswith("pam_"):
        # All else that it writes with such words in it was read, or quotes its client.
        return WORDS.match(said) is not None
    return WORDS.search(CHOSEN.sub(" ", said[:2_000])) is not None


def unread_may_be_a_failure(text: str) -> bool:
    """Say if a line that is no log line of any known kind may tell of a failed login."""
    return WORDS.search(CHOSEN.sub(" ", text[:2_000])) is not None
