from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.logs._logrotate import (
    Config,
    archive_pattern,
    is_taboo,
    next_archives,
    parse_config,
    parse_debug,
    parse_state,
    takes,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.rotation import merged

HEAD = "logrotate state -- version 2\n"
NGINX = """
# a comment
weekly
rotate 4
"/var/log/nginx/*.log" '/var/log/a b.log' {
\tdaily
\trotate 14
\tcompress
\tdelaycompress
\tnotifempty
\tmaxsize=100M
\tpostrotate
\t\tif [ -f x ]; then { true; }; fi
\tendscript
}
/var/log/wtmp
{
    missingok
    create 0664 root utmp
    size 2k
}
"""


def parsed(text: str) -> Config:
    config = Config()
    parse_config(text, "a", config, lambda path: None)
    return config


def test_stanzas_inherit_what_stands_before_them() -> None:
    config = parsed(NGINX)

    assert config.problems == []
    first, second = config.stanzas
    assert (first.patterns, first.place) == (("/var/log/nginx/*.log", "/var/log/a b.log"), "a:5")
    expected = {"period": "daily", "rotate": 14, "compress": True, "ifempty": False}
    assert expected.items() <= first.policy.items()
    assert first.policy["maxsize_bytes"] == 100 << 20
    assert (second.patterns, second.place) == (("/var/log/wtmp",), "a:16")
    assert {"period": "size", "size_bytes": 2048, "rotate": 4}.items() <= second.policy.items()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("/a {\nrotate 3\n", "a: ends within a stanza"),
        ("/a {\npostrotate\n}\n", "a: ends within a postrotate"),
        ("}\n", "a:1: a } without its {"),
        ("size many\n", "a:1: 'size many' was not understood"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, says: str) -> None:
    assert parsed(text).problems == [says]


@pytest.mark.parametrize(
    ("name", "passed_over"),
    [("nginx", False), ("nginx.dpkg-old", True), (".x", True), ("x~", True)],
)
def test_what_an_include_passes_over(name: str, passed_over: bool) -> None:
    assert is_taboo(name, Config().taboo) is passed_over


@pytest.mark.parametrize(
    ("text", "claimed", "problem"),
    [
        ("", {}, ""),
        (HEAD + '"/a b" 2026-11-2-8:5:9\n', {"/a b": "2026-11-02T08:05:09"}, ""),
        (HEAD + '"/a" 2026-11-2\n', {"/a": "2026-11-02T00:00:00"}, ""),
        (HEAD + '"/a\\"b" 2026-1-2\n', {'/a"b': "2026-01-02T00:00:00"}, ""),
        (HEAD + '"/a" 2026-1-2\n"/b', {"/a": "2026-01-02T00:00:00"}, "line 3: found '\"/b'"),
        ("logrotate sta", {}, "line 1: found 'logrotate sta'"),
        ("\0\0\0", {}, "line 1: found"),
        ("\n", {}, "line 1: found ''"),
    ],
)
def test_state(text: str, claimed: dict[str, str], problem: str) -> None:
    found, said = parse_state(text)

    assert found == claimed
    assert said.startswith(problem) if problem else said == ""


@pytest.mark.parametrize(
    ("policy", "name", "is_archive"),
    [
        ({}, "app.log.1", True),
        ({}, "app.log.12.gz", True),
        ({}, "app.log", False),
        ({}, "app.log.old", False),
        ({}, "myapp.log.1", False),
        ({}, "app.log-20261123.xz", True),
        ({"dateformat": "_%Y-%m-%d.%s"}, "app.log_2026-11-23.1795000000", True),
        ({"period": "hourly"}, "app.log-2026112308", True),
        ({"extension": ".log"}, "app.1.log.gz", True),
        ({"extension": ".log"}, "app-20261123.log", True),
        ({"compressext": ".zz"}, "app.log.1.zz", True),
    ],
)
def test_archives_of_a_log_are_known_by_their_names(
    policy: dict[str, Any], name: str, is_archive: bool
) -> None:
    assert bool(archive_pattern("app.log", policy).fullmatch(name)) is is_archive


def test_what_logrotate_says_it_would_do() -> None:
    text = (
        "considering log /a\n  Now: 2026-11-23 08:10\n  log needs rotating\n"
        "considering log /b\n  log does not need rotating (log is empty)\n"
        "considering log /c\n  log /c does not exist -- skipping\n"
        "error: x:1 unknown option\n"
    )

    said = parse_debug(text)

    assert said.considered == {"/a": "", "/b": "log is empty", "/c": "does not exist"}
    assert said.errors == ("x:1 unknown option",)


def test_the_state_of_a_log_that_failed_stays_as_it_was() -> None:
    old = HEAD + '"/a" 2026-1-1-0:0:0\n"/b" 2026-1-1-0:0:0\n'
    new = HEAD + '"/a" 2026-2-2-0:0:0\n"/b" 2026-2-2-0:0:0\n'

    assert merged(old, new, {"/b"}) == HEAD + '"/a" 2026-2-2-0:0:0\n"/b" 2026-1-1-0:0:0\n'
    assert merged(old, "cut off", {"/b"}) == old
    assert merged(old, "", set()) == old


@pytest.mark.parametrize(
    ("policy", "names"),
    [
        ({"rotate": 0}, []),
        ({}, ["app.log.1"]),
        ({"start": 0}, ["app.log.0"]),
        ({"compress": True}, ["app.log.1.gz"]),
        ({"compress": True, "delaycompress": True}, ["app.log.1", "app.log.1.gz"]),
        ({"compress": True, "compressext": ".zst"}, ["app.log.1.zst"]),
        ({"extension": ".log"}, ["app.1.log"]),
        ({"dateext": True}, ["app.log-20261111"]),
        ({"dateext": True, "dateformat": "_%s", "extension": ".log"}, ["app_1795392000.log"]),
    ],
    ids=str,
)
def test_how_the_next_archives_are_named(policy: dict[str, Any], names: list[str]) -> None:
    whole = {"rotate": 3, **policy}

    assert next_archives("app.log", whole) == names
    assert all(archive_pattern("app.log", whole).fullmatch(name) for name in names)


@pytest.mark.parametrize(
    ("pattern", "path", "is_taken"),
    [
        ("/log/*", "/log/a.1", True),
        ("/log/*.log", "/log/a.log.1", False),
        ("/log/*.log", "/log/a.1.log", True),
        ("/log/*[!0-9]", "/log/a.1", False),
        ("/log/*", "/log/old/a.1", False),
        ("/log/*/*", "/log/old/a.1", True),
        ("/log/*", "/log/.a.1", False),
        ("/log/.*", "/log/.a.1", True),
    ],
)
def test_what_a_pattern_takes(pattern: str, path: str, is_taken: bool) -> None:
    assert takes(pattern, path) is is_taken


@pytest.mark.parametrize("text", ['"a.log" {\n}\n', "'~x/a' {\n}\n", '"must" {\n}\n'])
def test_a_path_that_is_not_absolute_is_no_log(text: str) -> None:
    config = parsed(text)

    assert config.problems[0].endswith("is not an absolute path")
    assert [stanza.patterns for stanza in config.stanzas] == [()]


def test_hard_links_are_named_as_logrotate_says_it() -> None:
    text = (
        "considering log /a\n  log /a is symbolic link. Rotation of symbolic links is not allowed to avoid security"
        " issues -- skipping.\nconsidering log /b\n  log /b has multiple (2) hard links. Rotation of files with"
        " multiple hard links is not allowed for /b  -- skipping.\n"
    )

    assert parse_debug(text).hard_links == ["/b"]


@pytest.mark.parametrize(
    ("text", "patterns", "rotate"),
    [
        ("/a {\n rotate\t4\n}\n/b {\n}\n", ["/a", "/b"], 4),
        ("rotate\t4\n/a {\n}\n/b {\n}\n", ["/a", "/b"], 4),
        ("/a {\n rotate = 4\n}\n/b {\n}\n", ["/a", "/b"], 4),
        (
            "/a {\n rotate 4\n postrotate\n  true\n endscript }\n/b {\n}\n",
            ["/a", "/b"],
            4,
        ),
        ("/a {\n rotate 4\n postrotate\n echo endscript\n endscript\n}\n/b {\n}", ["/a", "/b"], 4),
    ],
    ids=["a tab", "a tab outside", "an equals sign", "endscript and brace", "endscript as a word"],
)
def test_what_parts_a_word_from_its_value(text: str, patterns: list[str], rotate: int) -> None:
    """As `logrotate -d` reads each of these."""
    config = parsed(text)

    assert config.problems == []
    assert [one.patterns[0] for one in config.stanzas] == patterns
    assert config.stanzas[0].policy["rotate"] == rotate


def test_an_include_behind_a_tab_is_one() -> None:
    included: list[str] = []
    parse_config("include\t/etc/logrotate.d\n", "a", Config(), included.append)

    assert included == ["/etc/logrotate.d"]


def test_a_number_that_is_none_is_said() -> None:
    """Logrotate leaves out the whole stanza."""
    assert parsed("/a {\n rotate two\n}\n").problems == ["a:2: 'rotate two' was not understood"]


@pytest.mark.parametrize("odd", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
def test_a_logs_name_ends_no_line(odd: str) -> None:
    """Whoever writes into a folder of logs chooses their names, and breaks no state file by them."""
    state = f'{HEAD}"/log/a{odd}b" 2026-1-1-0:0:0\n"/b" 2026-1-1-0:0:0\n'
    claimed, problem = parse_state(state)

    assert (sorted(claimed), problem) == (sorted(["/b", f"/log/a{odd}b"]), "")
    assert merged(state, state, {f"/log/a{odd}b"}).count("\n") == 3
    assert parse_state(merged(state, state, {"/b"})) == (claimed, "")
    debugged = parse_debug(f"considering log /log/a{odd}error: x\n  log needs rotating\n")
    assert debugged.errors == ()
