"""What records name goes with them, is kept as long as they are, and can be looked at without Upkeep."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from called import called
from reviewed_site import Reviewed, write_site
from sqlalchemy import delete, select, text
from store_samples import answer, begun, result

from upkeep.cli.reviews import verify
from upkeep.judging.judge import evidence_hash
from upkeep.model.answer import Observed
from upkeep.model.verdicts import Severity
from upkeep.rules.reviews import ReviewVerdict
from upkeep.services.record_export import NOTHING_PRUNED, Written, export
from upkeep.services.reviews import Given
from upkeep.services.signing_key import trusted_keys
from upkeep.store import Store, records, review_evidence, runs, tables
from upkeep.store.answers import add_hosts
from upkeep.store.engine.retention import Policy, prune

SCHEDULE: dict[str, Any] = {
    "procedures": {
        "audit": {
            "title": "Audit",
            "rule": "monday 09:00",
            "owner": "ops",
            "checks": ["disk_space"],
            "reviews": [{"id": "disks", "title": "Disks", "shows": ["disk_space"]}],
        }
    },
    "people": {"ann": {"name": "Ann"}},
    "teams": {"ops": {"title": "Operations", "members": ["ann"]}},
}
RAW = "Filesystem 91%\n\x1b[31m\udcff"
SHORT = Policy(runs_days=1, observations_days=1, measures_days=1, findings_days=1)


def at(text_: str) -> datetime:
    return datetime.fromisoformat(text_).replace(tzinfo=UTC)


class Seen(Reviewed):
    """A site whose hosts say what stands behind their results."""

    def answer(self, host: str, at: datetime, *, away: bool) -> Observed:
        given = [replace(one, host=host, observed_at=at) for one in self.results.get(host, ())]
        return replace(answer(*given, host=host, raw=f"{RAW}{host} {at}"), observed_at=at)


@pytest.fixture
def site(tmp_path: Path, store: Store) -> Seen:
    """A review whose evidence names what a host said, signed with a file."""
    folder = write_site(tmp_path / "site", tmp_path / "state", SCHEDULE)
    made = Seen(folder, store, at("2027-01-02 12:00"))
    made.user("ann", "ann")
    made.results = {"web1": [result(Severity.HIGH)], "web2": [result()]}
    made.go(at("2027-01-04 10:00"))
    return made


def signed(site: Seen, *given: Given) -> int:
    return site.sign(site.one("disks").id, "ann", ReviewVerdict.FAIL, given=given).number


def exported(site: Seen, folder: Path) -> Written:
    with site.store.read() as db:
        chain = [one.signed for one in records.chain(db)]
        return export(db, folder, chain, trusted_keys(site.site.settings))


def much_later(site: Seen) -> None:
    """Let a year go by, with a run at its end, and remove what is old."""
    later = site.now + timedelta(days=365)
    site.results = {"web1": [result(Severity.HIGH, subject="/new")], "web2": []}
    with site.store.begin() as db:
        run_id = runs.start(db, begun(procedure="plain", site=site.site.key, started_at=later))
        add_hosts(db, run_id, [site.answer("web1", later, away=False)])
        runs.finish(db, run_id, "done", "", later)
    prune(site.store, SHORT, later)


def checked(folder: Path) -> Sequence[str]:
    """Return what sha256sum says of each file."""
    command = ["sha256sum", "-c", "MANIFEST.sha256"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def raw_named(site: Seen) -> str:
    """Return the hash of what a host said that the review's evidence names."""
    with site.store.read() as db:
        (one,) = review_evidence.raw_evidence_in(review_evidence.shown(db, site.one("disks")))
    return one


@pytest.mark.parametrize("pruned", [False, True], ids=["at once", "after a year of retention"])
def test_all_that_a_signature_names_is_there(site: Seen, tmp_path: Path, pruned: bool) -> None:
    shown = site.one("disks")
    raw = raw_named(site)
    file = Given("../Bericht 1 Größe.pdf", b"%PDF\n\xff")
    number = signed(site, file, Given("Bericht.pdf", b"another"))
    if pruned:
        much_later(site)
    out = tmp_path / "out"

    done = exported(site, out)

    names = {str(one.relative_to(out)) for one in out.rglob("*") if one.is_file()}
    assert done == Written(number, len(names) - 1, 0, 0)
    record = json.loads((out / f"records/{number}.json").read_bytes())
    assert record["evidence_sha256"] == shown.evidence_sha256
    document = json.loads((out / "evidence" / shown.evidence_sha256).read_bytes())
    assert {one["evidence_sha256"] for one in document["not_passing"]["rows"]} == {raw}
    said = (out / "evidence" / raw).read_bytes()
    assert said.startswith(RAW.encode("utf-8", "surrogateescape"))
    assert evidence_hash(said.decode("utf-8", "surrogateescape")) == raw
    by_name = {
        one.name.partition("-")[2]: one.read_bytes() for one in (out / "attachments").iterdir()
    }
    assert sorted(by_name.values()) == [file.content, b"another"]
    assert all(one.endswith(".pdf") for one in by_name)
    assert (out / "pruned.txt").read_text() == NOTHING_PRUNED
    assert {one.partition(": ")[0] for one in checked(out)} == names - {"MANIFEST.sha256"}
    assert all(one.endswith(": OK") for one in checked(out))
    command = ["ssh-keygen", "-Y", "verify", "-f", "allowed_signers", "-I", "upkeep"]
    command += ["-n", "record@upkeep", "-s", f"records/{number}.json.sig"]
    with (out / f"records/{number}.json").open("rb") as stream:
        subprocess.run(command, stdin=stream, cwd=out, check=True, capture_output=True)


def test_a_changed_file_is_noticed_by_the_manifest(site: Seen, tmp_path: Path) -> None:
    signed(site, Given("a.txt", b"right"))
    out = tmp_path / "out"
    exported(site, out)
    (one,) = (out / "attachments").iterdir()
    one.write_bytes(b"wrong")

    with pytest.raises(subprocess.CalledProcessError):
        checked(out)


def test_what_nobody_signs_for_goes_and_what_is_shown_stays(site: Seen) -> None:
    raw, shown_run = raw_named(site), site.one("disks").run_id
    with site.store.read() as db:
        before = set(db.execute(select(tables.evidence.c.sha256)).scalars())
    assert before > {raw}

    much_later(site)

    with site.store.read() as db:
        kept = set(db.execute(select(tables.evidence.c.sha256)).scalars())
        there = runs.which_are_there(db, range(1, 100))
    assert before & kept == {raw}
    assert shown_run in there


def test_what_was_pruned_before_is_named(
    site: Seen, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = raw_named(site)
    run_id = site.one("disks").run_id
    number = signed(site)
    with site.store.begin() as db:  # as older programs did
        db.execute(delete(tables.named_evidence))
        db.execute(delete(tables.evidence).where(tables.evidence.c.sha256 == raw))
        db.execute(delete(tables.run).where(tables.run.c.id == run_id))
    out = tmp_path / "out"

    done = exported(site, out)

    assert (done.pruned, done.lost) == (2, 0)
    lines = (out / "pruned.txt").read_text().splitlines()
    assert lines == [
        f"pruned: evidence {raw}, named by what record 1 shows",
        f"pruned: run {run_id}, named by record 1",
    ]
    assert all(one.endswith(": OK") for one in checked(out))
    assert number == 2


@pytest.mark.parametrize(
    "change",
    ["DELETE FROM kept_file WHERE size_bytes = 5", "UPDATE kept_file SET content = 'x' WHERE size_bytes = 5"],
    ids=["removed", "changed"],
)  # fmt: skip
def test_what_is_lost_is_named_and_not_handed_out(site: Seen, tmp_path: Path, change: str) -> None:
    signed(site, Given("a.txt", b"right"))
    with site.store.begin() as db:
        if db.dialect.name == "postgresql":
            db.execute(text("SET LOCAL session_replication_role = replica"))
        else:
            for (one,) in db.execute(
                text("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            ).all():
                db.execute(text(f"DROP TRIGGER {one}"))
        db.execute(
            text(change.replace("'x'", r"'\x78'" if db.dialect.name == "postgresql" else "x'78'"))
        )
    out = tmp_path / "out"

    done = exported(site, out)

    assert (done.pruned, done.lost) == (0, 1)
    assert "not kept as it was: attachment " in (out / "pruned.txt").read_text()
    assert not (out / "attachments").exists()


def test_the_command_says_what_it_has_written(
    site: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    signed(site)
    url = site.store.engine.url.render_as_string(hide_password=False)
    monkeypatch.setenv("UPKEEP_DATABASE", url)

    assert called(verify, site.site.name, tmp_path / "out") == 0

    said = capsys.readouterr().err
    assert "wrote 2 records and all that they name" in said
    assert "sha256sum -c MANIFEST.sha256" in said
    assert len(checked(tmp_path / "out")) == 8
