"""Reviews on the page: what is owed, what was collected, signing with files by keyboard alone, and who may not."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import socket
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from jsonschema import validate
from reviewed_site import PASSWORD, Reviewed, write_site
from service.browser import PHONE, first_screen, printed
from service.copies import Copies
from service.page import Visitor, served
from service.test_signed_reviews import SCHEDULE
from service.test_web_browser import violations
from store_samples import result

from upkeep.model import clock
from upkeep.model.roles import Role
from upkeep.model.stored_text import shown
from upkeep.model.verdicts import Measure, Severity
from upkeep.rules.reviews import ReviewVerdict
from upkeep.services.record_export import export
from upkeep.services.reviews import renew
from upkeep.services.verification import problems_of
from upkeep.store import Store, acts, doubts, records, reviews
from upkeep.store.review_evidence import look
from upkeep.view.json import schema
from upkeep.view.reviews import print_review
from upkeep.view.screen import Screen
from upkeep.view.upcoming import Coming
from upkeep.web.reviews import FORM_BYTES
from upkeep.web.routing import Setting

HOSTILE = "</h1><script>alert(1)</script>{{ 7 * 7 }}\x1b[31m"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture(scope="module")
def monday(copies: Any, tmp_path_factory: pytest.TempPathFactory) -> Copies[Reviewed]:
    """A site on Monday, 4 January, at ten; each review has just opened."""

    def fill(store: Store) -> Reviewed:
        folder = tmp_path_factory.mktemp("monday")
        written = write_site(folder / "site", folder / "signing", SCHEDULE)
        made = Reviewed(written, store, at("2027-01-02 12:00"))
        for person in ("ann", "bob", "cat", "dan"):
            made.user(person, person)
        made.user("eve", "ann", Role.OPERATOR)
        made.user("night", "bob", Role.APPROVER, shared=True)
        made.user("vic", "", Role.VIEWER)
        full = result(Severity.HIGH, message=f"91 % used {HOSTILE}")
        made.results["web1"] = [replace(full, measures=(Measure("used", 91.0, "%"),))]
        made.go(at("2027-01-04 10:00"))
        return made

    filled: Copies[Reviewed] = copies(fill)
    return filled


@pytest.fixture
def site(monday: Copies[Reviewed], monkeypatch: pytest.MonkeyPatch) -> Iterator[Reviewed]:
    """A copy of that Monday, by whose clock the page goes too."""
    with monday.copy("sqlite") as (kept, store):
        made = kept.on(store)
        monkeypatch.setattr(clock, "now", lambda: made.now)
        yield made


@pytest.fixture
def where(site: Reviewed) -> Iterator[str]:
    plan = site.site.schedule
    setting = Setting(
        site.store, site.site.key, lambda: plan, Coming(lambda: plan, site.site.folder),
        installation=lambda: site.installation,
    )  # fmt: skip
    with served(setting) as url:
        yield url


@pytest.fixture
def visit(where: str) -> Iterator[Any]:
    """Return a function that gives a visitor who has signed in as that user, or as nobody."""
    opened = []

    def sign_in(name: str = "") -> Visitor:
        one = Visitor(where)
        opened.append(one)
        assert not name or one.sign_in(name, PASSWORD).status_code == 303
        return one

    yield sign_in
    for one in opened:
        one.close()


@pytest.fixture
def ann(visit: Any) -> Visitor:
    one: Visitor = visit("ann")
    return one


def send(one: Visitor, site: Reviewed, item: str, files: Any = (), **form: str) -> Any:
    """Sign a review with a form such as the page has."""
    review = site.one(item)
    fields = {
        "form_token": one.token(),
        "evidence": review.evidence_sha256,
        "verdict": "pass",
        "note": "all of it looked at",
        "password": PASSWORD,
    }
    return one.client.post(
        f"/reviews/{review.id}/sign",
        data=fields | form,
        files=[("files", each) for each in files] or [("files", ("", b""))],
        headers={"Origin": one.url, "Sec-Fetch-Site": "same-origin"},
    )


def said_on(page: Any) -> str:
    """Return a page's text with plain spaces: numbers stay with their units on it."""
    return str(page.text).replace("\u202f", " ").replace("\xa0", " ")


def signatures(site: Reviewed, item: str) -> list[Any]:
    with site.store.read() as db:
        return reviews.signatures_of(db, site.one(item).id)


# --- looking ---------------------------------------------------------------------------------------------------------
def test_today_says_at_once_what_ones_team_owes_this_week(site: Reviewed, visit: Any) -> None:
    site.now = at("2027-01-05 10:00")
    told, legal, nobody = (said_on(visit(name).get("/")) for name in ("ann", "cat", "vic"))

    assert 'Operations has <b>3 reviews</b> to sign; <span class="fail">2 overdue</span>' in told
    assert "overdue</span>; the first is due <b>Mon 2027-01-04 17:00</b>." in told
    assert told.index("Fire extinguishers") < told.index("Who has keys")
    assert "Deeds" not in told
    assert "Opens this week: Audit <b>Mon 09:00</b>" in told
    assert "(3 reviews)" in told
    assert "(1 review)" in legal
    assert "(4 reviews)" in nobody
    assert "Legal has <b>1 review</b> to sign" in legal
    assert "Fire extinguishers" not in legal
    assert "Operations <b>3 reviews</b>, Legal + Compliance <b>1 review</b>" in nobody


def test_the_list_goes_by_team_and_shows_what_was_signed(site: Reviewed, ann: Visitor) -> None:
    send(ann, site, "fires")

    assert "3 reviews to sign" in ann.get("/reviews").text
    assert "Fire extinguishers" not in ann.get("/reviews").text
    assert "Fire extinguishers" in ann.get("/reviews?all=1").text
    assert "Who has keys" not in ann.get("/reviews?team=legal").text
    assert "Deeds" in ann.get("/reviews?team=legal").text


def test_a_review_shows_what_it_asks_what_was_collected_and_what_is_missing(
    site: Reviewed, ann: Visitor
) -> None:
    told = said_on(ann.get(f"/reviews/{site.one('fires').id}"))

    assert "Read each gauge." in told
    assert "Not collected by any check yet: the pressure of each" in told
    assert "at most 80" in told
    assert '<span class="fail">✗ missed: 0 % of what was seen</span>' in told
    assert "at most 80, 99 % of the time" in told
    assert '<th scope="col" class="number">Not measured</th>' in told
    assert '<a href="https://plans.example.org/" rel="noreferrer">The plan</a>' in told
    assert "91 % used &lt;/h1&gt;&lt;script&gt;" in told
    assert "<script>alert" not in told
    assert "{{ 7 * 7 }}" in told
    assert ann.get("/reviews/999").status_code == 404
    assert ann.get("/reviews/99999999999").status_code == 404


def test_programs_get_the_commands_documents(site: Reviewed, ann: Visitor) -> None:
    send(ann, site, "fires", note="all full")
    listed = ann.get("/api/reviews?all=1").json()
    whole = ann.get(f"/api/reviews/{site.one('fires').id}").json()
    month = ann.get("/api/completion?month=2027-01").json()

    validate(listed, schema("reviews"))
    validate(whole, schema("review"))
    validate(month, schema("completion"))
    assert len(listed["reviews"]) == 4
    assert whole["review"]["signatures"][0]["note"] == "all full"


# --- signing ---------------------------------------------------------------------------------------------------------
def test_what_is_signed_on_the_page_is_a_record_like_any_other(
    site: Reviewed, ann: Visitor
) -> None:
    asked = send(
        ann, site, "fires", [("gauges.pdf", b"%PDF-1.7 gauges")], verdict="fail", note="two are empty",
        follow_up_text_1="fill the two", follow_up_owner_1="bob", follow_up_due_1="2027-02-01",
    )  # fmt: skip

    assert asked.headers["location"] == f"/reviews/{site.one('fires').id}"
    (one,) = signatures(site, "fires")
    assert (one.user, one.verdict, one.note) == ("ann", ReviewVerdict.FAIL, "two are empty")
    assert one.authenticated == "password on the page, from 127.0.0.1"
    assert one.evidence_sha256 == site.one("fires").evidence_sha256
    assert [(file.name, file.size_bytes) for file in one.attachments] == [("gauges.pdf", 15)]
    with site.store.read() as db:
        act = acts.recent(db, 1)[0]
        (follow_up,) = reviews.follow_ups_of(db, [one.number])
        assert [one.kind for one in records.chain(db)] == [
            *["review_terms"] * 4,
            "review",
            "review_terms",
        ]
    assert (act.who, act.what, act.way, act.address) == ("ann", "sign review", "web", "127.0.0.1")
    assert (follow_up.owner, follow_up.title) == ("bob", "fill the two")
    told = ann.get(asked.headers["location"]).text
    assert "two are empty" in told
    assert "fill the two" in told


def test_a_note_of_two_lines_is_signed_and_shown_as_two_lines(site: Reviewed, ann: Visitor) -> None:
    send(ann, site, "fires", note="is blocked since 10:40.\r\nNo login succeeded.")

    (one,) = signatures(site, "fires")
    assert one.note == "is blocked since 10:40.\nNo login succeeded."
    shown_note = '<p class="said">is blocked since 10:40.\nNo login succeeded.</p>'
    assert shown_note in said_on(ann.get(f"/reviews/{site.one('fires').id}"))
    stream = io.StringIO()
    with site.store.read() as db:
        found = look(db, site.one("fires"), site.now)
        assert list(problems_of(db, site.installation.trusted)) == []
    print_review(Screen(stream), found, site.site.schedule, ZoneInfo("UTC"), site.now, "")
    assert "\nnote: is blocked since 10:40.\n  No login succeeded.\n" in stream.getvalue()


def test_a_note_that_an_older_program_has_signed_is_shown_and_verified_as_it_is(
    site: Reviewed, ann: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("upkeep.services.reviews.written", shown)
    send(ann, site, "fires", note="is blocked.\r\nNo login.")

    (one,) = signatures(site, "fires")
    assert one.note == "is blocked.\\r\nNo login."
    assert "is blocked.\\r\nNo login." in ann.get(f"/reviews/{site.one('fires').id}").text
    with site.store.read() as db:
        assert list(problems_of(db, site.installation.trusted)) == []


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"password": ""}, "your password is missing"),
        ({"password": "wrong horse battery"}, "wrong password for ann"),
        ({"verdict": ""}, "choose a verdict"),
        ({"verdict": "fail"}, "fail needs a note"),
        (
            {},
            "pass needs a note that explains what fails: Low disk space, 1 of 1 fails; target missed: used of /",
        ),
        ({"verdict": "not applicable"}, "not applicable needs a reason"),
        ({"on_behalf_of": "Assessors"}, "the report of Assessors must be attached"),
        ({"evidence": "0" * 64}, "the evidence has changed since it was shown"),
        ({"evidence": ""}, "the form does not say which evidence was shown; load the page again"),
        ({"corrects": "77"}, "signature 77 is not one of this review"),
        ({"corrects": "x"}, "there is no such signature to correct"),
        ({"follow_up_text_1": "later"}, "follow-up 1 needs the day"),
        (
            {"follow_up_text_1": "x", "follow_up_owner_1": "zoe", "follow_up_due_1": "2027-02-01"},
            "there is no team and no person &#39;zoe&#39;",
        ),
        ({"alone": "ill"}, "one person alone may not sign this review"),
    ],
)
def test_what_cannot_be_signed_says_why_and_loses_nothing_that_was_typed(
    site: Reviewed, ann: Visitor, form: dict[str, str], said: str
) -> None:
    asked = send(ann, site, "fires", **{"note": "", **form}, reason="")

    assert asked.status_code == 422
    assert f"Nothing was signed: {said}" in said_on(asked)
    assert signatures(site, "fires") == []
    for key in ("follow_up_text_1", "on_behalf_of"):
        if key in form:
            assert f'value="{form[key]}"' in asked.text
    assert PASSWORD not in asked.text


def test_what_no_machine_has_seen_is_not_passed_without_a_word(
    site: Reviewed, visit: Any, ann: Visitor
) -> None:
    keys = f"/reviews/{site.one('keys').id}"
    told = said_on(ann.get(keys))
    assert (
        "No evidence was collected for this review: pass needs a note of what you checked, or a file."
        in told
    )
    assert "it shows no check and no measure" in told
    assert "required for fail, for pass without a file" in told

    asked = send(ann, site, "keys", note="")
    assert asked.status_code == 422
    said = "Nothing was signed: nothing was collected for it: pass needs a note"
    assert said in said_on(asked)
    send(ann, site, "keys", [("keys.txt", b"ann, bob")], note="")
    bob = visit("bob")
    assert said in said_on(send(bob, site, "keys", note=" "))
    send(bob, site, "keys", note="the list is right")

    assert [one.user for one in signatures(site, "keys")] == ["ann", "bob"]
    assert "missing when signed: it shows no check and no measure" in said_on(ann.get(keys))


def test_evidence_says_which_results_are_doubted(site: Reviewed, ann: Visitor) -> None:
    """On the page and in JSON; what was collected before the check was found broken stays as it is."""
    number = site.one("fires").id
    assert "doubted" not in said_on(ann.get(f"/reviews/{number}"))
    with site.store.begin() as db:
        doubts.mark(db, site.one("fires").site, "disk_space", None)
    assert "doubted" not in said_on(ann.get(f"/reviews/{number}"))

    renew(site.store, site.installation, site.one("fires"), site.now, site.site.schedule)

    told = said_on(ann.get(f"/reviews/{number}"))
    assert "of disk_space prove" in told
    assert "nothing: the check passed its known-bad input." in told
    evidence = ann.get(f"/api/reviews/{number}").json()["review"]["evidence"]
    assert [one["doubted"] > 0 for one in evidence["checks"]] == [True]
    assert {one["doubted"] for one in evidence["not_passing"]["rows"]} == {True}
    with site.store.read() as db:
        found = look(db, site.one("fires"), site.now)
    stream = io.StringIO()
    print_review(Screen(stream), found, site.site.schedule, ZoneInfo("UTC"), site.now, "")
    assert "of disk_space prove" in stream.getvalue()


def test_evidence_says_how_old_it_is_and_what_opened_since(
    site: Reviewed, visit: Any, ann: Visitor
) -> None:
    path = f"/reviews/{site.one('fires').id}"
    told = said_on(ann.get(path))
    assert told.count("as of 09:15, 45 min ago") == 3
    assert "Opened or got worse" not in told
    assert "No evidence was collected" not in told

    site.results["web2"] = [result(Severity.CRITICAL, host="web2", message=f"99 % {HOSTILE}")]
    site.go(at("2027-01-05 04:00"))
    ann = visit("ann")
    told = said_on(ann.get(path))
    assert told.count("as of 2027-01-04 09:15, 18 h ago") == 3
    assert '<h3 class="fail">✗ Opened or got worse since the evidence was collected</h3>' in told
    assert '<p class="status fail">✗ 1 finding opened since, or got worse</p>' in told
    assert "99 % &lt;/h1&gt;&lt;script&gt;" in told
    assert told.index("✗ Opened or got worse since") < told.index("✗ 1 finding opened since")
    assert told.index("✗ 1 finding opened since") < told.index("<button>Sign as ann")
    found = ann.get(f"/api{path}").json()
    validate(found, schema("review"))
    assert [one["host"] for one in found["review"]["opened_since"]["rows"]] == ["web2"]

    send(ann, site, "fires")
    told = ann.get(path).text  # only who corrects it reads this again
    assert told.index("Correct a signature") < told.index("Opened or got worse since")
    assert "Opened or got worse" not in visit("vic").get(path).text


def test_who_was_signed_out_comes_back_to_the_review(site: Reviewed, ann: Visitor) -> None:
    review = f"/reviews/{site.one('fires').id}"
    ann.client.cookies.clear()

    asked = ann.post(f"{review}/sign", {"Referer": f"{ann.url}{review}"}, verdict="pass")

    assert asked.status_code == 401
    assert f'name="to" value="{review}"' in asked.text


@pytest.mark.parametrize("password", [PASSWORD, "wrong horse battery"])
def test_evidence_that_changed_meanwhile_is_shown_and_then_signed(
    site: Reviewed, ann: Visitor, password: str
) -> None:
    old = site.one("fires").evidence_sha256
    site.now += timedelta(minutes=5)
    new = renew(site.store, site.installation, site.one("fires"), site.now, site.site.schedule)

    refused = send(ann, site, "fires", evidence=old, password=password)
    assert refused.status_code == 422
    assert "newer than what you were shown" in refused.text
    assert f'name="evidence" value="{new}"' in refused.text
    send(ann, site, "fires", evidence=new)

    (one,) = signatures(site, "fires")
    assert one.evidence_sha256 == new


@pytest.mark.parametrize(
    ("user", "status", "said"),
    [
        ("vic", 403, "needs the role approver"),
        ("eve", 403, "needs the role approver"),
        ("night", 422, "shared account"),
        ("cat", 422, "Cat is not a member of Operations"),
    ],
)
def test_who_may_not_sign_is_told_so_and_it_is_written_down(
    site: Reviewed, visit: Any, user: str, status: int, said: str
) -> None:
    one = visit(user)
    looked = one.get(f"/reviews/{site.one('fires').id}").text
    asked = send(one, site, "fires")

    assert "Sign as" not in looked
    assert "You cannot sign this review: " in looked
    assert asked.status_code == status
    assert said in asked.text
    assert signatures(site, "fires") == []
    with site.store.read() as db:
        act = acts.recent(db, 1)[0]
    assert (act.who, act.outcome) == (user, acts.REFUSED)


def test_four_eyes_on_the_page(site: Reviewed, visit: Any, ann: Visitor) -> None:
    send(ann, site, "keys")
    again = send(ann, site, "keys")
    bob = visit("bob")

    assert "another person must sign next" in again.text
    assert "signed by 1 of 2: pass" in bob.get(f"/reviews/{site.one('keys').id}").text
    assert send(bob, site, "keys").status_code == 303
    first, second = signatures(site, "keys")
    assert [first.user, second.user] == ["ann", "bob"]
    # Each of them can correct what they have signed themselves.
    page = f"/reviews/{site.one('keys').id}"
    for visitor, number in ((ann, first.number), (bob, second.number)):
        assert f'<option value="{number}"' in visitor.get(page).text
    corrected = send(ann, site, "keys", verdict="fail", note="wrong", corrects=str(first.number))
    assert corrected.status_code == 303


def test_a_correction_names_the_old_signature_and_both_stay(site: Reviewed, ann: Visitor) -> None:
    send(ann, site, "fires")
    number = signatures(site, "fires")[0].number
    page = f"/reviews/{site.one('fires').id}"
    assert "Correct a signature" in ann.get(page).text

    asked = send(ann, site, "fires", verdict="fail", note="the wrong list", corrects=str(number))

    assert asked.status_code == 303
    told = ann.get(page).text
    assert f"Corrects record {number}." in told
    assert f"corrected by record {number + 1}" in told


def test_it_is_handed_over_with_a_password_and_a_reason(site: Reviewed, ann: Visitor) -> None:
    page = f"/reviews/{site.one('fires').id}"

    assert ann.act(f"{page}/hand-over", owner="legal", reason="theirs").status_code == 422
    wrong = ann.act(f"{page}/hand-over", owner="legal", reason=" ", password=PASSWORD)
    assert "Not handed over: handing over a review needs a reason." in wrong.text
    done = ann.act(f"{page}/hand-over", owner="legal", reason="theirs", password=PASSWORD)

    assert done.status_code == 303
    assert site.one("fires").owner == "legal"
    assert "Ann is not a member of Legal" in ann.get(page).text


def test_it_is_collected_once_more_until_somebody_has_signed(site: Reviewed, ann: Visitor) -> None:
    before = site.one("keys").evidence_sha256
    page = f"/reviews/{site.one('keys').id}"
    site.now += timedelta(minutes=5)

    assert ann.act(f"{page}/renew").status_code == 303
    assert site.one("keys").evidence_sha256 != before
    send(ann, site, "keys")
    assert ann.act(f"{page}/renew").status_code == 409


# --- files -----------------------------------------------------------------------------------------------------------
def zip_slip() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made:
        made.writestr("../../etc/cron.d/evil", "* * * * * root id")
    return packed.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "kept"),
    [
        ("page.html", b"<script>alert(document.cookie)</script>", "page.html"),
        ("drawing.svg", b"<svg onload='alert(1)' xmlns='http://www.w3.org/2000/svg'/>", "drawing.svg"),
        ("../../../etc/passwd", b"root::0:0", "passwd"),
        ("..\\..\\windows\\evil.exe", b"MZ", "evil.exe"),
        ("evil.zip", zip_slip(), "evil.zip"),
        ('x"; filename="y.html', b"<b>", "x_22_ filename=_22y.html"),
        ("prüfung 2027.pdf", b"%PDF", "prüfung 2027.pdf"),
        (".htaccess", b"deny", "htaccess"),
        ("a" * 400 + ".pdf", b"%PDF", "a" * 146 + ".pdf"),
    ],
)  # fmt: skip
def test_a_hostile_file_is_kept_to_the_letter_and_only_ever_downloaded(
    site: Reviewed, ann: Visitor, name: str, content: bytes, kept: str
) -> None:
    folder = Path(site.site.name).parent

    def there() -> list[str]:
        return sorted(str(one) for one in folder.rglob("*") if one.parent.name != "ends")

    before = there()

    assert send(ann, site, "fires", [(name, content)]).status_code == 303

    (file,) = signatures(site, "fires")[0].attachments
    given = ann.get(f"/reviews/{site.one('fires').id}/files/{file.sha256}")
    assert file.name == kept
    assert given.content == content
    assert given.headers["content-type"] == "application/octet-stream"
    assert given.headers["content-disposition"].startswith("attachment; filename=")
    assert "\n" not in given.headers["content-disposition"]
    assert "sandbox" in given.headers["content-security-policy"]
    assert given.headers["x-content-type-options"] == "nosniff"
    assert there() == before


def test_only_files_of_the_review_are_given(site: Reviewed, ann: Visitor) -> None:
    send(ann, site, "fires", [("gauges.pdf", b"%PDF")])
    (file,) = signatures(site, "fires")[0].attachments
    other = f"/reviews/{site.one('keys').id}/files"
    own = f"/reviews/{site.one('fires').id}/files"

    assert ann.get(f"{other}/{file.sha256}").status_code == 404
    assert ann.get(f"{own}/{'0' * 64}").status_code == 404
    assert ann.get(f"{own}/..%2f..%2fetc%2fpasswd").status_code == 404
    evidence = ann.get(f"{own}/{site.one('fires').evidence_sha256}")
    assert json.loads(evidence.content)["review"]["item"] == "fires"
    assert "evidence-" in evidence.headers["content-disposition"]


def test_a_file_that_is_too_large_is_refused_and_not_kept(site: Reviewed, ann: Visitor) -> None:
    one_file = send(ann, site, "fires", [("big.iso", bytes(21_000_000))])
    a_form = send(ann, site, "fires", [("huge.iso", bytes(100_000_000))])
    many = send(ann, site, "fires", [(f"{count}.txt", b"x") for count in range(11)])

    assert one_file.status_code == 422
    assert "big.iso: 21.0 MB; at most 20 MB" in said_on(one_file)
    assert a_form.status_code == 413
    assert f"larger than {FORM_BYTES // 1_000_000} MB" in said_on(a_form)
    assert "11 files; at most 10" in said_on(many)
    assert signatures(site, "fires") == []


def test_who_may_not_sign_is_refused_before_anything_large_is_read(
    site: Reviewed, where: str, visit: Any
) -> None:
    path = f"/reviews/{site.one('fires').id}/sign"
    host = where.partition("//")[2]
    cookie = "; ".join(f"{name}={value}" for name, value in visit("vic").client.cookies.items())

    for who, status in (("", b"401"), (f"Cookie: {cookie}\r\n", b"403")):
        with socket.create_connection((host.split(":")[0], int(host.split(":")[1])), 20) as line:
            line.sendall(
                f"POST {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: {where}\r\n{who}"
                "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 9000000000\r\n\r\n".encode()
            )
            assert line.recv(100).split()[1] == status


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=x", b"no boundary at all"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--\r\n'),
        ("application/json", b"{}"),
        ("multipart/form-data; boundary=x",
         b"".join(b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' for _ in range(200)) + b"--x--\r\n"),
    ],
)  # fmt: skip
def test_a_form_that_is_none_is_refused(
    site: Reviewed, ann: Visitor, kind: str, body: bytes
) -> None:
    head = {"Content-Type": kind, "Origin": ann.url}
    asked = ann.client.post(f"/reviews/{site.one('fires').id}/sign", content=body, headers=head)

    assert asked.status_code in (400, 403)
    assert signatures(site, "fires") == []


# --- completion ------------------------------------------------------------------------------------------------------
def test_a_months_completion_is_a_page_and_a_file(site: Reviewed, ann: Visitor) -> None:
    send(ann, site, "fires")
    send(
        ann, site, "till", verdict="not applicable", reason="there is no till any more", alone="ill"
    )
    told = ann.get("/completion?month=2027-01").text
    rows = list(csv.DictReader(io.StringIO(ann.get("/completion.csv?month=2027-01").text)))

    assert "completed on time" in told
    assert "not due yet: the month is not final" in told
    assert "not applicable: there is no till any more" in told
    audit = next(row for row in rows if (row["procedure"], row["team"]) == ("audit", "ops"))
    assert (audit["signed"], audit["left_out"], audit["pending"]) == (
        "1",
        "1",
        "17",  # keys and deeds; three more Mondays, each with a run and four reviews
    )
    assert "Nothing was due in 2026-01" in ann.get("/completion?month=2026-01").text
    assert ann.get("/completion").status_code == 200
    for wrong in ("2027-13", "x", "2027-01'"):
        assert ann.get(f"/completion?month={wrong}").status_code == 422


# --- in a browser ----------------------------------------------------------------------------------------------------
def sign_in(page: Any, where: str, name: str) -> None:
    page.goto(where + "/")
    page.wait_for_function("document.activeElement.name === 'name'")
    page.keyboard.type(name)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector("nav")


def tab_to(page: Any, told: str) -> None:
    """Press Tab until what has the focus is called so, by its text or its name."""
    for _press in range(300):
        has = page.evaluate(
            "(() => { const one = document.activeElement; return [one.textContent.trim(), one.name || ''] })()"
        )
        if told in has:
            return
        page.keyboard.press("Tab")
    raise AssertionError(told)


def test_a_review_is_signed_by_keyboard_alone_with_a_file(
    browser: Any, where: str, site: Reviewed, tmp_path: Path
) -> None:
    report = tmp_path / "gauges.pdf"
    report.write_bytes(b"%PDF-1.7 gauges")
    page = browser.new_page()
    # Only while somebody listens does the browser hand its file chooser over, and it takes a while to begin with it.
    page.on("filechooser", lambda _chooser: None)
    sign_in(page, where, "ann")
    tab_to(page, "Fire extinguishers")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Read each gauge.")
    assert "as of 09:15" in page.text_content("main")
    tab_to(page, "verdict")
    page.keyboard.press("Space")
    tab_to(page, "note")
    page.keyboard.type("all of them are full")
    tab_to(page, "files")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files(str(report))
    tab_to(page, "password")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector("#signatures")

    (one,) = signatures(site, "fires")
    assert (one.user, one.verdict, one.note) == ("ann", ReviewVerdict.PASS, "all of them are full")
    assert [file.name for file in one.attachments] == ["gauges.pdf"]
    with page.expect_download() as download:
        tab_to(page, "gauges.pdf")
        page.keyboard.press("Enter")
    assert Path(download.value.path()).read_bytes() == report.read_bytes()
    page.close()


def test_the_wrong_role_finds_no_form_and_learns_why(
    browser: Any, where: str, site: Reviewed
) -> None:
    page = browser.new_page()
    sign_in(page, where, "eve")
    page.goto(f"{where}/reviews/{site.one('fires').id}")

    assert page.query_selector("input[name=password]") is None
    assert "you need the role approver" in page.text_content("#sign")
    page.close()


def test_a_reviewer_comes_from_today_to_a_signed_review_and_prints_it(
    browser: Any, where: str, site: Reviewed, tmp_path: Path
) -> None:
    page = browser.new_page(viewport=PHONE)
    sign_in(page, where, "ann")
    page.click("text=Fire extinguishers")
    page.wait_for_url("**/reviews/1")
    said = first_screen(page)
    for word in (
        "Status open, due in 7 h",
        "Asks Read each gauge.",
        "✗ 1 check fails",
        "To sign Operations",
        "Next",
    ):
        assert word in said
    page.click("text=Sign >> nth=-1")
    page.check("[name=verdict][value=fail]")
    page.fill("[name=note]", "two of them are empty")
    page.fill("[name=password]", PASSWORD)
    page.click("button:has-text('Sign as ann')")
    page.wait_for_selector("#signatures")
    assert "Signed by Ann (ann): fail" in first_screen(page)
    assert violations(page) == []

    (one,) = signatures(site, "fires")
    with site.store.read() as db:
        record = records.hashes(db, reviews.KIND, "1")[one.number]
    for paper in ("A4", "Letter"):
        text, sheets = printed(page, tmp_path, paper)
        for word in (
            "Upkeep, site site. Printed 2027-01-04 10:00:00 UTC by Ann (ann), from http://", "Fire extinguishers",
            "Due 2027-01-04 17:00:00 UTC: ✓ signed on time, 2027-01-04 10:00:00 UTC",
            "signed by Ann (ann), 2027-01-04 10:00:00 UTC", f"(record {one.number}, password on the page",
            f"Record {one.number}: hash {record}", "run 3 </runs/3>",
            "two of them are empty", one.evidence_sha256, "Evidence", "91 % used", "https://plans.example.org/",
        ):  # fmt: skip
            assert word in text, word
        for word in (
            "Sign out",
            "Your password",
            "Hand over",
            "Collect evidence again",
            "ago",
            "Today",
            "Correct",
            "download all",
            "highweb1",
        ):
            assert word not in text, word
        assert sheets <= 2
    page.close()


def test_an_auditor_reads_exports_and_verifies(
    browser: Any, where: str, site: Reviewed, ann: Visitor, tmp_path: Path
) -> None:
    send(ann, site, "fires", note="all full")
    site.user("aud", "", Role.AUDITOR)
    page = browser.new_page()
    sign_in(page, where, "aud")

    page.click("nav >> text=Audit log")
    page.wait_for_url("**/acts")
    assert "sign review" in page.inner_text("main tbody tr >> nth=1")
    page.click("nav >> text=Reviews")
    page.click("text=Completion by month")
    page.wait_for_url("**/completion")
    page.goto(f"{where}/completion?month=2027-01")
    with page.expect_download() as download:
        page.click("text=Download as CSV")
    (row, *_more) = csv.DictReader(Path(download.value.path()).read_text("utf-8").splitlines())
    assert row["procedure"] == "audit"
    page.goto(f"{where}/reviews/1")
    assert "You cannot sign this review" in page.inner_text("#sign")
    with page.expect_download() as download:
        page.click("#signatures ~ article >> text=SHA-256")
    (one,) = signatures(site, "fires")
    content = Path(download.value.path()).read_bytes()
    assert hashlib.sha256(content).hexdigest() == one.evidence_sha256
    page.close()

    with site.store.read() as db:
        assert list(problems_of(db, site.installation.trusted)) == []
        chain = [one.signed for one in records.chain(db)]
        written = export(db, tmp_path / "out", chain, site.installation.trusted)
        hashes = records.hashes(db, reviews.KIND, "1")
    assert written.records == len(chain)
    exported = (tmp_path / "out" / "records" / f"{one.number}.json").read_bytes()
    assert hashes == {one.number: hashlib.sha256(exported).hexdigest()}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_these_pages(
    browser: Any, where: str, site: Reviewed, ann: Visitor, scheme: str
) -> None:
    send(ann, site, "till", verdict="pass", alone="Bob is ill")
    context = browser.new_context(color_scheme=scheme, viewport={"width": 390, "height": 844})
    page = context.new_page()
    sign_in(page, where, "ann")
    found = {}
    for path in ("/", "/reviews", f"/reviews/{site.one('fires').id}", f"/reviews/{site.one('till').id}",
                 "/completion?month=2027-01"):  # fmt: skip
        page.goto(where + path)
        found[path] = violations(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    assert {path: one for path, one in found.items() if one} == {}
    context.close()
