"""The kinds of hosts in the lab. Each `setup` runs inside the host, as root, before its sshd starts."""

from __future__ import annotations

import gzip  # noqa: F401 - tarfile wants it when a host's root has already taken this Python out of sight
import os
import pwd  # noqa: F401 - so does subprocess
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable
from hashlib import sha256
from io import BytesIO
from pathlib import Path

NGINX = """\
user www-data;
worker_processes 1;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;
events { worker_connections 256; }
http {
    log_format timed '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
                     '"$http_referer" "$http_user_agent" $request_time';
    access_log /var/log/nginx/access.log timed;
    server {
        listen 127.0.0.1:443 ssl;
        server_name app.lab.example;
        ssl_certificate /etc/lab/app.pem;
        ssl_certificate_key /etc/lab/app.key;
        location = /api/health { default_type application/json; alias /srv/health.json; }
        location = /broken { return 500; }
        location / { default_type text/plain; return 200 "hello\\n"; }
    }
}
"""
LOGROTATE = """\
/srv/log/app.log {
    daily
    rotate 7
    compress
    missingok
    notifempty
    create
}
"""
POSTGRES_BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
SETS_DAYS = (0, 1, 2, 3)


def plain() -> None:
    """A host with Python and nothing to do; users for become, with sudo and a password."""
    for name, rule in (("ops", "NOPASSWD: ALL"), ("opspw", "ALL")):
        _run("useradd", "-m", "-s", "/bin/bash", name)
        _run("chpasswd", given=f"{name}:lab-secret-{name}\n")
        Path(f"/etc/sudoers.d/{name}").write_text(f"{name} ALL=(ALL) {rule}\n")
    _run("chpasswd", given="root:lab-secret-root\n")


def web(certificate: bytes, key: bytes, authority: bytes) -> Callable[[], None]:
    """Return the setup of a web host: nginx with TLS, a health endpoint, an access log with traffic."""

    def setup() -> None:
        Path("/etc/lab/app.pem").write_bytes(certificate)
        Path("/etc/lab/app.key").write_bytes(key)
        Path("/etc/lab/ca.pem").write_bytes(authority)
        Path("/etc/lab/app.key").chmod(0o600)
        Path("/srv/health.json").write_text('{"status": "ok", "database": {"status": "up"}}\n')
        Path("/etc/nginx/nginx.conf").write_text(NGINX)
        _fresh("/var/log/nginx")
        _fresh("/var/lib/nginx")
        _run("nginx")
        visit("/page/[1-1200]")
        quiet_auth_log()

    return setup


def visit(path: str) -> None:
    """Ask the web server for pages, as many as curl's pattern says, over one connection."""
    url = f"https://app.lab.example{path}"
    _run("curl", "-sk", "--resolve", "app.lab.example:443:127.0.0.1", "-o", "/dev/null", url)


def database() -> None:
    """A database host: PostgreSQL on its loopback address, and a disk that /etc/fstab names."""
    Path("/etc/fstab").write_text("spool /srv/spool tmpfs size=8m 0 0\n")
    Path("/srv/spool").mkdir()
    _run("mount", "/srv/spool")
    binaries, data = POSTGRES_BINARIES[0], "/srv/postgres"
    Path(data).mkdir()
    shutil.chown(data, "postgres")
    Path("/run/postgresql").mkdir()
    shutil.chown("/run/postgresql", "postgres")
    options = (
        "-c listen_addresses=127.0.0.1 -c unix_socket_directories=/run/postgresql -c fsync=off"
    )
    _run(f"{binaries}/initdb", "-D", data, "-U", "postgres", "-A", "trust", user="postgres")
    start = [f"{binaries}/pg_ctl", "-D", data, "-l", f"{data}/log", "-w", "-o", options, "start"]
    _run(*start, user="postgres")
    _run("psql", "-h", "127.0.0.1", "-U", "postgres", "-c", "CREATE DATABASE shop", user="postgres")
    quiet_auth_log()


def backup() -> None:
    """A backup host: one set of archives with a manifest, and a log that is rotated every day."""
    folder = Path("/srv/backups/shop")
    folder.mkdir(parents=True)
    for days in SETS_DAYS:
        write_archive(folder, time.time() - days * 86400 - 3600)
    log = Path("/srv/log")
    log.mkdir()
    (log / "app.log").write_text("one line\n")
    (log / "app.log.1").write_text("yesterday's line\n")
    os.utime(log / "app.log.1", (time.time() - 3600,) * 2)
    Path("/etc/lab/logrotate.conf").write_text(LOGROTATE)
    quiet_auth_log()


def write_archive(folder: Path, at: float, size_bytes: int = 200_000) -> Path:
    """Write a backup as of that time, and its line in the manifest."""
    name = time.strftime("shop-%Y%m%d-%H%M%S.tar.gz", time.gmtime(at))
    content = os.urandom(size_bytes)
    with tarfile.open(folder / name, "w:gz") as archive:
        member = tarfile.TarInfo("shop.sql")
        member.size, member.mtime = size_bytes, int(at)
        archive.addfile(member, BytesIO(content))
    os.utime(folder / name, (at, at))
    digest = sha256((folder / name).read_bytes()).hexdigest()
    with (folder / "SHA256SUMS").open("a") as manifest:
        manifest.write(f"{digest}  {name}\n")
    return folder / name


def no_python() -> None:
    """A host without any Python: the interpreters are hidden under empty files."""
    for folder in ("/usr/bin", "/usr/local/bin"):
        for path in Path(folder).glob("python3*"):
            path.unlink()
    shutil.rmtree("/usr/libexec/platform-python", ignore_errors=True)


def read_only() -> None:
    """A host whose disk has turned read-only, as after an I/O error."""
    quiet_auth_log()
    Path("/var/data").mkdir()
    _run("mount", "-t", "tmpfs", "-o", "size=8m", "data", "/var/data")
    _run("mount", "-o", "remount,ro", "/var/data")


def quiet_auth_log() -> None:
    """A log of logins with one good login, as sshd writes it."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000000+00:00", time.gmtime(time.time() - 600))
    accepted = "Accepted publickey for ops from 10.91.0.9 port 50514 ssh2: ED25519 SHA256:abc"
    Path("/var/log/auth.log").write_text(f"{stamp} host sshd[711]: {accepted}\n")


def _fresh(folder: str) -> None:
    """Make the folder anew: what this machine has in it is not the host's."""
    shutil.rmtree(folder, ignore_errors=True)
    Path(folder).mkdir(parents=True)


def _run(*command: str, given: str = "", user: str | None = None) -> None:
    done = subprocess.run(
        command, input=given, text=True, capture_output=True, user=user, check=False, cwd="/"
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
