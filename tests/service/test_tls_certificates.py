"""Certificates that OpenSSL refuses or finds elsewhere, and servers with two: real openssl, real nginx."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ed25519, rsa
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import ExtendedKeyUsageOID
from made_certificates import Made, make
from patience import PATIENCE_SECONDS

from ansible_collections.astral.upkeep.plugins.module_utils.gather.certificates.certificates import (
    ARGUMENTS,
    gather,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging.check import load
from upkeep.judging.judge import judge
from upkeep.model.answer import Due, Seen

NOW = datetime.now(UTC)
BEGAN = NOW - timedelta(days=30)
DAY = timedelta(days=1)

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not on PATH")


def look(host: Host | None = None, **own: Any) -> list[Observation]:
    params = {name: spec.get("default") for name, spec in ARGUMENTS.items()}
    return gather({**params, **own}, host or Host())


def told(seen: list[Observation], check: str, **limits: Any) -> dict[str, str]:
    """Return subject → status and message."""
    checks = load()
    due = [Due(f"certificate_{check}", 0, limits)]
    found = judge("h", due, [Seen(0, s) for s in seen], {}, checks, NOW)
    return {one.subject: f"{one.status.value}: {one.message}" for one in found}


def usage(sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(True, False, False, False, False, sign, True, False, False)


def constrained(name: str) -> x509.NameConstraints:
    return x509.NameConstraints([x509.DNSName(name)], None)


def authority(name: str, issuer: Made | None = None, **more: Any) -> Made:
    return make(name, issuer, authority=True, begins=BEGAN, lifetime=900 * DAY, **more)


def leaf(issuer: Made | None, name: str = "a.example", **more: Any) -> Made:
    return make(name, issuer, begins=BEGAN, lifetime=300 * DAY, **more)


def spoiled(made: Made) -> bytes:
    """Return the certificate as PEM with the last bit of its signature changed."""
    data = bytearray(made.certificate.public_bytes(serialization.Encoding.DER))
    data[-1] ^= 1
    return ssl.DER_cert_to_PEM_cert(bytes(data)).encode()


def client_only() -> x509.ExtendedKeyUsage:
    return x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])


def chains() -> dict[str, tuple[bytes, str]]:
    """Return PEM files that lead to a root which nobody trusts, with what certificate_chain says if that is accepted."""
    root = authority("Root")
    middle = authority("Middle", root)
    narrow = authority("Narrow", root, extensions=[constrained("other.example")])
    wide = authority("Wide", root, extensions=[constrained("a.example")])
    unfit = authority("Unfit", root, extensions=[usage(sign=False)])
    unfit_root = authority("Unfit root", extensions=[usage(sign=False)])
    dsa_root = authority("DSA root", key=dsa.generate_private_key(2048))
    strange = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")
    second = authority("Middle", root)
    unlike = x509.AuthorityKeyIdentifier(b"another", None, None)
    identified = authority("Known", root, extensions=[x509.SubjectKeyIdentifier(b"its own")])
    upper = authority("OWN  ROOT")
    own = authority("Own Root", key=upper.key)

    def pem(*made: Made) -> bytes:
        return b"".join(one.pem for one in made)

    return {
        "right": (pem(leaf(middle), middle, root), "pass: leads to the root 'Root'"),
        "constraints kept": (pem(leaf(wide), wide, root), "pass: leads to the root 'Root'"),
        "constraints broken": (
            pem(leaf(narrow), narrow, root),
            "fail: refused: permitted subtree violation",
        ),
        "may not sign": (
            pem(leaf(unfit), unfit, root),
            "fail: 'Unfit' signed a certificate, but is",
        ),
        "root may not sign": (
            pem(leaf(unfit_root), unfit_root),
            "fail: 'Unfit root' signed a cert",
        ),
        "by DSA": (pem(leaf(dsa_root), dsa_root), "pass: leads to the root 'DSA root'"),
        "bad signature by DSA": (
            spoiled(leaf(dsa_root)) + dsa_root.pem,
            "fail: the certificate of 'CN=DSA root' is present, but it did not sign 'a.example'",
        ),
        "bad signature": (
            spoiled(leaf(middle)) + pem(middle, root),
            "fail: the certificate of 'CN=Middle' is present, but it did not sign 'a.example'",
        ),
        "bad signature of the authority": (
            leaf(middle).pem + spoiled(middle) + root.pem,
            "fail: the certificate of 'CN=Root' is present, but it did not sign 'Middle'",
        ),
        "another key of this name": (
            pem(leaf(middle), second, root),
            "fail: the certificate of 'CN=Middle' is present, but it did not sign 'a.example'",
        ),
        "the identifier of another key": (
            pem(leaf(identified, extensions=[unlike]), identified, root),
            "fail: leads to the root 'Root', and openssl cannot build a chain to it: unable to get local",
        ),
        "the same name otherwise": (pem(leaf(upper), own), "pass: leads to the root 'Own Root'"),
        "missing": (leaf(middle).pem, "fail: the certificate of 'CN=Middle' is missing"),
        "what must be understood": (
            pem(leaf(middle, critical=[strange]), middle, root),
            "fail: refused: unhandled critical extension",
        ),
        "for clients": (
            pem(leaf(middle, extensions=[client_only()]), middle, root),
            "pass: leads to the root 'Root'",
        ),
    }


CHAINS = chains() if shutil.which("openssl") else {}


@pytest.mark.parametrize("case", CHAINS)
def test_only_a_root_that_is_not_known_is_forgiven(case: str, tmp_path: Path) -> None:
    path = tmp_path / "chain.pem"
    path.write_bytes(CHAINS[case][0])
    seen = look(files=[str(path)])
    (accepted,) = told(seen, "chain", private_root=True).values()
    (plain,) = told(seen, "chain").values()

    assert accepted.startswith(CHAINS[case][1])
    assert plain.startswith("fail: ")
    assert "is missing" not in plain or case == "missing"


@pytest.mark.parametrize(
    ("pem", "expected"),
    [
        (lambda: leaf(None).pem, "pass: self-signed, which is accepted"),
        (
            lambda: spoiled(leaf(None)),
            "fail: 'a.example' names itself as its issuer, but was not",
        ),
        (
            lambda: (
                leaf(
                    None,
                    critical=[
                        x509.UnrecognizedExtension(
                            x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00"
                        )
                    ],
                ).pem
            ),
            "fail: refused: unhandled critical extension",
        ),
    ],
    ids=["right", "bad signature", "what must be understood"],
)
def test_of_one_that_signed_itself_too(
    pem: Callable[[], bytes], expected: str, tmp_path: Path
) -> None:
    path = tmp_path / "own.pem"
    path.write_bytes(pem())
    (found,) = told(look(files=[str(path)]), "chain", self_signed=True).values()

    assert found.startswith(expected)


def test_one_for_clients_is_a_fault_where_a_server_uses_it(tmp_path: Path) -> None:
    root = authority("Root")
    (tmp_path / "root.pem").write_bytes(root.pem)
    path = tmp_path / "c.pem"
    path.write_bytes(leaf(root, extensions=[client_only()]).pem)
    ca_file = str(tmp_path / "root.pem")
    plain = look(files=[str(path)], ca_file=ca_file)
    used = look(files=[str(path)], names={str(path): "a.example"}, ca_file=ca_file)
    fault = "fail: not for servers: its extended key usage has no serverAuth"

    assert told(plain, "chain")[str(path)].startswith("pass: 1 certificates in order")
    assert told(plain, "chain", purpose="server")[str(path)] == fault
    assert told(used, "chain")[str(path)] == fault
    assert told(used, "chain", purpose="client")[str(path)].startswith("pass: 1 certificates in")
    assert told(used, "chain", purpose="both")[str(path)].startswith("unknown: purpose: found")


def test_each_leaf_has_its_own_trust(tmp_path: Path) -> None:
    root, other = authority("Root"), authority("Other")
    (tmp_path / "root.pem").write_bytes(root.pem)
    path = tmp_path / "two.pem"
    path.write_bytes(leaf(root).pem + leaf(other, "b.example").pem + root.pem)
    found = told(look(files=[str(path)], ca_file=str(tmp_path / "root.pem")), "chain")

    assert found[str(path)] == "fail: trusted, but 1 certificates do not belong to the chain"
    assert found[f"{path}: b.example"].startswith("fail: the certificate of 'CN=Other' is missing")


def test_pkcs7(tmp_path: Path) -> None:
    root = authority("Root")
    ends = make("a.example", root, begins=BEGAN, lifetime=32 * DAY)
    for form, encoding in (
        ("pem", serialization.Encoding.PEM),
        ("der", serialization.Encoding.DER),
    ):
        path = tmp_path / f"chain.{form}.p7b"
        certificates = [root.certificate, ends.certificate]
        path.write_bytes(pkcs7.serialize_certificates(certificates, encoding))
        found = told(look(files=[str(path)]), "expiry")

        assert found[str(path)].startswith("fail: expires in ")
        assert found[f"{path}: Root"].startswith("pass: ")
    broken = tmp_path / "broken.p7b"
    broken.write_bytes(b"-----BEGIN PKCS7-----\nMIIC\n-----END PKCS7-----\n")
    (found_broken,) = told(look(files=[str(broken)]), "expiry").values()
    assert found_broken == f"unknown: {broken}: PKCS#7 without a certificate that openssl reads"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def nginx(home: Path, servers: str, ports: list[int]) -> Iterator[Path]:
    """Run an nginx with these servers; yield its configuration."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if program is None:
        pytest.skip("nginx is not on PATH")
    config = home / "nginx.conf"
    temporary = "".join(
        f"{name}_temp_path {home}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config.write_text(
        f"daemon off; pid {home}/nginx.pid; error_log {home}/error.log; worker_processes 1;\n"
        f"events {{ worker_connections 64; }}\nhttp {{ access_log off;\n{temporary}{servers}}}\n"
    )
    with subprocess.Popen([program, "-c", str(config), "-e", f"{home}/start.log"]) as server:
        try:
            ends = time.monotonic() + PATIENCE_SECONDS
            while not all(answers(port) for port in ports):
                assert time.monotonic() < ends
                time.sleep(0.05)
            yield config
        finally:
            server.terminate()


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tls", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def write(folder: Path, name: str, made: Made, *above: Made) -> str:
    path = folder / f"{name}.pem"
    path.write_bytes(made.pem + b"".join(one.pem for one in above))
    (folder / f"{name}.key").write_bytes(made.key_pem)
    return str(path)


def server(port: int, paths: list[str], more: str = "") -> str:
    pairs = "".join(
        f" ssl_certificate {path}; ssl_certificate_key {path[:-4]}.key;" for path in paths
    )
    return f"server {{ listen 127.0.0.1:{port} ssl; server_name a.example;{pairs} {more} }}\n"


def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def first_only(secured: Any) -> tuple[list[bytes], bool]:
    """Return what a Python before 3.10 shows."""
    return [secured.getpeercert(binary_form=True)], False


@pytest.mark.parametrize("old_python", [False, True], ids=["", "a Python before 3.10"])
@pytest.mark.parametrize("protocols", ["TLSv1.2 TLSv1.3", "TLSv1.2", "TLSv1.3"])
def test_a_server_with_two_kinds_of_keys_shows_both(
    protocols: str, old_python: bool, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if old_python:
        monkeypatch.setattr(
            "ansible_collections.astral.upkeep.plugins.module_utils.gather.certificates._servers.peer_chain",
            first_only,
        )
    root = authority("Root")
    (home / "root.pem").write_bytes(root.pem)
    files = [
        write(home, "ec", leaf(root)),
        write(home, "rsa", make("a.example", root, begins=BEGAN, lifetime=32 * DAY, key=rsa_key())),
    ]
    port = free_port()
    with nginx(home, server(port, files, f"ssl_protocols {protocols};"), [port]):
        place = f"a.example@127.0.0.1:{port}"
        served = dict.fromkeys(files, place)
        seen = look(served=served, ca_file=str(home / "root.pem"))
        first = next(one for one in seen if one.subject == place)
        assert len(first.data["others"]) == 1
        kind = first.data["others"][0]["key_kind"]
        both = {place, f"{place} ({kind})"}
        expiry = told(seen, "expiry")
        assert {subject for subject in expiry if "@" in subject} == both
        ends = {subject: text[:4] for subject, text in expiry.items() if "@" in subject}
        assert sorted(ends.values()) == ["fail", "pass"]
        for check, start in (
            ("chain", "pass"),
            ("name", "pass"),
            ("served", "pass: the same as in"),
        ):
            found = told(seen, check)
            assert {subject for subject in found if "@" in subject} == both
            assert all(text.startswith(start) for text in found.values()), found
        # One of the two is renewed, and the server is not told.
        write(home, "rsa", make("a.example", root, begins=BEGAN, lifetime=300 * DAY, key=rsa_key()))
        late = told(look(served=served, ca_file=str(home / "root.pem")), "served")
    assert sorted(text[:4] for text in late.values()) == ["fail", "pass"]


def test_a_server_with_one_key_shows_one_and_is_asked_no_more_than_that(home: Path) -> None:
    port = free_port()
    path = write(home, "one", leaf(None, key=ed25519.Ed25519PrivateKey.generate()))
    with nginx(home, server(port, [path]), [port]):
        (seen,) = look(endpoints=[f"a.example@127.0.0.1:{port}"])

    assert "others" not in seen.data
    assert seen.data["trust"]["private"] == {"trusted": True, "code": 0, "reason": ""}


def test_endpoints_are_forgiven_no_more_than_files(home: Path) -> None:
    root = authority("Root")
    narrow = authority("Narrow", root, extensions=[constrained("other.example")])
    middle = authority("Middle", root)
    ports = [free_port(), free_port(), free_port()]
    wrong = write(home, "wrong", leaf(narrow), narrow, root)
    right = write(home, "right", leaf(middle), middle, root)
    client = write(home, "client", leaf(middle, extensions=[client_only()]), middle, root)
    servers = "".join(
        server(port, [path]) for port, path in zip(ports, (wrong, right, client), strict=True)
    )
    places = [f"a.example@127.0.0.1:{port}" for port in ports]
    with nginx(home, servers, ports):
        seen = look(endpoints=places)
    found = told(seen, "chain", private_root=True)
    as_client = told(seen, "chain", private_root=True, purpose="client")

    assert found[places[0]] == "fail: refused: permitted subtree violation"
    assert found[places[1]] == "pass: leads to the root 'Root', which is accepted"
    assert found[places[2]] == "fail: not for servers: its extended key usage has no serverAuth"
    assert as_client[places[2]] == "pass: leads to the root 'Root', which is accepted"


def test_a_real_bundle_is_read_whole() -> None:
    path = "/etc/ssl/certs/ca-certificates.crt"
    if not Path(path).is_file():
        pytest.skip("there are no public authorities on this host")
    (seen,) = look(files=[path])
    (found,) = told([seen], "expiry").values()

    assert seen.data["count"] == Path(path).read_bytes().count(b"BEGIN CERTIFICATE")
    assert f"the first of {seen.data['count']} authorities to expire" in found
    assert seen.raw == ""


def two_keys(home: Path) -> list[str]:
    """Return the files of an ECDSA and an RSA certificate for one name, valid for long; their root is root.pem."""
    root = authority("Root")
    (home / "root.pem").write_bytes(root.pem)
    rsa_made = make("a.example", root, begins=BEGAN, lifetime=300 * DAY, key=rsa_key())
    ec_made = make("a.example", root, begins=BEGAN, lifetime=300 * DAY)
    return [write(home, "ec", ec_made), write(home, "rsa", rsa_made)]


def test_a_key_that_only_tls_1_3_shows_is_seen(home: Path) -> None:
    port = free_port()
    more = (
        "ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256; "
        "ssl_prefer_server_ciphers on;"
    )
    with nginx(home, server(port, two_keys(home), more), [port]):
        (seen,) = look(endpoints=[f"a.example@127.0.0.1:{port}"])

    assert [one["key_kind"] for one in seen.data["others"]] == ["RSA"]
    assert "fault" not in seen.data
    assert "note" not in seen.data


def test_a_key_that_cannot_be_asked_for_without_openssl_is_said(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    with nginx(home, server(port, two_keys(home), "ssl_protocols TLSv1.3;"), [port]):
        monkeypatch.setattr(Host, "which", lambda _self, _program: None)
        seen = look(endpoints=[f"a.example@127.0.0.1:{port}"])

    (text,) = told(seen, "expiry").values()
    assert text.startswith("pass")
    assert (
        "certificate, if there is one, was not read: with TLS 1.3 only, this needs openssl" in text
    )
