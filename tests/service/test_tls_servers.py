"""Certificates in real files and from real servers: nginx, PostgreSQL, OpenSSL's own."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from made_certificates import Made, make
from patience import PATIENCE_SECONDS

from ansible_collections.astral.upkeep.plugins.module_utils.gather.certificates.certificates import (
    ARGUMENTS,
    gather,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host import connect
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging.check import load
from upkeep.model.verdicts import Status, Verdict

NOW = datetime.now(UTC)
YEAR = timedelta(days=365)
RECORDED = Path(__file__).parents[1] / "unit" / "recorded" / "certificates"
RULES = ("chain", "expiry", "key", "name", "served", "strength")


def need(*programs: str) -> None:
    for program in programs:
        if (
            shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/usr/lib/postgresql/15/bin")
            is None
        ):
            pytest.skip(f"{program} is not on PATH")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(done: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    ends = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < ends
        time.sleep(0.05)


def look(host: Host | None = None, **own: Any) -> dict[str, Observation]:
    params = {name: spec.get("default") for name, spec in ARGUMENTS.items()}
    return {seen.subject: seen for seen in gather({**params, **own}, host or Host())}


def verdict(rule: str, seen: Observation, now: datetime = NOW) -> Verdict | None:
    assert not seen.error
    check = load()[f"certificate_{rule}"]
    return check.judge(seen, check.limits, now)


def failing(seen: Observation, now: datetime = NOW) -> dict[str, str]:
    """Return what does not pass, by rule."""
    found = {rule: verdict(rule, seen, now) for rule in RULES}
    return {
        rule: one.message for rule, one in found.items() if one and one.status is not Status.PASS
    }


@dataclass(frozen=True)
class Pki:
    """A root, an authority below it, and a folder with the root's certificate."""

    root: Made
    middle: Made
    folder: Path

    @property
    def ca_file(self) -> str:
        return str(self.folder / "root.pem")

    def write(self, name: str, made: Made, *above: Made) -> str:
        path = self.folder / f"{name}.pem"
        path.write_bytes(made.pem + b"".join(one.pem for one in above))
        (self.folder / f"{name}.key").write_bytes(made.key_pem)
        return str(path)


@pytest.fixture(scope="module")
def pki() -> Iterator[Pki]:
    with tempfile.TemporaryDirectory(prefix="tls", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        begins = NOW - timedelta(days=30)
        root = make("Test root", authority=True, begins=begins, lifetime=10 * YEAR)
        middle = make("Test authority", root, authority=True, begins=begins, lifetime=5 * YEAR)
        (Path(folder) / "root.pem").write_bytes(root.pem)
        yield Pki(root, middle, Path(folder))


@dataclass(frozen=True)
class Web:
    """An nginx. port: of TLS; old_port: where it also takes TLS 1.1; files: certificates by site."""

    port: int
    old_port: int
    files: dict[str, str]
    config: str


@pytest.fixture(scope="module")
def web(pki: Pki) -> Iterator[Web]:
    """Yield an nginx with three names, one chain without its middle, one file renewed and not loaded."""
    need("nginx", "openssl")
    begins = NOW - timedelta(days=30)
    files = {}
    for name in ("whole", "partial", "renewed"):
        made = make(f"{name}.example.org", pki.middle, begins=begins, lifetime=YEAR)
        files[name] = pki.write(name, made, *([] if name == "partial" else [pki.middle]))
    port, old_port = free_port(), free_port()
    servers = "".join(
        f"server {{ listen 127.0.0.1:{port} ssl; server_name {name}.example.org;"
        f" ssl_certificate {path}; ssl_certificate_key {path[:-4]}.key; }}\n"
        for name, path in files.items()
    )
    servers += (
        f"server {{ listen 127.0.0.1:{old_port} ssl; server_name whole.example.org;"
        f" ssl_certificate {files['whole']}; ssl_certificate_key {files['whole'][:-4]}.key;"
        " ssl_protocols TLSv1.1 TLSv1.2; ssl_ciphers ALL:@SECLEVEL=0; }\n"
    )
    home = pki.folder
    config = home / "nginx.conf"
    config.write_text(
        f"daemon off; pid {home}/nginx.pid; error_log {home}/error.log; worker_processes 1;\n"
        f"events {{ worker_connections 64; }}\nhttp {{ access_log off;\n"
        f"client_body_temp_path {home}/b; proxy_temp_path {home}/p; fastcgi_temp_path {home}/f;\n"
        f"ssl_protocols TLSv1.2 TLSv1.3; uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;\n{servers}}}\n"
    )
    program = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin") or "nginx"
    with subprocess.Popen([program, "-c", str(config), "-e", f"{home}/start.log"]) as server:
        try:
            wait_until(lambda: answers(port) and answers(old_port))
            renewed = make("renewed.example.org", pki.middle, begins=NOW, lifetime=YEAR)
            pki.write("renewed", renewed, pki.middle)
            yield Web(port, old_port, files, str(config))
        finally:
            server.terminate()


def test_names_on_one_port_each_with_its_own_fault(web: Web, pki: Pki) -> None:
    places = {name: f"{name}.example.org@127.0.0.1:{web.port}" for name in web.files}
    served = {web.files[name]: place for name, place in places.items()}
    keys = {path: path[:-4] + ".key" for path in web.files.values()}
    seen = look(served=served, keys=keys, ca_file=pki.ca_file)

    assert failing(seen[places["whole"]]) == {}
    assert failing(seen[web.files["whole"]]) == {}
    assert failing(seen[web.files["renewed"]]) == {}
    assert list(failing(seen[places["partial"]])) == ["chain"]
    assert list(failing(seen[web.files["partial"]])) == ["chain"]
    assert list(failing(seen[places["renewed"]])) == ["served"]
    assert seen[places["whole"]].data["protocol"] == "TLSv1.3"
    assert len(seen[places["whole"]].data["chain"]) == 1


def test_a_root_that_the_host_does_not_know_is_not_trusted(web: Web) -> None:
    place = f"whole.example.org@127.0.0.1:{web.port}"

    assert list(failing(look(endpoints=[place])[place])) == ["chain"]


def test_another_name_gets_the_first_certificate_and_fails(web: Web, pki: Pki) -> None:
    place = f"other.example.org@127.0.0.1:{web.port}"
    found = failing(look(endpoints=[place], ca_file=pki.ca_file)[place])

    assert found == {"name": "not for other.example.org; it is for 'whole.example.org'"}


def test_old_tls_is_seen(web: Web, pki: Pki) -> None:
    place = f"whole.example.org@127.0.0.1:{web.old_port}"
    found = failing(look(endpoints=[place], ca_file=pki.ca_file)[place])

    assert found == {"strength": "the server accepts TLSv1.1, expected only TLSv1.2 or newer"}


def test_time_does_not_change_trust(web: Web, pki: Pki) -> None:
    old = make("old.example.org", pki.middle, begins=NOW - 2 * YEAR, lifetime=YEAR)
    path = pki.write("old", old, pki.middle)

    assert list(failing(look(files=[path], ca_file=pki.ca_file)[path])) == ["expiry"]


def test_sites_are_discovered_with_their_files(web: Web, pki: Pki) -> None:
    class Configured(Host):
        """A host whose nginx is the test's."""

        def exists(self, path: str) -> bool:
            return path == "/etc/nginx/nginx.conf" or super().exists(path)

        def open(self, path: str, follow_links: bool = True) -> Any:
            path = web.config if path == "/etc/nginx/nginx.conf" else path
            return super().open(path, follow_links)

    seen = look(Configured(), ca_file=pki.ca_file)

    faults = {subject: list(failing(one)) for subject, one in seen.items()}
    assert {subject: found for subject, found in faults.items() if found} == {
        web.files["partial"]: ["chain"],
        f"partial.example.org@127.0.0.1:{web.port}": ["chain"],
        f"renewed.example.org@127.0.0.1:{web.port}": ["served"],
        f"whole.example.org@127.0.0.1:{web.old_port}": ["strength"],
    }
    assert len(seen) == 7
    assert all(seen[path].data["key"]["spki_sha256"] for path in web.files.values())


def test_a_python_that_shows_the_first_certificate_only_leaves_the_rest_to_openssl(
    web: Web, pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    def first_only(secured: Any) -> tuple[list[bytes], bool]:
        return [secured.getpeercert(binary_form=True)], False

    monkeypatch.setattr(
        "ansible_collections.astral.upkeep.plugins.module_utils.gather.certificates._servers.peer_chain",
        first_only,
    )
    place = f"whole.example.org@127.0.0.1:{web.port}"
    seen = look(endpoints=[place], ca_file=pki.ca_file)[place]

    assert (len(seen.data["chain"]), seen.data["chain_seen"]) == (1, True)
    assert failing(seen) == {}

    class Bare(Host):
        def which(self, program: str) -> str | None:
            return None

    bare = look(Bare(), endpoints=[place], ca_file=pki.ca_file)[place]
    assert failing(bare) == {"chain": "only the first certificates could be read"}


def test_keys_leave_no_more_than_a_hash_and_are_told_apart(pki: Pki) -> None:
    need("openssl")
    made, other = make(begins=NOW), make("other.example.org", begins=NOW)
    path = pki.write("pair", made)
    wrong = str(pki.folder / "wrong.key")
    Path(wrong).write_bytes(other.key_pem)
    locked = str(pki.folder / "locked.key")
    Path(locked).write_bytes(
        made.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"open sesame"),
        )
    )

    def message(key: str, host: Host | None = None, **own: Any) -> str:
        seen = look(host, files=[path], keys={path: key}, **own)[path]
        assert "PRIVATE" not in json.dumps(seen.data) + seen.raw
        judged = verdict("key", seen)
        return judged.message if judged else ""

    class Bare(Host):
        """A host without openssl."""

        def which(self, program: str) -> str | None:
            return None if program == "openssl" else super().which(program)

    for host in (Host(), Bare()):
        assert message(path[:-4] + ".key", host).endswith("pair.key matches")
        assert message(wrong, host).endswith("wrong.key belongs to another certificate")
        assert message(locked, host, passphrase="open sesame").endswith("locked.key matches")
        assert message(locked, host, passphrase="guess").startswith("its key could not be read")
        assert message(locked, host).startswith("its key could not be read")


@pytest.mark.parametrize("passphrase", ["", "open sesame"])
def test_pkcs12(pki: Pki, passphrase: str) -> None:
    need("openssl")
    made = make("p12.example.org", pki.middle, begins=NOW, lifetime=YEAR)
    path = pki.folder / f"site{len(passphrase)}.p12"
    locked = (
        serialization.BestAvailableEncryption(passphrase.encode())
        if passphrase
        else serialization.NoEncryption()
    )
    path.write_bytes(
        pkcs12.serialize_key_and_certificates(
            b"site", made.key, made.certificate, [pki.middle.certificate], locked
        )
    )
    seen = look(files=[str(path)], passphrase=passphrase, ca_file=pki.ca_file)[str(path)]

    assert failing(seen) == {}
    assert (seen.data["der"], seen.data["chain"]) == (made.der, [pki.middle.der])
    assert verdict("key", seen).message.endswith(".p12 matches")  # type: ignore[union-attr]
    if passphrase:
        shut = look(files=[str(path)])[str(path)]
        assert shut.error == f"{path}: the passphrase does not open it"


@pytest.mark.parametrize("protocol", ["smtp", "imap", "pop3"])
def test_starttls(pki: Pki, protocol: str, tmp_path: Path) -> None:
    """A server of a few lines speaks the greeting; TLS on the same connection is Python's."""
    made = make("mail.example.org", pki.middle, begins=NOW, lifetime=YEAR)
    path = pki.write(f"mail-{protocol}", made, pki.middle)
    port = free_port()
    script = tmp_path / "server.py"
    script.write_text(GREETER)
    command = [
        shutil.which("python3") or "python3",
        str(script),
        protocol,
        str(port),
        path,
        f"{path[:-4]}.key",
    ]
    with subprocess.Popen(command) as server:
        try:
            wait_until(lambda: answers(port))
            place = f"{protocol}://mail.example.org@127.0.0.1:{port}"
            seen = look(endpoints=[place], ca_file=pki.ca_file)[place]
        finally:
            server.terminate()

    assert failing(seen) == {}


GREETER = """
import socket, ssl, sys
protocol, port, certificate, key = sys.argv[1:]
TALK = {
    "smtp": (
        "220-x\\r\\n220 y\\r\\n",
        [("EHLO", "250-x\\r\\n250-STARTTLS\\r\\n250 y\\r\\n"), ("STARTTLS", "220 go\\r\\n")],
    ),
    "imap": ("* OK x\\r\\n", []),
    "pop3": ("+OK x\\r\\n", [("STLS", "+OK go\\r\\n")]),
}
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
with socket.create_server(("127.0.0.1", int(port))) as server:
    while True:
        connection, _ = server.accept()
        try:
            greeting, talk = TALK[protocol]
            connection.sendall(greeting.encode())
            for expected, answer in talk:
                line = b""
                while not line.endswith(b"\\n"):
                    byte = connection.recv(1)
                    if not byte:
                        raise OSError
                    line += byte
                assert line.decode().startswith(expected), line
                connection.sendall(answer.encode())
            while protocol == "imap":  # openssl asks for the capabilities first
                line = b""
                while not line.endswith(b"\\n"):
                    line += connection.recv(1) or b"\\n"
                tag, _, verb = line.decode().strip().partition(" ")
                said = "* CAPABILITY IMAP4rev1 STARTTLS" if verb == "CAPABILITY" else "* note"
                connection.sendall(f"{said}\\r\\n{tag} OK go\\r\\n".encode())
                if verb != "CAPABILITY":
                    break
            connection = context.wrap_socket(connection, server_side=True)
            connection.recv(1)
        except OSError:
            pass
        finally:
            connection.close()
"""


def test_postgresql(pki: Pki) -> None:
    need("initdb", "pg_ctl")
    made = make("db.example.org", pki.middle, begins=NOW, lifetime=YEAR)
    user = "postgres" if os.geteuid() == 0 else None
    path = os.environ["PATH"] + ":/usr/lib/postgresql/15/bin"
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp") as home:
        shutil.chown(home, user or os.geteuid())
        for name, content in (("c", made.pem + pki.middle.pem), ("k", made.key_pem)):
            (Path(home) / name).write_bytes(content)
            (Path(home) / name).chmod(0o600)
            shutil.chown(Path(home) / name, user or os.geteuid())

        def run(*command: str) -> None:
            subprocess.run(
                command,
                check=True,
                user=user,
                stdout=subprocess.DEVNULL,
                env={"PATH": path},
                cwd="/",
            )

        run("initdb", "-D", f"{home}/data", "-U", "upkeep", "-A", "trust")
        settings = f"-c listen_addresses=127.0.0.1 -p {port} -c unix_socket_directories={home}"
        settings += f" -c fsync=off -c ssl=on -c ssl_cert_file={home}/c -c ssl_key_file={home}/k"
        run("pg_ctl", "-D", f"{home}/data", "-l", f"{home}/log", "-w", "-o", settings, "start")
        try:
            place = f"postgres://db.example.org@127.0.0.1:{port}"
            seen = look(endpoints=[place], ca_file=pki.ca_file)[place]
        finally:
            run("pg_ctl", "-D", f"{home}/data", "-m", "immediate", "stop")

    assert failing(seen) == {}
    assert len(seen.data["chain"]) == 1


def test_a_declared_endpoint_that_does_not_answer_is_an_error() -> None:
    place = f"127.0.0.1:{free_port()}"

    assert look(endpoints=[place])[place].error == f"{place}: connection refused"


def test_a_server_that_says_nothing_costs_its_time_and_no_more() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"127.0.0.1:{silent.getsockname()[1]}"
        seen = look(endpoints=[place], timeout_seconds=0.5)[place]

    assert seen.error == "no answer in time"


def test_recorded_certificates_never_stop_the_judging() -> None:
    need("openssl")
    paths = [str(path) for path in sorted(RECORDED.iterdir()) if path.suffix != ".txt"]
    seen = look(files=paths)

    assert sorted(seen) == paths
    for one in seen.values():
        for rule in RULES:
            verdict(rule, one)
    by_name = {Path(subject).name: one for subject, one in seen.items()}
    assert "SHA1" in failing(by_name["wildcard-sha1-2016.pem"])["strength"]
    assert "is missing" in failing(by_name["wildcard-incomplete-chain.pem"])["chain"]


def samples() -> Path:
    folder = os.environ.get("UPKEEP_SAMPLES")
    if not folder:
        pytest.skip("UPKEEP_SAMPLES names no folder with sample certificates")
    return Path(folder) / "certs"


def test_expiry_of_samples_is_what_openssl_says() -> None:
    expected = json.loads((samples() / "expected.json").read_text(encoding="utf-8"))
    now = datetime.fromisoformat(expected["reference_time"])
    judged = {}
    for name, entry in expected["files"].items():
        path = str(samples() / name)
        seen = look(files=[path])[path]
        status = (entry.get("leaf") or {}).get("status_at_ref")
        if status is None or seen.error:
            assert status is None, (name, seen.error)
            continue
        found = load()["certificate_expiry"].judge(seen, load()["certificate_expiry"].limits, now)
        judged[name] = (status, found.message if found else "")
    readable = {name: one for name, one in judged.items() if "cannot be read" not in one[1]}

    assert len(readable) >= 40
    for name, (status, message) in readable.items():
        assert message.startswith("expired") == (status == "expired"), (name, status, message)


def test_paths_of_nist_are_valid_and_invalid_as_their_names_say(tmp_path: Path) -> None:
    """PKITS: the certificate with those of its issuers in one file, the root as ca_file."""
    need("openssl")
    folder = samples() / "pkits"
    cases = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    wrong = {}
    count = 0
    for name, case in cases.items():
        issuers = [one for one in case["issuer_files"] if not one.startswith("TrustAnchor")]
        # "Negative serial" is about revocation; of "self issued" the authority's second key is not in the set.
        left_out = "NegativeSerial" in name or "SelfIssued" in name
        if case["needs_crl"] or left_out or not case["issuer_files"]:
            continue
        count += 1
        path = tmp_path / f"{name}.pem"
        ders = [(folder / one).read_bytes() for one in [name, *issuers]]
        path.write_bytes("".join(connect.ssl.DER_cert_to_PEM_cert(der) for der in ders).encode())
        root = tmp_path / "root.pem"
        der = (folder / "TrustAnchorRootCertificate.crt").read_bytes()
        root.write_text(connect.ssl.DER_cert_to_PEM_cert(der))
        seen = look(files=[str(path)], ca_file=str(root))[str(path)]
        now = datetime(2026, 12, 1, tzinfo=UTC)
        good = all(
            found is not None and found.status is Status.PASS
            for found in (verdict("chain", seen, now), verdict("expiry", seen, now))
        )
        if good != (case["verdict"] == "valid"):
            wrong[name] = case["verdict"]
    assert count > 10
    assert wrong == {}
