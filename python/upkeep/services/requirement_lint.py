"""What cannot be meant in a site's requirements, and in what is said to cover them."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Sequence
from typing import Protocol

from upkeep.model.nearest import nearest
from upkeep.model.remedies import command
from upkeep.rules.coverage import coverage
from upkeep.services.schedule_lint import Remark
from upkeep.site.requirements import Cover
from upkeep.site.schedule_file import Schedule
from upkeep.site.yaml_file import Key, YamlFile


class Product(Protocol):
    """What people can use of the program, of which only the command line and the web page know."""

    def wrong_command(self, words: Sequence[str], procedures: Collection[str]) -> str:
        """Return why words after `upkeep` are no command; empty if they are."""

    def wrong_page(self, path: str) -> str:
        """Return why there is no page with this path; empty if there is one."""


def lint(schedule: Schedule, product: Product, file: YamlFile | None = None) -> list[Remark]:
    """Return all remarks; none for a site without requirements. file: schedule.yml, for places."""
    if not schedule.requirements:
        return []
    found = [
        *_of_covers(schedule),
        *_of_nothing(schedule),
        *_of_titles(schedule),
        *_of_covered_by(schedule, product),
    ]
    return [one.at(file) for one in found]


def _of_covers(schedule: Schedule) -> Iterator[Remark]:
    """Yield the ids in `covers` that are no requirement, or that stand there twice."""
    known = schedule.requirements
    for name, procedure in schedule.procedures.items():
        named: list[tuple[str, Key, tuple[str, ...]]] = [
            (f"procedure {name}", ("procedures", name, "covers"), procedure.covers)
        ]
        named += [
            (
                f"review {name} {one.id}",
                ("procedures", name, "reviews", index, "covers"),
                one.covers,
            )
            for index, one in enumerate(procedure.reviews)
        ]
        for about, key, rows in named:
            for index, row in enumerate(rows):
                if row not in known:
                    text = f"covers {row!r}, which is not in `requirements`{nearest(row, known)}"
                    remedy = "correct the id, or add it to `requirements` with a title"
                    yield Remark(about, "no such requirement", text, remedy, "error", (*key, index))
                if row in rows[:index]:
                    text = f"covers {row} twice"
                    yield Remark(about, "named twice", text, "remove one", key=(*key, index))


def _of_nothing(schedule: Schedule) -> Iterator[Remark]:
    for row in coverage(schedule):
        if not row.by and not row.lacks:
            text = "nothing covers it, and it does not say what is missing"
            remedy = (
                f"add {row.id} to the `covers` of a procedure or a review, or say what it `lacks`"
            )
            key: Key = ("requirements", row.id)
            yield Remark(f"requirement {row.id}", "nothing covers it", text, remedy, key=key)


def _of_titles(schedule: Schedule) -> Iterator[Remark]:
    """Yield the rows that have the title and the heading of an earlier one."""
    seen: dict[tuple[str, str], str] = {}
    for row_id, one in schedule.requirements.items():
        first = seen.setdefault((one.heading, one.title), row_id)
        if first != row_id:
            text = f"has the same title as {first}: {one.title}"
            key: Key = ("requirements", row_id, "title")
            remedy = "remove one of the two, or say in the titles how they differ"
            yield Remark(f"requirement {row_id}", "named twice", text, remedy, key=key)


def _of_covered_by(schedule: Schedule, product: Product) -> Iterator[Remark]:
    asked = {
        check
        for one in schedule.procedures.values()
        if one.rule is not None
        for check in one.checks or ()
    }
    asks_for_all = any(one.rule and one.checks is None for one in schedule.procedures.values())
    for row_id, one in schedule.requirements.items():
        about = f"requirement {row_id}"
        for index, cover in enumerate(one.covered_by):
            key: Key = ("requirements", row_id, "covered_by", index, cover.kind)
            if cover in one.covered_by[:index]:
                text = f"is covered by {cover.kind} {cover.name} twice"
                yield Remark(about, "named twice", text, "remove one", key=key)
            elif wrong := _wrong(cover, schedule, product):
                kind = "no such page" if cover.kind == "page" else "no such command"
                listed = command("--help")
                yield Remark(about, kind, wrong, f"{listed}  # lists the commands", "error", key)
            elif cover.kind == "check" and cover.name not in asked and not asks_for_all:
                text = f"is covered by the check {cover.name}, for which no procedure with a `rule` asks"
                remedy = f"add {cover.name} to the `checks` of a procedure that has a `rule`"
                yield Remark(about, "never looked at", text, remedy, key=key)


def _wrong(cover: Cover, schedule: Schedule, product: Product) -> str:
    """Return why a command or a page is none; empty if it is one, or is neither."""
    if cover.kind == "page":
        return product.wrong_page(cover.name)
    if cover.kind != "command":
        return ""
    try:
        words = shlex.split(cover.name)[1:]
    except ValueError as exc:
        return f"is covered by the command {cover.name!r}: {exc}"
    return product.wrong_command(words, schedule.procedures)
