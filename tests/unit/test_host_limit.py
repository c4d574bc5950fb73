"""A file of a limit is found from the working folder, wherever Ansible works."""

from __future__ import annotations

from pathlib import Path

import pytest

from upkeep.errors import UsageError
from upkeep.host_limit import absolute_limit


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
