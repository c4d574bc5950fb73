# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What programs other than sshd write about logins: the families of programs, and the sentences of each family.

The tables are data. A row is a label and a pattern for a whole message; the first that matches counts. A label that is a
word tells each failed attempt once, so that of a connection's labels the largest sum counts. `+` is a login, `?` nobody
who tried to log in, `*` a key that was not accepted, `=` tells an address or account for what follows, `-` is harmless.
In patterns ~U is an account, ~A an address, ~P its port, ~N a number of attempts, ~C the connection. An account is what
a client chooses, so it takes all that it can; where it could take less, and another address were blamed then, none is.
Source: the programs' own sources and manuals, named beside their rows.
"""  # noqa: E501 - a row is a line

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple


class ServiceMessage(NamedTuple):
    """What a row says of a message."""

    label: str
    account: str = ""
    source: str = ""
    port: str = ""
    attempts: int = 1
    connection: str = ""


# Programs by family, by the name that they write into logs, without what stands before its last slash; and over what
# the lines that tell of one attempt are joined: the `process`, the `account`, or all of the `service`.
FAMILIES = {
    "remote": ("process", "dropbear screensharingd xrdp-sesman Xvnc vncserver"),
    "console": (
        "process",
        "login sudo doas gdm-password gdm-fingerprint gdm lightdm sddm kdm xscreensaver kcheckpass sulogin"
        " remote rlogind rshd in.rlogind in.rshd telnetd in.telnetd cockpit-session cockpit-tls cockpit-ws",
    ),
    # Its PAM writes without the process's number, before su itself gives it.
    "su": ("service", "su su-l"),
    "polkit": ("service", "polkitd polkit-agent-helper-1 polkit"),
    "ftp": (
        "account",
        "vsftpd proftpd pure-ftpd ftpd in.ftpd wu-ftpd xinetd",
    ),
    "mailbox": (
        "account",
        "dovecot dovecot-auth auth auth-worker imap imaps imapd imapds imapd-ssl pop3 pop3s pop3d pop3d-ssl ipop3d pop"
        " imap-login pop3-login managesieve-login submission-login sieve timsieved cyrus lmtpd courierpop3login"
        " courierimaplogin uwimap solid-pop3d perdition.imap4 perdition.imaps perdition.imap4s perdition.pop3"
        " perdition.pop3s managesieve",
    ),
    "smtp": (
        "service",
        "smtpd sendmail sm-mta sm-acceptingconnections saslauthd courieresmtpd esmtpd exim exim4 submission sasl",
    ),
    "directory": (
        "process",
        "slapd krb5kdc kadmind radiusd freeradius smbd winbindd sssd sssd_be krb5_child",
    ),
    "database": ("process", "mongod mongodb mysqld mariadbd mysql mariadb postgres postgresql"),
    "vpn": ("process", "openvpn ovpn-server charon charon-systemd pppd xl2tpd ocserv"),
    "web": ("process", "nginx apache2 httpd apache"),
    "panel": (
        "process",
        "webmin usermin miniserv.pl perl pvedaemon pveproxy proxmox-backup-proxy monit phpMyAdmin roundcube sogod"
        " asterisk",
    ),
    "audit": ("process", "audit"),
}
PROGRAMS = {name: family for family, (_joined, names) in FAMILIES.items() for name in names.split()}
PROGRAMS[""] = "bare"
# Of these only one line tells of an attempt, whoever wrote it.
UNJOINED = ("web", "audit", "database", "vpn")

# Some daemons write their own pid and time into what they give to syslog.
AGAIN = re.compile(r"\[\d{1,10}\] [A-Z][a-z]{2} [ \d]\d [\d:]{8} ")
# Linux-PAM's modules, in the name of any program: pam_sss(8), pam_krb5(8), pam_winbind(8), pam_listfile(8).
_PAM = r"""
-       \w+\([^()]*:(?:session|chauthtok|setcred|password)\).*
received pam_sss\([^()]*:auth\): received for user ~U: \d+ \(.*\)
krb5    pam_krb5(?:\([^()]*\)|\[\d+\])?: authentication fail(?:s|ed) for '~U' \(.*\):? .*
krb5    pam_krb5\([^()]*:auth\): \(user ~U\) .*authentication fail.*
winbind pam_winbind\([^()]*:auth\): user '~U' denied access.*
winbind pam_winbind\([^()]*:auth\): request \S+ failed: .*PAM_AUTH_ERR.*
ldap    pam_ldap(?:\([^()]*\))?: error trying to bind as user ".*" \(Invalid credentials\)
list    pam_listfile\([^()]*:auth\): Refused user ~U for service \S+
access  pam_access\([^()]*:\w+\): access denied for user .~U. from .~A.
otp     (?:pam_google_authenticator|\S+\(pam_google_authenticator\)): Invalid verification code.*
-       pam_(?:unix|unix2|succeed_if|faillock|tally2?|env|selinux|systemd|loginuid|limits|lastlog|motd|mail)\b.*
"""
_ROWS = {
    # Dropbear, svr-auth*.c; screensharingd of macOS; xrdp, sesman.c; TigerVNC.
    "remote": r"""
bad     [Bb]ad (?:PAM )?password attempt for '~U' from ~A~P
=       Child connection from ~A~P
bad     [Ll]ogin attempt for nonexistent user(?: '~U')?(?: from ~A~P)?
bad     [Ll]ogin attempt with wrong user ~U from ~A~P
bad     [Rr]oot login rejected.*
bad     User (?:account )?'~U' (?:is locked|has (?:invalid shell|blank password), rejected).*
*       Pubkey auth .*(?:mismatch|bad signature|unknown algo).* for '~U' from ~A~P
fails   Exit before auth(?: from <~A~P>)?:? \(user '~U', ~N fails?\): .*
tries   (?:Exit before auth from <~A~P>: )?Max auth tries reached - user '~U'(?: from \S+)?
-       Exit before auth.*
+       (?:PAM )?[Pp]assword auth succeeded for '~U' from ~A~P
+       Pubkey auth succeeded for '~U' with .* from ~A~P
bad     Authentication: FAILED :: User Name: ~U :: Viewer Address: ~A :: Type: .*
+       Authentication: SUCCEEDED :: User Name: ~U :: Viewer Address: ~A :: Type: .*
bad     (?:\[\w+ *\] )?AUTHFAIL: user=~U ip=~A(?: .*)?
user    (?:\[\w+ *\] )?(?:[Uu]sername or password error for user: ~U|login failed for \w+ .*)
bad     \S*(?: \S+:)? *[Aa]uthentication failed from ~A
""",
    # util-linux and shadow, login.c; BusyBox, loginutils; BSD login; sudo, logging.c; doas.c.
    "console": r"""
-       \S{1,64} : (?:\(command continued\)|TTY=).*
failed  FAILED LOGIN (?:SESSION )?(?:\(?\d{1,5}\)? )?(?:FROM ~A )?(?:(?:on|ON) \S+ )?(?:(?:from|FROM) \S+ )?FOR '~U'(?:, .*)?
failed  FAILED LOGIN (?:SESSION )?(?:\(?\d{1,5}\)? )?(?:FROM ~A )?(?:(?:on|ON) \S+ )?(?:(?:from|FROM) \S+ )?FOR ~U, .*
many    TOO MANY LOGIN TRIES \(~N\).*
failed  (?:invalid|incorrect) password for '~U' on '[^']*'(?: from '~A')?
failed  (?:invalid|incorrect) password for '~U'.*
failed  ~N LOGIN FAILURES? (?:FROM ~A|ON [^\s,]+)(?:, ~U)?
failed  LOGIN FAILURE (?:FROM ~A|ON [^\s,]+)(?:, ~U)?
failed  (?P<user>\S{1,64}) : ~N incorrect password attempts?(?: ;.*)?
failed  failed auth for ~U
""",  # noqa: E501 - a row is a line
    # util-linux and shadow, su.c; BSD su.
    "su": r"""
failed  FAILED SU \(to ~U\) .* on \S+
failed  FAILED su for ~U by .*
failed  BAD SU .* to ~U on \S+
minus   - \S+ [^\s:]+[:-]~U
authen  pam_authenticate: .*
""",
    "polkit": r"""
failed  Operator of \S+ FAILED to authenticate .*
-       Operator of .*|Registered .*|Unregistered .*
""",
    # vsftpd, logging.c; ProFTPD, mod_auth.c; Pure-FTPd, ftpd.c; wu-ftpd, BSD and Netkit ftpd.
    "ftp": r"""
fail    (?:\[pid \d+\] )?\[~U\] FAIL LOGIN: Client "~A"(?:, .*)?
+       (?:\[pid \d+\] )?\[~U\] OK LOGIN: Client "~A"(?:, .*)?
-       (?:\[pid \d+\] )?(?:\[.*\] )?(?:CONNECT|FTP (?:command|response)|DEBUG|(?:OK|FAIL) [A-Z]+): (?:Client )?".*
fail    \S+ \(\S*\[~A\]\):? (?:- )?USER ~U(?: \(Login failed\).*|: no such user found from .*)
fail    \S+ \(\S*\[~A\]\):? (?:- )?SECURITY VIOLATION: [Rr]oot login attempted.*
many    \S+ \(\S*\[~A\]\):? (?:- )?Maximum login attempts \(~N\) exceeded.*
+       \S+ \(\S*\[~A\]\):? (?:- )?USER ~U: Login successful\.?
fail    \(\S*@~A\) \[WARNING\] Authentication failed for user \[~U\].*
+       \(\S*@~A\) \[INFO\] ~U is now logged in
fail    failed login from \S+ \[~A\].*
fail    repeated login failures from ~A(?: \(.*\))?
fail    (?:ANONYMOUS )?FTP LOGIN (?:FAILED|REFUSED)(?: \([^()]*\))? FROM ~A(?: \[[^\]]*\])?(?:, ~U)?
?       FAIL: \S+ \S+ from=~A
""",
    # Dovecot, login-common and auth; Cyrus; Courier; UW imapd; solid-pop3d; Perdition.
    "mailbox": r"""
+       (?:\S+: )*Login: user=<~U>.*\brip=~A(?:,.*)?
fail    (?:\S+: )*[A-Z].*\((?:auth failed, ~N attempts?[^()]*|tried to use dis\w+ \w+ auth|proxy dest auth failed)\).*: user=<~U>.*\brip=~A(?:,.*)?
fail    (?:\S+: )*[A-Z].*\((?:auth failed, ~N attempts?[^()]*|tried to use dis\w+ \w+ auth|proxy dest auth failed)\).*\brip=~A(?:,.*)?
auth    (?:.*: )?[a-z-]+\(~U,~A(?:,[^()]*)?\): (?:pam_authenticate\(\) failed: .*|[Uu]nknown user.*|[Pp]assword mismatch.*|[Ii]nvalid credentials.*)
auth    ~U,~A,sasl:\S+: Info: \S+ (?:[Pp]assword mismatch|[Uu]nknown user).*
-       (?:\S+: )*(?:Disconnected|Login aborted|Aborted login).*
fail    badlogin: \S* ?\[~A\](?: plaintext ~U SASL\(.*| .*)?
+       login: \S* ?\[~A\] ~U \S+ .*User logged in.*
fail    LOGIN FAILED, (?:user=~U|method=[^\s,]+), ip=\[~A\](?:, port=\[\d+\])?
+       LOGIN, user=~U, ip=\[~A\].*
fail    Login (?:failed|disabled) user=~U auth=.* host=.*\[~A\]
many    Login excessive login failures user=~U auth=.* host=.*\[~A\]
fail    Failed .* override of user=~U +host=.*\[~A\]
fail    AUTHENTICATE .* failure host=.*\[~A\]
+       (?:Login|Authenticated) user=~U(?: auth=.*)? host=.*\[~A\].*
fail    (?:(?:APOP )?authentication failed|root login not allowed|can't find APOP secret)(?:.* user ~U|.*) - ~A
fail    Auth: ~A~P->.* authentication_id="~U" .*status="failed.*
""",  # noqa: E501 - a row is a line
    # Postfix, smtpd_sasl_glue.c and smtpd.c; sendmail, srvrsmtp.c; saslauthd; Exim; Courier.
    "smtp": r"""
-       .*: SASL \S+ authentication failed: Connection lost to authentication server.*
fail    (?:warning: )?\S+\[~A\](?::\d+)?: SASL \S+ authentication (?:failed|aborted)(?:.*, sasl_username=~U|.*)
counted disconnect from \S+\[~A\].* auth=0/~N\b.*
?       (?:lost connection|improper command pipelining) after AUTH from \S+\[~A\].*
+       \w+: client=\S+\[~A\](?::\d+)?, sasl_method=\S+, sasl_username=~U
-       (?:\w+: )?(?:\S+-)?reject(?:_warning)?: .*|(?:warning: )?hostname .*
fail    \S+: AUTH failure \([^()]*\): .*?(?:, user=~U)?, relay=(?:\S+ )?\[~A\](?: \(may be forged\))?
many    \S+: (?:\S+ )?\[~A\](?: \(may be forged\))?: possible SMTP attack: command=AUTH, count=~N
+       (?:\S+: )?AUTH=server, relay=(?:\S+ )?\[~A\].*, authid=~U, mech=.*
sasl    do_auth *: auth failure: \[user=~U\] \[service=.*
module  DEBUG: auth_\w+: .*fail.*
fail    (?:\[\d+\] )?\S+ authenticator failed for .*\[~A\](?::\d+)?(?: [A-Z]=\S+)*: 535 .*?(?:\(set_id=~U\))?(?:: \d+ Time\(s\))?
fail    error,relay=~A,(?:port=\d+,)?msg="535 Authentication failed\.".*
-       error,relay=.*|H=.*|.* rejected RCPT .*
""",  # noqa: E501 - a row is a line
    # OpenLDAP, result.c; MIT krb5, kdc_log.c; FreeRADIUS, auth.c; Samba's JSON-less auth audit.
    "directory": r"""
bind    conn=~C op=\d+ RESULT tag=97 err=49\b.*
=       conn=~C fd=\d+ ACCEPT from IP=\[?~A\]?~P .*
=       conn=~C op=\d+ BIND dn="~U" method=\d+.*
-       conn=\d+ .*
asreq   AS_REQ \([^()]*\) ~A: (?:PREAUTH_FAILED|CLIENT_NOT_FOUND|LOCKED_OUT|CLIENT REVOKED|CLIENT EXPIRED): ~U for .*
-       AS_REQ .*|TGS_REQ .*|preauth .*|Preauthentication failed.*
login   (?:Auth: )?(?:\(\d+\) )?(?:Auth: )?(?:Login incorrect|Invalid user)(?: \(.*?\))?: \[~U\].*
audit   .*\bAuth: \[.* status \[NT_STATUS_(?!OK\]).*
""",
    # MySQL and MariaDB, sql_acl.cc; MongoDB; PostgreSQL, auth.c.
    "database": r"""
denied  (?:\d{4}-\d\d-\d\d +\d{1,2}:\d\d:\d\d |\d{6} +\d{1,2}:\d\d:\d\d )?(?:\d+ )?(?:\[\w[\w-]*\] )*Access denied for user '~U'@'~A'(?: .*)?
mongo   (?:[IWE] +\S+ +)?\[~C\] +Failed to authenticate ~U with mechanism .*
mongo   (?:[IWE] +\S+ +)?\[~C\] +SASL \S+ authentication failed for ~U on \S+ from client ~A~P .*
=       (?:[IWE] +\S+ +)?\[~C\] +end connection ~A~P .*
denied  (?:\[[\d-]+\] )*(?:\S+ )?FATAL: +(?:\w+: )?\S+ authentication failed for user "~U".*
denied  (?:\[[\d-]+\] )*(?:\S+ )?FATAL: +(?:\w+: )?no pg_hba\.conf entry for host "~A", user "~U", .*
""",  # noqa: E501 - a row is a line
    # OpenVPN, ssl_verify.c; strongSwan; pppd, auth.c.
    "vpn": r"""
auth    (?:\S+/)?~A~P TLS Auth Error: .*
plug    (?:\S+/)?~A~P PLUGIN_CALL: .*AUTH_USER_PASS_VERIFY.* status=1
cert    (?:\S+/)?~A~P VERIFY ERROR: .*
+       ~A~P (?:WARNING: .*|\[~U\] Peer Connection Initiated with .*)
-       (?:\S+ )?TLS[_ ](?:Error|ERROR): .*
peer    \d+\[IKE\] EAP method \S+ failed for peer ~U
peer    \d+\[IKE\] XAuth authentication of '~U' failed.*
-       \d+\[IKE\] EAP-\S+ verification failed.*
peer    (?:PAP|CHAP) (?:peer )?authentication fail(?:ed|ure) for ~U
peer    Peer ~U failed \S+ authentication.*
worker  worker-auth: .*~A failed authentication attempt for user '~U'.*
""",
    # Errors of web servers quote their clients: what is none of these is harmless. nginx, auth_basic (which cuts a line
    # at 2,048 bytes and escapes no line break in a name); Apache.
    "web": r"""
basic   (?:\[\w+\] )?(?:\d+#\d+: )?(?:\*\d+ )?user "~U":? (?:password mismatch|was not found in "[^"]*"), client: ~A,.*
cut     (?:\[\w+\] )?\d+#\d+: \*\d+ user ".*
auth    ~Wuser ~U(?:: authorization failure for .*|: authentication failure for .*|: password mismatch.*| not found.*)
auth    ~Wuser `~U' in realm .* not found.*
auth    ~W(?:client used wrong authentication scheme|invalid nonce|invalid qop|realm mismatch|unknown algorithm).*
auth    ~WAuthorization of user ~U to access .* failed, reason: .*
auth    ~W(?:WAR|ERR) \[Login denied for user "~U"\].*
?       ~Wclient denied by server configuration.*
-       (?:\[|\d+#\d+: ).*
""",
    # Webmin, miniserv.pl; Proxmox; Monit; phpMyAdmin; Roundcube; SOGo; Asterisk.
    "panel": r"""
login   (?:Invalid|Non-existent|Expired|Failed\S*) login as ~U from ~A
+       Successful login as ~U from ~A
login   authentication failure; rhost=\[?~A\]?(?::\d+)? user=~U msg=.*
+       successful auth for user '~U'
login   HttpRequest: access denied -- client \[?~A\]?: .*
login   user denied: ~U \(\S+\) from ~A
login   .*(?:Login failed|Failed login|FAILED login) for ~U (?:from|against \S+ from) ~A(?:[.( ].*)?
login   .*Login from '~A' for user '~U' might not have worked.*
login   (?:NOTICE|WARNING)\[\d+\](?:\[\S+\])?:? \S+: (?:\S+: )?Registration from '~U' failed for '~A(?::\d+)?' - .*
login   (?:NOTICE|WARNING)\[\d+\](?:\[\S+\])?:? \S+: (?:\S+: )?Host ~A failed (?:to authenticate as|MD5 authentication for) '~U'.*
""",  # noqa: E501 - a row is a line
    # Lines of a program's own log, without its name: BIOS of the above, and GitLab, ZNC, lighttpd.
    "bare": r"""
login   Failed Login: username=~U ip=~A
login   \[~U\] failed to login from ~A(?::\d+)?
login   \(?(?:http|mod)_auth\.c\.\d+\) (?:password doesn't match|digest: auth failed|get_password failed).* IP: ~A
login   (?:error +: )?(?:Warning: Client '~A' supplied (?:unknown user|wrong password).*|HttpRequest: access denied -- client .*)
""",  # noqa: E501 - a row is a line
    # Linux's audit, as sshd, login and PAM write it: audit_log_acct_message(3). An account is quoted, or hexadecimal.
    "audit": r"""
+       USER_LOGIN .*\bacct="?~U"? exe=.* addr=~A terminal=.* res=success.*
ident   USER_ERR .*msg='op=PAM:bad_ident .* addr=~A terminal=.* res=failed.*
auth    USER_AUTH .*msg='op=(?!PAM:|pubkey).*\bacct="?(?P<user>[^\s"]*)"? exe=.* addr=~A terminal=.* res=failed.*
pam     USER_AUTH .*msg='op=PAM:.*\bacct="?(?P<user>[^\s"]*)"? exe=.* addr=~A terminal=.* res=failed.*
*       USER_AUTH .*msg='op=pubkey .* addr=~A terminal=.* res=failed.*
login   USER_LOGIN .*\bacct="?(?P<user>[^\s"]*)"? exe=.* addr=~A terminal=.* res=failed.*
-       .*
""",
}
# A log without names of programs may be that of any of these.
_BARE = ("bare", "ftp", "mailbox", "smtp", "database", "vpn", "panel")
_MARKS = {
    "~W": r"(?:\[(?!client|remote)[^\]]*\] )*\[(?:client|remote) \[?~A\]?(?::\d+)?\] (?:AH\d+: )?(?:Digest: )?",
    "~U": r"(?P<user>.*)",
    "~A": r"(?P<source>\d{1,3}(?:\.\d{1,3}){3}|[^\s,;\[\]()<>\"']{1,255})",
    "~P": r":(?P<port>\d{1,5})",
    "~N": r"(?P<attempts>\d{1,5})",
    "~C": r"(?P<connection>[\w-]{1,40})",
}


def _compiled(rows: str) -> tuple[tuple[str, re.Pattern[str], re.Pattern[str] | None], ...]:
    """Return the rows' labels and patterns, with the same pattern in which accounts take as little as they can."""
    found = []
    for row in rows.strip().split("\n"):
        label, text = row.split(None, 1)
        for mark, pattern in _MARKS.items():
            text = text.replace(mark, pattern)
        least = text.replace("(?P<user>.*)", "(?P<user>.*?)")
        found.append(
            (
                label,
                re.compile(rf"(?:{text})\s*$", re.DOTALL),
                re.compile(rf"(?:{least})\s*$", re.DOTALL) if least != text else None,
            )
        )
    return tuple(found)


@lru_cache(maxsize=None)
def _rows(family: str) -> tuple[tuple[str, re.Pattern[str], re.Pattern[str] | None], ...]:
    """Return a family's rows, compiled when they are wanted: most hosts run few of these programs."""
    if family == "pam":
        return _compiled(_PAM)
    names = _BARE if family == "bare" else (family,)
    return tuple(row for name in names if name in _ROWS for row in _compiled(_ROWS[name]))


def _said(family: str, message: str) -> ServiceMessage | None:
    for label, pattern, least in _rows(family):
        match = pattern.match(message)
        if match is None:
            continue
        found = match.groupdict()
        source, port = found.get("source") or "", found.get("port") or ""
        if least is not None and source:
            other = least.match(message)
            if other is not None and (other["source"] or "") != source:
                source = port = ""
        told = found.get("attempts")
        return ServiceMessage(
            label,
            (found.get("user") or "")[:200],
            source,
            port,
            int(told) if told else 1,
            found.get("connection") or "",
        )
    return None


def pam_said(message: str) -> ServiceMessage | None:
    """Return what a PAM module's message says, other than `authentication failure; …`; None if it is not known."""
    return _said("pam", message)


def service_said(program: str, message: str) -> ServiceMessage | None:
    """Return what the program's message says about logins; None if nothing that is known."""
    family = PROGRAMS.get(program)
    stamp = AGAIN.match(message)
    if stamp:
        message = message[stamp.end() :]
    return _said(family, message) if family else None


def joined_over(program: str, pid: str, account: str, source: str) -> str:
    """Return over what lines of this program tell of the same attempts; empty if that is the process."""
    family = PROGRAMS.get(program, "bare")
    joined = FAMILIES[family][0] if family in FAMILIES else "process"
    if joined == "service":
        return family
    if joined == "account" or (not pid and family in FAMILIES and family not in UNJOINED):
        return f"{family} {account or source}"
    return ""
