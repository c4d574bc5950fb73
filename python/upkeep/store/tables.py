"""The schema. What must happen once is a unique key. Times are UTC, texts are made safe before they come here."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.engine import Dialect


class Moment(TypeDecorator[datetime]):
    """An aware time, kept in UTC; SQLite has no zones of its own."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time in UTC; a naive one is a mistake."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without a zone: {value}")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time, aware."""
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    }
)


# Hosts times results times years pass what 32 bits count; SQLite numbers its rows by itself only if they are INTEGER.
Number = BigInteger().with_variant(Integer, "sqlite")


def _where(condition: str) -> dict[str, Any]:
    """Return what makes an index hold only such rows."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


def _run_id() -> Column[int]:
    return Column("run_id", ForeignKey("run.id", ondelete="CASCADE"), nullable=False)


run = Table(
    "run",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("procedure", String(200), nullable=False),
    Column("title", Text, nullable=False),
    Column("playbook", Text, nullable=False),
    Column("site", Text, nullable=False),
    Column("inventory", Text, nullable=False),
    Column("host_limit", Text, nullable=False),
    Column("check_mode", Boolean, nullable=False),
    Column("diff", Boolean, nullable=False),
    Column("status", String(20), nullable=False),
    Column("cause", Text, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("started_by", String(200), nullable=False),  # the account of the process
    Column("asked_by", String(200), nullable=False, default="", server_default=text("''")),
    Column("version", String(40), nullable=False),
    Column("driver_host", String(255), nullable=False),
    Column("driver_pid", Integer, nullable=False),
    Column("driver_started", Float, nullable=False),
    Column("boot_id", String(64), nullable=False),
    Column("workspace", Text, nullable=False),
    Column("observations_kept", Boolean, nullable=False),
    Column(
        "counted", Text
    ),  # what it found, counted at its end: lists would count it again and again
    Index(None, "status"),
    Index(None, "started_at"),
    Index(None, "procedure", "id"),
    sqlite_autoincrement=True,
)

run_host = Table(
    "run_host",
    metadata,
    Column("id", Number, primary_key=True),
    _run_id(),
    Column("host", String(255), nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("message", Text, nullable=False),
    Column("observed_at", Moment, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("python", String(40), nullable=False),
    Column("clock_offset_seconds", Float),
    # Who looked, where `host` is a source (model/source.py); empty for a host itself.
    Column("seen_from", String(255), nullable=False, default="", server_default=text("''")),
    # How it was cut off, as it said itself; empty if it was not.
    Column("isolation", String(40), nullable=False, default="", server_default=text("''")),
    Column("isolated_since", Moment),
    Column("isolated_by", String(200), nullable=False, default="", server_default=text("''")),
    UniqueConstraint("run_id", "host"),
)

isolated_host = Table(
    # A host that said so when it answered last; the row goes with the first answer that does not.
    "isolated_host",
    metadata,
    Column("site", Text, nullable=False),
    Column("host", String(255), nullable=False),
    Column("isolation", String(40), nullable=False),
    Column("since", Moment, nullable=False),
    Column("isolated_by", String(200), nullable=False),
    Column("seen_at", Moment, nullable=False),
    PrimaryKeyConstraint("site", "host"),
)

change = Table(
    # What a job changed on a host, or in check mode would have; or the task at which it failed.
    "change",
    metadata,
    Column("id", Integer, primary_key=True),
    _run_id(),
    Column("host", String(255), nullable=False),
    Column("task", Text, nullable=False),
    Column("kind", String(10), nullable=False),  # changed, failed or left_out
    Column("text", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Index(None, "run_id"),
)

report = Table(
    # One answer of a host; a host may give several in one run: what is seen, then the proof of a job.
    "report",
    metadata,
    Column("id", Number, primary_key=True),
    _run_id(),
    Column("host", String(255), nullable=False),
    Column("observed_at", Moment, nullable=False),
    Column("requests", Text, nullable=False),
    Column("due", Text, nullable=False),
    # By check, the reports that it was judged with; none where no check looked at more than this answer.
    Column("judged_with", Text),
    UniqueConstraint("run_id", "host", "observed_at"),
    Index(None, "host", "observed_at"),
)

evidence = Table(
    "evidence",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("size_bytes", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
)

named_evidence = Table(
    # Evidence that what somebody signs for names: it is kept, however old it is.
    "named_evidence",
    metadata,
    Column("sha256", String(64), primary_key=True),
)

observation = Table(
    "observation",
    metadata,
    Column("id", Number, primary_key=True),
    Column("report_id", ForeignKey("report.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("request", Integer, nullable=False),
    Column("subject", Text, nullable=False),
    Column("data", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("evidence_sha256", String(64), nullable=False),
    UniqueConstraint("report_id", "number"),
    Index(None, "evidence_sha256"),
)

judgement = Table(
    # One time at which a run's observations were judged again.
    "judgement",
    metadata,
    _run_id(),
    Column("number", Integer, nullable=False),
    Column("judged_at", Moment, nullable=False),
    Column("version", String(40), nullable=False),
    PrimaryKeyConstraint("run_id", "number"),
)

result = Table(
    # judgement: 0 is the verdict of the run itself; later numbers are the same observation judged again.
    "result",
    metadata,
    Column("id", Number, primary_key=True),
    _run_id(),
    Column("report_id", ForeignKey("report.id", ondelete="CASCADE"), nullable=False),
    Column("judgement", Integer, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("host", String(255), nullable=False),
    Column("check_id", String(200), nullable=False),
    Column("subject", Text, nullable=False),
    Column("status", String(10), nullable=False),
    Column("severity", String(10)),
    Column("severity_rank", Integer),
    Column("message", Text, nullable=False),
    Column("remedy", Text, nullable=False),
    Column("measures", Text, nullable=False),
    Column("controls", Text, nullable=False),
    Column("observed_at", Moment, nullable=False),
    Column("evidence_sha256", String(64), nullable=False),
    Column("observation", Integer),
    # Why it is unknown: cannot_see or nothing_to_judge; empty if it is not, or an older program wrote it.
    Column("unknown", String(20), nullable=False, default="", server_default=text("''")),
    # Its check passes its known-bad input, or did when it was judged: for people, it changes no verdict.
    Column("doubted", Boolean, nullable=False, default=False, server_default=false()),
    UniqueConstraint("run_id", "judgement", "fingerprint"),
    Index(None, "report_id"),
    # Of a run, what did not pass: seldom much, and what is looked at.
    Index(
        "ix_result_not_passed",
        "run_id",
        "severity_rank",
        sqlite_where=text("status <> 'pass' AND judgement = 0"),
        postgresql_where=text("status <> 'pass' AND judgement = 0"),
    ),
)

restore = Table(
    # A row of a host's restore ledger, as it was seen first; what a host says of it later changes nothing.
    "restore",
    metadata,
    Column("id", Number, primary_key=True),
    Column("site", Text, nullable=False),
    Column("host", String(255), nullable=False),
    Column("set_name", String(255), nullable=False),
    Column("ledger_id", String(64), nullable=False),
    Column("run_id", ForeignKey("run.id", ondelete="SET NULL")),
    Column("seen_at", Moment, nullable=False),
    Column("began_at", Moment, nullable=False),
    Column("ended_at", Moment, nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("backup", Text, nullable=False),
    Column("taken_at", Moment),
    Column("restore_seconds", Float),
    Column("restored_bytes", Float),
    Column("covered", Text, nullable=False),
    Column("proof", String(20), nullable=False),
    Column("document", Text, nullable=False),
    UniqueConstraint("site", "host", "set_name", "ledger_id"),
    Index(None, "site", "id"),
    Index(None, "run_id"),
)

measure = Table(
    # Outlives its run: a series reaches further back than runs are kept.
    "measure",
    metadata,
    Column("id", Number, primary_key=True),
    Column("run_id", Integer, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("name", String(100), nullable=False),
    Column("unit", String(40), nullable=False),
    Column("value", Float, nullable=False),
    Column("observed_at", Moment, nullable=False),
    UniqueConstraint("fingerprint", "name", "observed_at"),
    Index(None, "observed_at"),
)

latest_result = Table(
    # What is known of each subject now; kept by upsert, for it is asked for on every page.
    "latest_result",
    metadata,
    Column("fingerprint", String(64), primary_key=True),
    Column("site", Text, nullable=False),
    Column("host", String(255), nullable=False),
    Column("check_id", String(200), nullable=False),
    Column("subject", Text, nullable=False),
    Column("status", String(10), nullable=False),
    Column("severity", String(10)),
    Column("message", Text, nullable=False),
    Column("observed_at", Moment, nullable=False),
    Column("run_id", Integer, nullable=False),
    Column("unknown", String(20), nullable=False, default="", server_default=text("''")),
    Column("doubted", Boolean, nullable=False, default=False, server_default=false()),
    Index(None, "host"),
    Index(None, "observed_at"),
)

finding = Table(
    "finding",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("site", Text, nullable=False),
    Column("host", String(255), nullable=False),
    Column("check_id", String(200), nullable=False),
    Column("subject", Text, nullable=False),
    Column("status", String(10), nullable=False),  # open, resolved, retired or gone
    Column("severity", String(10), nullable=False),
    Column("severity_rank", Integer, nullable=False),
    Column("message", Text, nullable=False),
    Column("remedy", Text, nullable=False),
    Column("opening", Integer, nullable=False),
    Column("count", Integer, nullable=False),
    Column("opened_at", Moment, nullable=False),
    Column("last_seen_at", Moment, nullable=False),
    Column("resolved_at", Moment),
    Column("waiver_id", Integer),  # the waiver that was found to cover it last, while it is open
    # What it is about, of what the product says of itself; else its results' runs tell.
    Column("procedure", Text, nullable=False, default="", server_default=text("''")),
    # How it was seen to fail last: of which set, by which parameters (a hash), as which user; see absence.py.
    Column("seen_of", String(100)),
    Column("seen_by", String(64), nullable=False, default="", server_default=text("''")),
    Column("seen_as", Number),
    Column("cause", Text, nullable=False, default="", server_default=text("''")),
    UniqueConstraint("fingerprint"),
    Index(None, "status", "severity_rank", "opened_at", "id"),
    Index("ix_finding_open", "host", **_where("status = 'open'")),
    Index("ix_finding_waived", "waiver_id", **_where("waiver_id IS NOT NULL")),
)

finding_event = Table(
    # A transition; all that alerts look at. judgement: 0 for a run's own verdict, else the number of the judging again.
    # first: the check had never been answered on that host before. handled_at: alerts have looked at it.
    "finding_event",
    metadata,
    Column("id", Number, primary_key=True),
    Column("finding_id", ForeignKey("finding.id", ondelete="CASCADE"), nullable=False),
    # opened, reopened, severity, cause, resolved, retired, gone; waived, waiver_ended, waiver_exceeded
    Column("kind", String(20), nullable=False),
    Column("at", Moment, nullable=False),
    Column("severity", String(10)),
    Column("message", Text, nullable=False),
    Column("run_id", Integer, nullable=False),
    Column("judgement", Integer, nullable=False, default=0, server_default=text("0")),
    Column("first", Boolean, nullable=False, default=False, server_default=false()),
    # The program was upgraded since the check was answered on that host before.
    Column("upgraded", Boolean, nullable=False, default=False, server_default=false()),
    Column("handled_at", Moment),
    Index(None, "finding_id"),
    Index("ix_finding_event_to_do", "id", **_where("handled_at IS NULL")),
)

# --- alerts ----------------------------------------------------------------------------------------------------------
watched = Table(
    # Which checks have been answered on which host: what is not here yet is looked at for the first time.
    # program: the version of the program that has judged it last; empty if that was older than this column.
    "watched",
    metadata,
    Column("site", Text, nullable=False),
    Column("host", String(255), nullable=False),
    Column("check_id", String(200), nullable=False),
    Column("since", Moment, nullable=False),
    Column("program", String(40), nullable=False, default="", server_default=text("''")),
    PrimaryKeyConstraint("site", "host", "check_id"),
)

alias = Table(
    # What an older program called otherwise: signed records and links name it so for ever.
    "alias",
    metadata,
    Column("fingerprint", String(64), primary_key=True),
    Column("site", Text, nullable=False),
    Column("host", String(255), nullable=False),
    Column("check_id", String(200), nullable=False),
    Column("subject", Text, nullable=False),
    Column("now_check", String(200), nullable=False),
    Column("now_subject", Text, nullable=False),
    Column("revision", String(10), nullable=False),
)

alerting = Table(
    # A site whose transitions are looked at; its row is the lock of whoever does it.
    "alerting",
    metadata,
    Column("site", Text, nullable=False),
    Column("began_at", Moment, nullable=False),
    PrimaryKeyConstraint("site"),
)

alert = Table(
    # One opening of a group. severity: 1 to 4 now; worst: what people were told of, or are about to be.
    # round: begins again when it rises, comes back, or an acknowledgement expires; people are told once per step of it.
    "alert",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("site", Text, nullable=False),
    Column("group_key", String(64), nullable=False),
    Column("opening", Integer, nullable=False),
    Column("kind", String(10), nullable=False),  # incident, first, upgrade or judged
    Column("check_id", String(200), nullable=False),
    Column("cause", Text, nullable=False),
    Column("team", String(100), nullable=False),
    Column("severity", Integer, nullable=False),
    Column("worst", Integer, nullable=False),
    Column("status", String(15), nullable=False),  # open, acknowledged or closed
    Column("opened_at", Moment, nullable=False),
    Column("round", Integer, nullable=False),
    Column("round_at", Moment, nullable=False),
    Column("round_why", String(20), nullable=False),
    Column("told_round", Integer, nullable=False),
    Column("told_at", Moment),
    Column("acknowledged_by", String(200), nullable=False),
    Column("acknowledged_at", Moment),
    Column("acknowledged_until", Moment),
    Column("note", Text, nullable=False),
    Column("silenced", Boolean, nullable=False),
    Column("returns", Integer, nullable=False),
    Column("settles_at", Moment),
    Column("closed_at", Moment),
    Column("closed_how", String(20), nullable=False),
    # How many messages have told new causes that joined, and when the last one.
    Column("news", Integer, nullable=False, default=0, server_default=text("0")),
    Column("news_at", Moment),
    UniqueConstraint("group_key", "opening"),
    Index("ix_alert_open", "site", "group_key", unique=True, **_where("closed_at IS NULL")),
    Index(None, "site", "opened_at"),
    sqlite_autoincrement=True,
)

alert_finding = Table(
    # severity: 1 to 4, as mapped when it joined or changed last. how: it left by resolved, retired, gone, moved or
    # info.
    "alert_finding",
    metadata,
    Column("alert_id", ForeignKey("alert.id", ondelete="CASCADE"), nullable=False),
    Column("finding_id", ForeignKey("finding.id", ondelete="CASCADE"), nullable=False),
    Column("severity", Integer, nullable=False),
    Column("joined_at", Moment, nullable=False),
    Column("left_at", Moment),
    Column("how", String(10), nullable=False),
    PrimaryKeyConstraint("alert_id", "finding_id"),
    Index("ix_alert_finding_now", "finding_id", unique=True, **_where("left_at IS NULL")),
)

alert_cause = Table(
    # A cause that an alert has had, of a severity of which people hear, by the hash of its check and name.
    # told_at: None as long as nobody has heard of it.
    "alert_cause",
    metadata,
    Column("alert_id", ForeignKey("alert.id", ondelete="CASCADE"), nullable=False),
    Column("key", String(64), nullable=False),
    Column("since", Moment, nullable=False),
    Column("told_at", Moment),
    PrimaryKeyConstraint("alert_id", "key"),
    Index("ix_alert_cause_news", "alert_id", **_where("told_at IS NULL")),
)

alert_event = Table(
    "alert_event",
    metadata,
    Column("id", Number, primary_key=True),
    Column("alert_id", ForeignKey("alert.id", ondelete="CASCADE"), nullable=False),
    Column("at", Moment, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("actor", String(200), nullable=False),
    Column("text", Text, nullable=False),
    Index(None, "alert_id"),
)

silence = Table(
    # severity: the worst that it silences. It always ends. needs_approval: one that is wide holds when somebody else
    # has said yes.
    "silence",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("site", Text, nullable=False),
    Column("check_pattern", String(200), nullable=False),
    Column("host_pattern", String(255), nullable=False),
    Column("severity", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("made_by", String(200), nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("begins_at", Moment, nullable=False),
    Column("ends_at", Moment, nullable=False),
    Column("ended_by", String(200), nullable=False),
    Column("needs_approval", Boolean, nullable=False, default=False, server_default=false()),
    Column("approved_by", String(200), nullable=False, default="", server_default=text("''")),
    Column("approved_at", Moment),
    Index(None, "site", "ends_at"),
    sqlite_autoincrement=True,
)

rota_override = Table(
    "rota_override",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("site", Text, nullable=False),
    Column("team", String(100), nullable=False),
    Column("person", String(100), nullable=False),
    Column("begins_at", Moment, nullable=False),
    Column("ends_at", Moment, nullable=False),
    Column("made_by", String(200), nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("ended_by", String(200), nullable=False),
    Index(None, "site", "ends_at"),
    sqlite_autoincrement=True,
)

outbox = Table(
    # A message to one recipient over one channel. message: what makes it the same one, however often it is asked for.
    # dedupe: what receivers know an incident by. position: 0 is the best channel; the others are spare until it fails.
    "outbox",
    metadata,
    Column("id", Number, primary_key=True),
    Column("site", Text, nullable=False),
    Column("message", String(200), nullable=False),
    Column("recipient", String(120), nullable=False),  # person:ada or team:operations
    Column("channel", String(100), nullable=False),
    Column("position", Integer, nullable=False),
    Column("alert_id", ForeignKey("alert.id", ondelete="CASCADE")),
    Column("dedupe", String(100), nullable=False),
    Column("kind", String(10), nullable=False),  # alert, recovery, ended, digest or test
    Column("severity", Integer, nullable=False),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("state", String(10), nullable=False),  # waiting, sending, sent, failed, spare, withdrawn
    Column("made_at", Moment, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("leased_until", Moment),
    Column("lease", String(64), nullable=False),
    Column("tries", Integer, nullable=False),
    Column("error", Text, nullable=False),
    Column("sent_at", Moment),
    UniqueConstraint("site", "message", "recipient", "channel"),
    Index("ix_outbox_due", "due_at", **_where("state IN ('waiting', 'sending')")),
    Index(None, "alert_id"),
    Index(None, "made_at"),
    sqlite_autoincrement=True,
)

channel_health = Table(
    "channel_health",
    metadata,
    Column("site", Text, nullable=False),
    Column("channel", String(100), nullable=False),
    Column("failing_since", Moment),
    Column("failures", Integer, nullable=False),
    Column("retry_at", Moment),
    Column("error", Text, nullable=False),
    Column("sent_at", Moment),
    PrimaryKeyConstraint("site", "channel"),
)

# --- sites -----------------------------------------------------------------------------------------------------------
site = Table(
    # The ids that sites have here.
    "site",
    metadata,
    Column("id", String(63), primary_key=True),
    Column("since", Moment, nullable=False),
)

site_folder = Table(
    # From which folder a machine acts as a site with an id: from one at a time. revision: of the text that it acted on
    # last. seen_at: by the database's clock, for machines disagree.
    "site_folder",
    metadata,
    Column("site_id", String(63), nullable=False),
    Column("machine", String(255), nullable=False),
    Column("folder", Text, nullable=False),
    Column("revision", String(64), nullable=False),
    Column("seen_at", Moment, nullable=False),
    PrimaryKeyConstraint("site_id", "machine"),
)

site_name = Table(
    # What a site was called before, and what now: signed records name it so for ever.
    "site_name",
    metadata,
    Column("name", Text, nullable=False),
    Column("now_name", Text, nullable=False),
    Column("renamed_at", Moment, nullable=False),
    PrimaryKeyConstraint("name"),
    Index(None, "now_name"),
)

# --- the schedule ----------------------------------------------------------------------------------------------------
driver = Table(
    # A process that claims occurrences. seen_at: by the database's clock, for machines disagree.
    "driver",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("site", Text, nullable=False),
    Column("revision", String(64), nullable=False),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("process_started", Float, nullable=False),
    Column("boot_id", String(64), nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
)

absent_host = Table(
    # A host that a procedure has seen before and that is not in its inventory any more, while nothing of it is retired:
    # too many have left at once. run_id: the last run of the procedure in which it was missing.
    "absent_host",
    metadata,
    Column("site", Text, nullable=False),
    Column("procedure", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("since", Moment, nullable=False),
    Column("run_id", Integer, nullable=False),
    PrimaryKeyConstraint("site", "procedure", "host"),
)

blind_spot = Table(
    # A check that read nothing on a host, and since when; gone when it sees again. from_first: it has never seen there.
    "blind_spot",
    metadata,
    Column("site", Text, nullable=False),
    Column("host", String(255), nullable=False),
    Column("check_id", String(200), nullable=False),
    Column("subject", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("since", Moment, nullable=False),
    Column("looks", Integer, nullable=False),
    Column("from_first", Boolean, nullable=False),
    PrimaryKeyConstraint("site", "host", "check_id"),
)

machine_clock = Table(
    # What is known of the clock of a machine that has written here; clock.py says what the columns mean.
    # server: what the database server's clock is ahead of the machine's time since boot; seen_at: by that clock.
    "machine_clock",
    metadata,
    Column("host", String(255), primary_key=True),
    Column("boot_id", String(64), nullable=False),
    Column("boottime", Float, nullable=False),
    Column("line", Float, nullable=False),
    Column("sure", Float, nullable=False),
    Column("floor", Boolean, nullable=False),
    Column("held", Float),
    Column("back", Float),
    Column("since", Float, nullable=False),
    Column("server", Float),
    Column("seen_at", Moment, nullable=False),
)

clock_step = Table(
    # A step of a machine's clock. state: open, believed or undone. before: the newest row of each table when it was
    # seen; after: when it was undone. What lies between was written under a clock that was wrong by this many seconds.
    "clock_step",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("host", String(255), nullable=False),
    Column("seconds", Float, nullable=False),
    Column("state", String(10), nullable=False),
    Column("from_at", Moment, nullable=False),
    Column("until_at", Moment),
    Column("why", Text, nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Index(None, "host", "id"),
    sqlite_autoincrement=True,
)

site_revision = Table(
    # Which text of a site holds: the newest row. Drivers that have read another claim nothing.
    "site_revision",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("site", Text, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("activated_at", Moment, nullable=False),
    Column("activated_by", String(200), nullable=False),
    Index(None, "site", "id"),
    sqlite_autoincrement=True,
)

timing = Table(
    # Until when a procedure's due times have become occurrences. An edited rule begins anew: nothing fires by surprise.
    "timing",
    metadata,
    Column("site", Text, nullable=False),
    Column("schedule", String(100), nullable=False),
    Column("rule", Text, nullable=False),
    Column("looked_until", Moment, nullable=False),
    Column(
        "reached_at", Moment
    ),  # the newest looked_until ever: the clock may have gone back since
    PrimaryKeyConstraint("site", "schedule"),
)

occurrence = Table(
    # kind: due by the schedule, catch_up for those that were missed, debt of hosts.
    "occurrence",
    metadata,
    Column("id", Number, primary_key=True),
    Column("site", Text, nullable=False),
    Column("schedule", String(100), nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("kind", String(10), nullable=False),
    Column("host", String(255), nullable=False),  # of a debt, the first of several; empty for all
    Column("begins_at", Moment, nullable=False),
    Column("ends_by", Moment, nullable=False),
    Column("next_due_at", Moment),
    Column("priority", Integer, nullable=False),
    Column("lacks", Text, nullable=False),
    Column("owed", Boolean, nullable=False),
    Column("state", String(10), nullable=False),
    Column("cause", Text, nullable=False),
    Column("driver_id", String(40), nullable=False),
    Column("claimed_at", Moment),
    Column("run_id", Integer),
    Column("finished_at", Moment),
    # Of debts of several hosts, all of them.
    Column("hosts", Text, nullable=False, default="", server_default=text("''")),
    # Why it ended as it did, for programs: see run_end.py.
    Column("reasons", String(200), nullable=False, default="", server_default=text("''")),
    UniqueConstraint("site", "schedule", "due_at", "kind", "host"),
    Index(None, "state", "begins_at"),
    Index(None, "site", "due_at", "id"),
    Index(None, "run_id"),
    Index(None, "finished_at"),
    sqlite_autoincrement=True,
)

debt = Table(
    # A host that was away when a procedure that is owed ran: at most one a procedure and host.
    "debt",
    metadata,
    Column("site", Text, nullable=False),
    Column("schedule", String(100), nullable=False),
    Column("host", String(255), nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("expires_at", Moment),
    Column("reason", Text, nullable=False),
    Column("tried_at", Moment, nullable=False),
    PrimaryKeyConstraint("site", "schedule", "host"),
)

lease = Table(
    # A host that a run changes, or may: never two at once.
    "lease",
    metadata,
    Column("site", Text, nullable=False),
    Column("host", String(255), nullable=False),
    Column("run_id", ForeignKey("run.id", ondelete="CASCADE"), nullable=False),
    Column("taken_at", Moment, nullable=False),
    PrimaryKeyConstraint("site", "host"),
    Index(None, "run_id"),
)
# --- the page: users, their sessions, and what they did ---------------------------------------------------------------
app_user = Table(
    "app_user",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(100), nullable=False),
    Column("person", String(100), nullable=False),  # id in the site's schedule.yml, or empty
    Column("role", String(20), nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("shared", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("disabled_at", Moment),
    UniqueConstraint("name"),
    sqlite_autoincrement=True,
)

session = Table(
    # id_hash: of the random number that only the browser has; who reads this table cannot become anybody.
    "session",
    metadata,
    Column("id_hash", String(64), primary_key=True),
    Column("user_id", ForeignKey("app_user.id", ondelete="CASCADE"), nullable=False),
    Column("address", String(64), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
    Index(None, "user_id"),
    Index(None, "seen_at"),
)

sign_in_attempt = Table(
    # Failures of an account or of an address since its last success, and when it may try again.
    "sign_in_attempt",
    metadata,
    Column("key", String(200), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_at", Moment, nullable=False),
    Column("next_at", Moment, nullable=False),
    Index(None, "last_at"),
)

known_address = Table(
    # Where a user has signed in from, and when last.
    "known_address",
    metadata,
    Column("account", String(100), nullable=False),
    Column("network", String(64), nullable=False),  # an IPv4 address, or the /64 of an IPv6 one
    Column("last_at", Moment, nullable=False),
    PrimaryKeyConstraint("account", "network"),
    Index(None, "network"),
)

write_probe = Table(
    # One row, which is written to see that it can be.
    "write_probe",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Moment, nullable=False),
)

act = Table(
    # The audit log. Rows are only added: triggers of the migration refuse all else.
    "act",
    metadata,
    Column("id", Number, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("who", String(100), nullable=False),  # a user's name; empty if nobody has signed in
    Column("account", String(100), nullable=False),  # of the operating system, on the command line
    Column("way", String(10), nullable=False),  # web or cli
    Column("address", String(64), nullable=False),
    Column("what", String(100), nullable=False),
    Column("target", Text, nullable=False),
    Column("outcome", String(20), nullable=False),  # done, refused or failed
    Column("detail", Text, nullable=False),
    Index(None, "at"),
    sqlite_autoincrement=True,
)

run_request = Table(
    # Somebody asks on the page for a run. The page holds no keys; a driver that does takes it.
    "run_request",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("site", Text, nullable=False),
    Column("procedure", String(200), nullable=False),
    Column("host_limit", Text, nullable=False),
    Column("restart_of", Integer),
    Column("asked_by", String(100), nullable=False),
    Column("asked_at", Moment, nullable=False),
    Column("taken_at", Moment),
    Column("run_id", Integer),
    Column("message", Text, nullable=False),  # why there is no run
    Column("incident_id", Integer),  # of an act on hosts
    Index(None, "taken_at"),
    sqlite_autoincrement=True,
)

# --- what people sign ------------------------------------------------------------------------------------------------
signature = Table(
    # The chain of signed records, of reviews and of whatever else people sign. Rows are only added.
    "signature",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(20), nullable=False),  # review, …
    Column("about", String(200), nullable=False),  # of which one of its kind
    Column("text", Text, nullable=False),  # the canonical record; what it says is what holds
    Column("signature", Text, nullable=False),
    Column("key", Text, nullable=False),
    Index(None, "kind", "about"),
)

kept_file = Table(
    # What signatures name by its hash: attachments, and the evidence that was shown. Rows are only added.
    "kept_file",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("size_bytes", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
)

review = Table(
    # due_of: when its procedure was due. definition: what the schedule asked for. closed_at: as its signatures say.
    "review",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("site", Text, nullable=False),
    Column("procedure", String(100), nullable=False),
    Column("item", String(200), nullable=False),
    Column("due_of", Moment, nullable=False),
    Column("title", Text, nullable=False),
    Column("owner", String(100), nullable=False),
    Column("parties", Text, nullable=False),
    Column("four_eyes", String(20), nullable=False),
    Column("definition", Text, nullable=False),
    Column("parent", Integer),  # the signature that asked for it, of a follow-up
    Column("occurrence_id", Number),
    Column("run_id", Integer),
    Column("since", Moment),
    Column("opened_at", Moment, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("remind_at", Moment, nullable=False),
    Column("gap", Text, nullable=False),
    Column("evidence_sha256", String(64), nullable=False),
    Column("closed_at", Moment),
    UniqueConstraint("site", "procedure", "item", "due_of"),
    Index(None, "site", "due_of"),
    Index(None, "site", "closed_at", "due_at"),
    Index(None, "occurrence_id"),
    sqlite_autoincrement=True,
)

review_item = Table(
    # Since when the schedule asks for a review: what was due before opens none.
    "review_item",
    metadata,
    Column("site", Text, nullable=False),
    Column("procedure", String(100), nullable=False),
    Column("item", String(200), nullable=False),
    Column("since", Moment, nullable=False),
    PrimaryKeyConstraint("site", "procedure", "item"),
)

# --- what is accepted for a time -------------------------------------------------------------------------------------
waiver = Table(
    # Never deleted: a trigger of the migration refuses it. used_at: when it covered a failure last, to the hour.
    "waiver",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("site", Text, nullable=False),
    Column("check_id", String(200), nullable=False),
    Column("host_pattern", String(255), nullable=False),
    Column("subject_glob", Text, nullable=False),
    Column("severity", String(10), nullable=False),  # the worst that it covers
    Column("reason", Text, nullable=False),
    Column("requested_by", String(100), nullable=False),
    Column("requested_at", Moment, nullable=False),
    Column("ends_at", Moment, nullable=False),
    Column("approved_by", String(100), nullable=False),
    Column("approved_at", Moment),
    Column("revoked_by", String(100), nullable=False),
    Column("revoked_at", Moment),
    Column("revoked_why", Text, nullable=False),
    Column("used_at", Moment),
    Index(None, "site", "ends_at"),
    sqlite_autoincrement=True,
)

# --- incidents -------------------------------------------------------------------------------------------------------
incident = Table(
    # What lists and locks need of it; all else is in its records of the chain. Never deleted: a trigger refuses it.
    "incident",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("site", Text, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("drill", Boolean, nullable=False),
    Column("opened_at", Moment, nullable=False),
    Column("closed_at", Moment),
    Column("owed", Integer, nullable=False),  # follow-ups that are not done
    Index(None, "site", "closed_at"),
    sqlite_autoincrement=True,
)

incident_alert = Table(
    # Which alert belongs to which incident: an alert opens one, or joins one, once.
    "incident_alert",
    metadata,
    Column("alert_id", Integer, primary_key=True, autoincrement=False),
    Column("incident_id", ForeignKey("incident.id"), nullable=False),
    Index(None, "incident_id"),
)
