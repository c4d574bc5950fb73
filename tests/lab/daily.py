"""What the lab's daily procedure checks, and faults to plant with what it must then find."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from patience import eventually

from lab.certificates import Authority
from lab.fleet import Fleet

URL = "https://app.lab.example/api/health"

BASE: list[Any] = [
    "disk_space",
    "disk_inodes",
    "file_system_errors",
    "memory_available",
    "file_handles",
    "failed_logins",
    "brute_force",
    "password_spraying",
    "login_after_failures",
]
WEB: list[Any] = [
    {
        "check": "http_health",
        "urls": [URL],
        "connect_to": "127.0.0.1:443",
        "ca_file": "/etc/lab/ca.pem",
        "json": {"status": "ok", "database.status": "up"},
    },
    {"check": "external_service", "services": ["tcp://127.0.0.1:443"]},
    {"check": "site_errors", "paths": ["/var/log/nginx/access.log"]},
    {"check": "response_time", "paths": ["/var/log/nginx/access.log"]},
    *(
        {
            "check": check,
            "served": {"/etc/lab/app.pem": ["127.0.0.1:443"]},
            "keys": {"/etc/lab/app.pem": "/etc/lab/app.key"},
            "names": {
                "/etc/lab/app.pem": ["app.lab.example"],
                "127.0.0.1:443": ["app.lab.example"],
            },
            "ca_file": "/etc/lab/ca.pem",
        }
        for check in (
            "certificate_expiry",
            "certificate_chain",
            "certificate_name",
            "certificate_key",
            "certificate_strength",
            "certificate_served",
        )
    ),
]
SHOP = {"kind": "postgresql", "address": "127.0.0.1", "user": "postgres", "name": "shop"}
DATABASE: list[Any] = [
    {"check": "database_connect", "databases": [SHOP]},
    {"check": "database_pool", "databases": [SHOP]},
    {"check": "disk_space", "mount_points": ["/srv/spool"]},
]
SETS = [{"name": "shop", "paths": ["/srv/backups/shop/shop-*.tar.gz"], "rpo_hours": 24}]
ROTATION = {
    "config": ["/etc/lab/logrotate.conf"],
    "state": "/srv/log/state",
    "log_folders": ["/srv/log"],
}
BACKUP: list[Any] = [
    *(
        {"check": check, "sets": SETS}
        for check in ("backup_fresh", "backup_size", "backup_readable", "backup_manifest")
    ),
    {"check": "log_rotation", **ROTATION},
    {"check": "log_rotation_config", **ROTATION},
    {"check": "deleted_open_files", "held_bytes": 1_000_000, **ROTATION},
]


@dataclass(frozen=True)
class Fault:
    """A fault to plant on a host, and what must be found: check, a part of the subject, severity (None: unknown)."""

    host: str
    plant: Callable[[Fleet, Authority], object]
    found: tuple[tuple[str, str, str | None], ...]


def _write(fleet: Fleet, host: str, path: str, text: str, how: str = ">") -> None:
    fleet.run(host, "sh", "-c", f"cat {how} {path}", input_text=text)


def _renewed_but_not_reloaded(fleet: Fleet, authority: Authority) -> None:
    issued = authority.issue("app.lab.example", days_left=85)
    _write(fleet, "web1", "/etc/lab/app.pem", issued.certificate.decode())
    _write(fleet, "web1", "/etc/lab/app.key", issued.key.decode())


def _about_to_expire(fleet: Fleet, authority: Authority) -> None:
    issued = authority.issue("app.lab.example", days_left=5)
    _write(fleet, "web1", "/etc/lab/app.pem", issued.certificate.decode())
    _write(fleet, "web1", "/etc/lab/app.key", issued.key.decode())
    fleet.run("web1", "nginx", "-s", "reload")
    # nginx says that it has the signal, not when the old workers have gone.
    wanted = _serial(fleet, issued.certificate.decode())
    eventually(lambda: _serial(fleet, _served(fleet)) == wanted, "the new certificate")


def _served(fleet: Fleet) -> str:
    """Return what web1 gives to somebody who connects: its certificate, among other words."""
    ask = ["openssl", "s_client", "-connect", "127.0.0.1:443", "-servername", "app.lab.example"]
    return fleet.run("web1", *ask, check=False).stdout


def _serial(fleet: Fleet, certificate: str) -> str:
    read = ["openssl", "x509", "-noout", "-serial"]
    return fleet.run("web1", *read, input_text=certificate, check=False).stdout


def _guessing(fleet: Fleet, _authority: Authority) -> None:
    lines = []
    for number in range(30):
        at = time.time() - 1200 + number
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000000+00:00", time.gmtime(at))
        said = "Failed password for root from 198.51.100.7 port 40022 ssh2"
        lines.append(f"{stamp} host sshd[{900 + number}]: {said}\n")
    _write(fleet, "db1", "/var/log/auth.log", "".join(lines), ">>")


def _errors(fleet: Fleet, _authority: Authority) -> None:
    url = "https://app.lab.example/broken?[1-60]"
    curl = ["curl", "-sk", "--resolve", "app.lab.example:443:127.0.0.1", "-o", "/dev/null", url]
    fleet.run("web1", *curl)


def _database_stopped(fleet: Fleet, _authority: Authority) -> None:
    fleet.run("db1", "pkill", "-QUIT", "-o", "-f", "[p]ostgres -D", check=False)
    fleet.run("db1", "sh", "-c", "while pgrep -f '[p]ostgres -D' >/dev/null; do sleep 0.1; done")


def _health_down(fleet: Fleet, _authority: Authority) -> None:
    _write(fleet, "web1", "/srv/health.json", '{"status": "ok", "database": {"status": "down"}}\n')


def _backup_cut_off(fleet: Fleet, _authority: Authority) -> None:
    script = "f=$(ls -t /srv/backups/shop/*.tar.gz | head -1); t=$(stat -c %Y $f);"
    script += " truncate -s 150000 $f; touch -d @$t $f"
    fleet.run("backup1", "sh", "-c", script)


def _disk_full(fleet: Fleet, _authority: Authority) -> None:
    script = "mkdir -p /var/data && mount -t tmpfs -o size=40m data /var/data"
    fleet.run("backup1", "sh", "-c", f"{script} && head -c 40000000 /dev/zero > /var/data/x")


def _state_cut_off(fleet: Fleet, _authority: Authority) -> None:
    _write(fleet, "backup1", "/srv/log/state", 'logrotate state -- version 2\n"/srv/log/app')


def _deleted_and_held(fleet: Fleet, _authority: Authority) -> None:
    script = "exec 3>/srv/held; head -c 2000000 /dev/zero >&3; rm /srv/held; sleep infinity"
    fleet.run("backup1", "sh", "-c", f"setsid sh -c '{script}' </dev/null >/dev/null 2>&1 &")
    held = "ls -l /proc/[0-9]*/fd 2>/dev/null | grep -c 'srv/held (deleted)'"
    eventually(
        lambda: fleet.run("backup1", "sh", "-c", held, check=False).returncode == 0, "the file"
    )


def _not_mounted(fleet: Fleet, _authority: Authority) -> None:
    fleet.run("db1", "umount", "/srv/spool")


FAULTS = (
    Fault("web1", _health_down, (("http_health", URL, "high"),)),
    Fault("web1", _errors, (("site_errors", "/var/log/nginx/access.log", "high"),)),
    Fault(
        "web1",
        _about_to_expire,
        # Of the endpoint only: the next fault puts a good one on disk, and nginx never hears of it.
        (("certificate_expiry", "127.0.0.1:443", "high"),),
    ),
    Fault("web1", _renewed_but_not_reloaded, (("certificate_served", "127.0.0.1:443", "high"),)),
    Fault(
        "db1",
        _database_stopped,
        (("database_connect", "shop", "critical"), ("database_pool", "shop", None)),
    ),
    Fault(
        "db1",
        _guessing,
        (
            ("failed_logins", "/var/log/auth.log", "high"),
            ("brute_force", "/var/log/auth.log", "high"),
        ),
    ),
    Fault(
        "backup1",
        _backup_cut_off,
        (("backup_readable", "shop", "critical"), ("backup_manifest", "shop", "critical")),
    ),
    Fault("backup1", _disk_full, (("disk_space", "/var/data", "high"),)),
    Fault("backup1", _state_cut_off, (("log_rotation_config", "logrotate", "high"),)),
    Fault("backup1", _deleted_and_held, (("deleted_open_files", "deleted", "medium"),)),
    Fault("db1", _not_mounted, (("disk_space", "/srv/spool", "critical"),)),
)
