"""Which certificates of a file are judged, under which subjects."""

from __future__ import annotations

import copy
import hashlib
from base64 import b64decode, b64encode
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from made_certificates import BEGINS, Made, make

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.certificates import _der
from upkeep.checks.certificates._issuers import canonical, issued, signed
from upkeep.checks.certificates._x509 import CertificateError, extension, load
from upkeep.judging.check import load as load_checks
from upkeep.judging.judge import judge
from upkeep.model.answer import Due, Seen
from upkeep.model.verdicts import Result, Severity, Status

DAY = timedelta(days=1)
NOW = BEGINS + 100 * DAY
TRUSTED = {"store": "the host's store", "trusted": True, "code": 0, "reason": ""}


@pytest.fixture(scope="module")
def made() -> dict[str, Made]:
    root = make("Root", authority=True, lifetime=4000 * DAY)
    middle = make("Middle", root, authority=True, lifetime=1000 * DAY)
    ending = make("Ending", root, authority=True, lifetime=102 * DAY)
    return {
        "root": root,
        "middle": middle,
        "ending": ending,
        "other": make("Other", authority=True, lifetime=101 * DAY),
        "good": make("good.example", middle),
        "old": make("old.example", middle, lifetime=102 * DAY),
        "gone": make("good.example", middle, lifetime=99 * DAY),
        "gone too": make("good.example", middle, lifetime=98 * DAY),
        "of ending": make("late.example", ending),
        "host": make("box.example", names=[], authority=True, lifetime=99 * DAY),
        "named": make("Box", names=["box.example"], authority=True, lifetime=99 * DAY),
        "of host": make("below.example", make("up.example", authority=True)),
    }


def observe(ders: list[str], **more: Any) -> Observation:
    trusts = {str(place): TRUSTED for place in range(1, len(ders))}
    data = {"kind": "file", "format": "pem", "count": len(ders), "der": ders[0]}
    data |= {"chain": ders[1:], "chain_seen": True, "trust": TRUSTED, "trusts": trusts}
    return Observation("/f", {**data, "names": [], "key": None, **more})


def results(seen: Observation, check: str = "expiry", **limits: Any) -> dict[str, Result]:
    """Return the results by subject, as a run would have them."""
    name = f"certificate_{check}"
    due = [Due(name, 0, limits)]
    judged = judge("h", due, [Seen(0, seen)], {}, load_checks(), NOW)
    assert all(one.observation == 0 for one in judged)
    return {one.subject: one for one in judged}


def told(found: dict[str, Result]) -> dict[str, str]:
    """Return subject → status, or severity where it failed."""
    return {
        subject: one.severity.value if one.severity else one.status.value
        for subject, one in found.items()
    }


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["good"], {"/f": "pass"}),
        (["good", "middle"], {"/f": "pass", "/f: Middle": "pass"}),
        (["good", "middle", "root"], {"/f": "pass", "/f: Middle": "pass", "/f: Root": "pass"}),
        (["middle", "old"], {"/f": "high", "/f: Middle": "pass"}),
        (["good", "old"], {"/f": "pass", "/f: old.example": "high"}),
        (["old", "good"], {"/f": "high", "/f: good.example": "pass"}),
        (["gone", "good"], {"/f": "critical", "/f: good.example": "pass"}),
        (
            ["good", "good", "old"],
            {"/f": "pass", "/f: old.example": "high"},
        ),
        (
            ["good", "gone", "gone too"],
            {"/f": "pass", "/f: good.example": "critical", "/f: good.example (2)": "critical"},
        ),
        (["of ending", "ending"], {"/f": "pass", "/f: Ending": "high"}),
        (["good", "ending"], {"/f": "pass"}),
        (["good", "other"], {"/f": "pass"}),
        (["ending", "good", "middle"], {"/f": "pass", "/f: Middle": "pass"}),
        (["root", "middle"], {"/f": "pass"}),
        (["root", "other"], {"/f": "info"}),
        (["host"], {"/f": "critical"}),
        (["named"], {"/f": "critical"}),
        (["other", "named"], {"/f": "critical"}),
        (["other", "host"], {"/f": "info"}),
        (["good", "host"], {"/f": "pass"}),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else "",
)
def test_expiry_of_each(names: list[str], expected: dict[str, str], made: dict[str, Made]) -> None:
    assert told(results(observe([made[name].der for name in names]))) == expected


def test_a_bundle_is_a_note_or_judged_by_its_first_to_end(made: dict[str, Made]) -> None:
    seen = observe([made[name].der for name in ("root", "other", "middle")])
    note = results(seen)["/f"]
    judged = results(seen, bundle="judge")["/f"]

    assert (
        note.message
        == "expires in 1 days; renewal is due at 30; the first of 3 authorities to expire"
    )
    assert (note.severity, judged.severity) == (Severity.INFO, Severity.HIGH)
    assert results(seen, bundle="maybe")["/f"].status is Status.UNKNOWN
    assert results(seen, "chain") == {}
    assert told(results(seen, "strength")) == {"/f": "pass"}


@pytest.mark.parametrize(
    "more",
    [{"key": {"path": "/k"}}, {"names": ["Other"]}, {"server": True}],
    ids=["with a key", "with names", "of a server"],
)
def test_an_authority_that_a_server_uses_is_judged(more: Any, made: dict[str, Made]) -> None:
    assert told(results(observe([made["other"].der], **more))) == {"/f": "high"}


@pytest.mark.parametrize("data", [{}, {"trusts": None}, {"trusts": {"1": None}}])
def test_a_leaf_whose_trust_was_not_tried_is_unknown(data: Any, made: dict[str, Made]) -> None:
    seen = observe([made["good"].der, made["old"].der], **{"trusts": {}, **data})

    assert told(results(seen, "chain")) == {"/f": "low", "/f: old.example": "unknown"}


def test_a_second_leaf_is_in_order_behind_the_first(made: dict[str, Made]) -> None:
    seen = observe([made[name].der for name in ("good", "middle", "old")])

    assert told(results(seen, "chain")) == {"/f": "low", "/f: old.example": "pass"}


def test_a_whole_observation_has_its_worst_part(made: dict[str, Made]) -> None:
    seen = observe([made["good"].der, made["old"].der])
    check = load_checks()["certificate_expiry"]
    verdict = check.judge(seen, check.limits, NOW)

    assert verdict is not None
    assert (verdict.severity, verdict.message[:16]) == (Severity.HIGH, "/f: old.example:")


def test_the_key_is_that_of_the_first_certificate(made: dict[str, Made]) -> None:
    public = (
        made["good"]
        .key.public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    key = {"path": "/k", "spki_sha256": hashlib.sha256(public).hexdigest()}
    good, middle, old = (made[name].der for name in ("good", "middle", "old"))

    assert told(results(observe([good, middle], key=key), "key")) == {"/f": "pass"}
    assert told(results(observe([good, old], key=key), "key")) == {"/f": "pass"}
    (behind,) = results(observe([middle, good], key=key), "key").values()
    assert (
        behind.message
        == "the key in /k belongs to certificate 2 of the file; servers use the first"
    )
    assert behind.severity is Severity.CRITICAL
    assert told(results(observe([old, good], key=key), "key")) == {"/f": "critical"}


def test_a_leaf_behind_its_authority_is_not_in_order(made: dict[str, Made]) -> None:
    seen = observe([made["middle"].der, made["good"].der])

    assert results(seen, "chain")["/f"].message == "trusted, but not in order"
    for form in ("pkcs7", "embedded"):
        loose = observe([made["middle"].der, made["good"].der], format=form)
        assert told(results(loose, "chain")) == {"/f": "pass"}


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_that_cannot_be_read_is_unknown_and_hides_no_other(
    place: int, made: dict[str, Made]
) -> None:
    ders = [made["old"].der, made["middle"].der]
    ders.insert(place, "MAA=")
    found = told(results(observe(ders)))

    assert sorted(found.values()) == ["high", "pass", "unknown"]
    assert found["/f"] == ("unknown" if place == 0 else "high")


def test_a_fault_of_the_file_makes_a_pass_unknown_and_no_failure_better(
    made: dict[str, Made],
) -> None:
    seen = observe([made["good"].der, made["old"].der], fault="line 9: found 'x'; expected 'y'")
    found = results(seen)

    assert told(found) == {"/f": "unknown", "/f: old.example": "high"}
    assert found["/f"].message.startswith("line 9: found 'x'; expected 'y'; else: valid for")


def test_a_server_with_two_certificates_shows_both(made: dict[str, Made]) -> None:
    other = {"der": made["old"].der, "chain": [], "chain_seen": True, "key_kind": "RSA"}
    first = {"kind": "endpoint", "der": made["good"].der, "chain": [], "chain_seen": True}
    data = {**first, "names": ["good.example"], "others": [other], "old_protocol": "TLSv1.1"}
    data["on_disk"] = {"path": "/c", "der": made["good"].der}
    seen = Observation("good.example:443", {**data, "trust": TRUSTED, "key": None})

    assert told(results(seen)) == {"good.example:443": "pass", "good.example:443 (RSA)": "high"}
    assert told(results(seen, "name"))["good.example:443 (RSA)"] == "high"
    assert told(results(seen, "served")) == {"good.example:443": "pass"}
    assert told(results(seen, "strength"))["good.example:443 (RSA)"] == "pass"


@pytest.mark.parametrize("others", [None, 7, "x", [7], [{}], [{"der": 7}], {"a": 1}])
def test_odd_others_stop_nothing(others: Any, made: dict[str, Made]) -> None:
    seen = Observation("a:443", {"kind": "endpoint", "der": made["good"].der, "others": others})

    assert results(seen)["a:443"].status is Status.PASS
    for one in results(seen).values():
        assert one.subject == "a:443" or one.status is Status.UNKNOWN


def name(*parts: tuple[Any, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in parts])


CN, O = NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME  # noqa: E741


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (name((CN, "Own CA")), name((CN, "own ca")), True),
        (name((CN, "Own CA")), name((CN, "  Own   CA ")), True),
        (name((CN, "Straße")), name((CN, "STRASSE")), True),
        (name((CN, "Café")), name((CN, "Cafe\u0301")), True),
        (name((CN, "Own CA")), name((CN, "OwnCA")), False),
        (name((CN, "Own CA")), name((O, "Own CA")), False),
        (name((O, "A"), (CN, "B")), name((CN, "B"), (O, "A")), False),
        (name((CN, "Own CA")), name((O, "A"), (CN, "Own CA")), False),
    ],
    ids=["case", "spaces", "folded", "composed", "no space", "other type", "order", "longer"],
)
def test_names_are_the_same_as_rfc_5280_has_it(
    one: x509.Name, other: x509.Name, same: bool
) -> None:
    assert (canonical(one) == canonical(other)) is same
    authority = make("x", authority=True)
    text = other.rfc4514_string()
    if same:
        ca = make(other.get_attributes_for_oid(CN)[0].value, authority=True)  # type: ignore[arg-type]
        leaf = make("leaf.example", ca, issuer_name=one)
        assert issued(leaf.certificate, ca.certificate) is True, text
        assert issued(leaf.certificate, authority.certificate) is False


def test_a_name_in_another_kind_of_string_is_the_same() -> None:
    ca = make("Own CA", authority=True)
    printable = x509.Name(
        [x509.NameAttribute(CN, "Own CA", _type=x509.name._ASN1Type.PrintableString)]
    )

    assert issued(make("a.example", ca, issuer_name=printable).certificate, ca.certificate) is True


def test_a_signature_that_was_changed_is_not_the_issuers() -> None:
    ca = make("Own CA", authority=True)
    leaf = make("a.example", ca)
    broken = bytearray(b64decode(leaf.der))
    broken[-1] ^= 1
    changed = load(b64encode(bytes(broken)).decode())

    assert signed(leaf.certificate, ca.certificate) is True
    assert signed(changed, ca.certificate) is False
    assert signed(leaf.certificate, make("Own CA", authority=True).certificate) is False


def spoiled(made: Made, oid: str) -> x509.Certificate:
    """Return the certificate with the content of one extension replaced by what cannot be read."""
    data = bytearray(b64decode(made.der))
    at = data.index(_der.oid(oid)) + len(_der.oid(oid))
    while data[at] != 0x04:
        at += 1
    data[at + 2] = 0x1F
    return load(b64encode(bytes(data)).decode())


def test_an_extension_that_cannot_be_read_blinds_only_what_needs_it() -> None:
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    alternative = x509.IssuerAlternativeName([x509.DNSName("up.example")])
    made = make("a.example", extensions=[usage, alternative])
    broken = spoiled(made, "2.5.29.18")

    assert extension(broken, x509.SubjectAlternativeName).get_values_for_type(x509.DNSName) == [
        "a.example"
    ]
    assert extension(broken, x509.BasicConstraints).ca is False
    assert extension(broken, x509.KeyUsage) is None
    with pytest.raises(CertificateError, match="an extension that cannot be read"):
        extension(broken, x509.IssuerAlternativeName)


@pytest.mark.parametrize(
    "cut", [b"", b"\x30", b"\x30\x05\x00", b"\x30\x85\x01\x01\x01\x01\x01", b"\x30\x80\x00"]
)
def test_der_that_is_broken_is_refused(cut: bytes) -> None:
    with pytest.raises((ValueError, IndexError)):
        _der.raw_names(cut)


def test_der_is_cut_and_put_together_again() -> None:
    data = b64decode(make().der)

    assert _der.wrap(0x30, b"".join(_der.items(_der.content(data)))) == data
    assert _der.oid("1.3.6.1.4.1.11129.2.4.2").hex() == "060a2b06010401d679020402"
    assert _der.with_extension(data, "2.5.29.18") is None
    issuer, subject = _der.raw_names(data)
    assert issuer == subject
    assert len(_der.wrap(0x04, b"x" * 300)) == 304


def test_what_is_taken_apart_is_not_changed(made: dict[str, Made]) -> None:
    seen = observe([made["good"].der, made["old"].der])
    before = copy.deepcopy(seen.data)
    results(seen)

    assert seen.data == before
