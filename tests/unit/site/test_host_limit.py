"""A file of a limit is found from the working folder, wherever Ansible works."""

from __future__ import annotations

from pathlib import Path

import pytest

from upkeep.model.errors import UsageError
from upkeep.site.host_limit import absolute_limit, why_not_again


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "some").write_text("web1\n")
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("", ""),
        ("web*,!db", "web*,!db"),
        ("@some", "@{here}/some"),
        ("@./folder/../some", "@{here}/./folder/../some"),
        ("web1,@some", "web1,@{here}/some"),
        ("web1, @some,db", "web1, @{here}/some,db"),
        ("web1:@some", "web1:@{here}/some"),
        ("@some,@some", "@{here}/some,@{here}/some"),
        ("@{here}/some", "@{here}/some"),
        ("user@host", "user@host"),
    ],
)
def test_paths_become_absolute(here: Path, limit: str, expected: str) -> None:
    found = absolute_limit(limit.format(here=here))

    assert str(Path(found)) == str(Path(expected.format(here=here))) or found == expected.format(
        here=here
    )


@pytest.mark.parametrize(
    ("limit", "said"),
    [("@none", "is not there"), ("@folder", "is a folder"), ("@", "expected a file"), ("a,@", "expected a file"), ("a,@none", "is not there")],
)  # fmt: skip
def test_a_file_that_is_not_there_is_wrong_usage(here: Path, limit: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        absolute_limit(limit)

    assert caught.value.exit_status == 64


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ("web1," * 801, "found 4,005 characters; expected at most 4,000"),
        ("web1\x1b[2J", "expected names and patterns"),
        ("web1\0", "expected names and patterns"),
        ("https://user:secret@example.org/", "expected names and patterns"),
    ],
    ids=["long", "escape", "NUL", "URL"],
)
def test_what_cannot_be_kept_as_it_is_is_refused(limit: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        absolute_limit(limit)

    assert "secret" not in str(caught.value)
    assert "@hosts.txt" in caught.value.remedy


def test_as_much_as_is_kept_is_taken() -> None:
    assert absolute_limit("w" * 4_000) == "w" * 4_000


@pytest.mark.parametrize(
    ("limit", "again"),
    [
        ("", True), ("web1,!web2", True), ("user@host", True), ("w" * 3_999, True),
        ("w" * 3_999 + "…", False), ("@/srv/hosts", False), ("web1,@/srv/hosts", False), ("!web2:@/srv/hosts", False),
    ],
)  # fmt: skip
def test_a_stored_limit_is_used_again_only_if_it_names_the_same_hosts(
    limit: str, again: bool
) -> None:
    assert (why_not_again(limit) == "") is again


def test_a_source_is_no_host() -> None:
    with pytest.raises(UsageError, match="--limit: register/people is a source; expected hosts"):
        absolute_limit("register/people")
