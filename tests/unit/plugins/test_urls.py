"""What is secret inside a URL is masked, wherever the URL stands; masking changes nothing a second time."""

from __future__ import annotations

import time
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.host.urls import (
    labels,
    masked,
    masked_deep,
    masked_value,
    secrets_in,
)

TEXTS = {
    "every part": ("https://u:pw@h:8443/p?token=abc&x=1#f", "https://h:8443/p?token=*&x=*"),
    "a word without a name": ("https://h/p?s3cr3t", "https://h/p?*"),
    "an empty value": ("https://h/p?a=&b=1", "https://h/p?a=&b=*"),
    "several @": ("http://u:a@b@h/x", "http://h/x"),
    "an upper-case scheme": ("HTTPS://U:P@H/?A=B", "HTTPS://H/?A=*"),
    "no scheme": ("//u:pw@h/p", "//h/p"),
    "IPv6": ("http://u:pw@[2001:db8::1]:80/?a=1", "http://[2001:db8::1]:80/?a=*"),
    "IPv6 without brackets": ("tcp://2001:db8::ab", "tcp://2001:db8::ab"),
    "percent-encoded": ("http://u%40x:p%2Fw@h/?a=%20b", "http://h/?a=*"),
    "a slash in the password": ("postgresql://u:p/w@h/db", "postgresql://h/db"),
    "a question mark in it": ("postgresql://u:p?w#x@h/db", "postgresql://h/db"),
    "a quote in it": ("http://u:p'w@h/", "http://h/"),
    "a DSN": (
        "postgresql://app:pw@db:5432/x?sslpassword=y",
        "postgresql://db:5432/x?sslpassword=*",
    ),
    "a DSN of SQLAlchemy": ("mysql+pymysql://app:pw@db/x", "mysql+pymysql://db/x"),
    "redis": ("redis://:pw@h:6379/0", "redis://h:6379/0"),
    "jdbc": ("jdbc:postgresql://h/x?user=a&password=b", "jdbc:postgresql://h/x?user=*&password=*"),
    "restic": ("rest:https://u:pw@h:8000/", "rest:https://h:8000/"),
    "Go's DSN": ("app:pw@tcp(db:3306)/x?tls=y", "tcp(db:3306)/x?tls=*"),
    "libpq's conninfo": ("host=h user=u password=pw dbname=x", "host=h user=u password=* dbname=x"),
    "a quoted one": ("host=h password='p w' dbname=x", "host=h password='*' dbname=x"),
    "ODBC": ("Server=h;Uid=u;Pwd=pw;Database=x", "Server=h;Uid=u;Pwd=*;Database=x"),
    "a storage account": ("AccountName=n;AccountKey=abc==;X=y", "AccountName=n;AccountKey=*;X=y"),
    "in a sentence": ("asking 'http://u:pw@h/x?y=1': refused", "asking 'http://h/x?y=*': refused"),
    "in brackets": ("(see http://u:pw@h/x?y=1).", "(see http://h/x?y=*)."),
    "two": ("http://a:b@h/ and ftp://c:d@i/", "http://h/ and ftp://i/"),
    "in JSON": ('{"next": "https://u:pw@h/?a=1", "n": 1}', '{"next": "https://h/?a=*", "n": 1}'),
    "in escaped JSON": (r"https:\/\/u:pw@h\/x?t=1\u0026b=2", r"https:\/\/h\/x?t=*\u0026b=*"),
    "JSON in JSON": (
        r'{"a": "{\"b\": \"https:\\/\\/u:pw@h\\/x\"}"}',
        r'{"a": "{\"b\": \"https:\\/\\/h\\/x\"}"}',
    ),
    "a token alone": ("access_token=abc; x=1", "access_token=*; x=1"),
    "a secret alone": ("secret = abc", "secret = *"),
    "an option of a command": ("tool --password 'a b' -v", "tool --password '*' -v"),
    "an option with an equals sign": ("tool --token=abc -v", "tool --token=* -v"),
    "in markup": ('<a href="http://u:p@h/?a=1&amp;b=2">', '<a href="http://h/?a=*&amp;b=*">'),
    "encoded as a whole": ("next https%3A%2F%2Fu%3Apw%40h%2Fp end", "next https%3A%2F%2Fh%2Fp end"),
    "a redirect": ("Location: https://u:pw@h/?a=1#f\r\nX: y", "Location: https://h/?a=*\r\nX: y"),
    "a relative redirect": (
        "302 Found\nLocation: /login?token=abc",
        "302 Found\nLocation: /login?token=*",
    ),
    "one without a path": ("Location: ?token=abc", "Location: ?token=*"),
    "one without a name": ("location: login?s3cr3t", "location: login?*"),
    "a fragment in mixed case": ("LoCation: /cb#access_token", "LoCation: /cb"),
    "a fragment of a page that led here": ("Referer: /cb#abc", "Referer: /cb"),
    "OAuth's implicit": ("Location: /cb#access_token=abc", "Location: /cb"),
    "Refresh": ("Refresh: 5; url=/x?token=abc", "Refresh: 5; url=/x?token=*"),
    "a line of an access log": (
        '"GET /reset?token=abc HTTP/1.1" 200',
        '"GET /reset?token=* HTTP/1.1" 200',
    ),
    "cut within the password": ("asking http://user:passw", "asking http://*"),
}
PLAIN = {
    "an endpoint": "https://h:8443/p/q",
    "words about a password": "the option --passwords takes names; its token is hidden",
    "a name of a secret": "secret name in /etc/token/x",
    "a place with a port": "see http://h:80, then",
    "IPv6 with a port": "http://[::1]:8080/",
    "a scope of a registry": "https://registry/@scope/name",
    "scp's form": "backup@h:/srv",
    "an image": "registry/app:1.2@sha256:abcdef",
    "a mail address": "mailto:ada@example.org",
    "a unit": "user@1000.service",
    "a file share": "//server/share",
    "a look-up of a name": "dns://192.0.2.53/example.org?type=MX",
    "a pattern of files": "/var/log/app?.log",
    "a question": "what? a=b",
    "sudo's folder": "PWD=/root ; USER=root ; COMMAND=/bin/ls",
    "no user": "password for u from h",
}


@pytest.mark.parametrize(("text", "expected"), TEXTS.values(), ids=TEXTS)
def test_secrets_are_masked_in_any_text(text: str, expected: str) -> None:
    assert masked(text) == expected
    assert masked(expected) == expected


@pytest.mark.parametrize("text", PLAIN.values(), ids=PLAIN)
def test_what_holds_no_secret_stays(text: str) -> None:
    assert masked(text) == text
    assert masked_value(text) == text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("http://u:p w@h/", "http://h/"),
        ('http://u:p"w@h/?a="b c"', "http://h/?a=*"),
        ("http://h/a b?t=c d", "http://h/a b?t=*"),
        ("u:pw@h:80/x", "h:80/x"),
        ("http://[::1/?a=1", "http://[::1/?a=*"),
        ("postgresql://u:p@w/x@h/db", "postgresql://w/x@h/db"),
    ],
    ids=["a space", "quotes", "spaces in a query", "no scheme", "broken", "an @ in a path"],
)
def test_a_value_is_masked_as_the_url_that_it_is(value: str, expected: str) -> None:
    assert masked_value(value) == expected
    assert masked_value(expected) == expected == masked(expected)


def test_texts_are_masked_at_any_depth() -> None:
    given: Any = {"http://u:p@h/": [{"url": "http://h/?a=1"}, 1, None, True]}

    assert masked_deep(given) == {"http://h/": [{"url": "http://h/?a=*"}, 1, None, True]}


def test_urls_that_differ_in_a_secret_are_numbered_in_their_order() -> None:
    given = ["http://h/?a=1", "http://h/?a=2", "http://h/?a=1", "http://u:p@h/?a=3", "http://i/"]

    assert labels(given) == {
        "http://h/?a=1": "http://h/?a=*",
        "http://h/?a=2": "http://h/?a=* (2)",
        "http://u:p@h/?a=3": "http://h/?a=* (3)",
        "http://i/": "http://i/",
    }


@pytest.mark.parametrize(
    ("url", "secrets"),
    [
        ("http://u:p%40ss@h/", {"p%40ss", "p@ss", "dTpwJTQwc3M=", "dTpwQHNz"}),
        ("http://u:a@b@h/", {"a@b", "dTphQGI="}),
        ("http://h/?token=abc&format=json", {"abc"}),
        ("http://h/?q=0123456789abcdefghij", {"0123456789abcdefghij"}),
        ("https://0123456789abcdefghij@h/", {"0123456789abcdefghij"}),
        ("http://postgres@h/?format=json#top", set()),
        ("host=h password='p w'", {"p w"}),
        ("https://h/p", set()),
    ],
    ids=["a password", "with @", "a token", "long", "a user alone", "short", "conninfo", "none"],
)
def test_what_is_looked_for_elsewhere(url: str, secrets: set[str]) -> None:
    assert set(secrets_in(url)) == secrets


@pytest.mark.parametrize(
    "text",
    ["a", "//", "?", "://", "@", "a:", "http://a:b/", "password=", "'", "%3A%2F%2F", "a:b@", ";", "&=",
     "Location: ", "location ", "password='", "http://u:", "x=a:", ")", r"\/"],
)  # fmt: skip
def test_no_text_takes_long(text: str) -> None:
    began = time.process_time()
    masked(text * (50_000 // len(text)))
    masked_value("http://a?b=" + text * (50_000 // len(text)))

    assert time.process_time() - began < 20  # as a square it would be hours
