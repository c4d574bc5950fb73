"""What others can write, or put another in the place of, is neither read nor run. Really caused: needs root to give away."""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from upkeep.model.errors import ConfigurationError
from upkeep.site import trust
from upkeep.site.settings import load_settings, passed_over, workspaces
from upkeep.site.site import load_site

OTHER = 54_321
"""The number of a user and of a group that are nobody's."""
PARTS = (
    "schedule.yml", "upkeep.toml", "ansible.cfg", "inventory", "inventory/hosts.yml", "inventory/cloud.sh",
    "inventory/group_vars/all.yml", "inventory/host_vars", "group_vars/all.yml", "host_vars/web1.yml", "playbooks", "playbooks/own.yml",
    "playbooks/roles/app/tasks/main.yml", "roles/app", "roles/app/tasks/main.yml", "roles/app/files/script", "library", "library/module.py",
    "collections/ansible_collections/own/things/plugins/modules/module.py", "filter_plugins/filters.py", "callback_plugins",
    "action_plugins/copy.py", "vars/secrets.yml", "templates/x.j2",
)  # fmt: skip
WAYS: dict[str, tuple[Callable[[Path], None], str]] = {
    "everybody": (lambda path: path.chmod(path.stat().st_mode | 0o002), "everybody can write here"),
    "group": (lambda path: _give_to_group(path), f"its group {OTHER} can write here"),
    "owner": (lambda path: os.chown(path, OTHER, -1), f"belongs to another user (uid {OTHER})"),
}

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files away")


def _give_to_group(path: Path) -> None:
    os.chown(path, -1, OTHER)
    path.chmod(path.stat().st_mode | 0o020)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site with one of everything, two folders below one that is ours alone."""
    monkeypatch.setenv("UPKEEP_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    site = tmp_path / "srv" / "site"
    for name in PARTS:
        path = site / name
        if path.suffix or path.name == "script":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("")
        else:
            path.mkdir(parents=True, exist_ok=True)
    (site / "inventory" / "hosts.yml").write_text("all: {hosts: {web1: {}}}")
    (site / "schedule.yml").write_text("procedures: {daily: {title: Daily, playbook: playbooks/own.yml}}")  # fmt: skip
    return site


def refused(name: Path | str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_site(str(name))
    assert caught.value.remedy
    return str(caught.value)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("way", WAYS)
def test_nothing_of_a_site_is_read_if_others_can_write_it(site: Path, part: str, way: str) -> None:
    change, said = WAYS[way]
    change(site / part)

    assert refused(site).startswith(f"{site / part}: {said}")


@pytest.mark.parametrize("ancestor", [".", "..", "../.."])
@pytest.mark.parametrize("way", WAYS)
def test_nor_if_others_can_put_another_in_its_place(site: Path, ancestor: str, way: str) -> None:
    folder = Path(os.path.normpath(site / ancestor))
    change, said = WAYS[way]
    change(folder)

    assert f"{folder}: {said}" in refused(site)


def test_a_folder_like_tmp_is_passed_through(site: Path) -> None:
    site.parent.chmod(0o1777)

    load_site(str(site))


def test_the_site_may_be_a_link_of_ours_and_not_of_somebody_else(site: Path) -> None:
    link = site.parent / "link"
    link.symlink_to("site")
    load_site(str(link))

    os.chown(link, OTHER, -1, follow_symlinks=False)

    assert refused(link).startswith(f"{link}: belongs to another user")


@pytest.mark.parametrize("way", WAYS)
def test_where_a_link_leads_is_looked_at_as_well(site: Path, tmp_path: Path, way: str) -> None:
    elsewhere = tmp_path / "elsewhere" / "common"
    (elsewhere / "tasks").mkdir(parents=True)
    (elsewhere / "tasks" / "main.yml").write_text("")
    (site / "roles" / "common").symlink_to(elsewhere)
    (site / "roles" / "round").symlink_to("..")
    (site / "roles" / "nowhere").symlink_to("/nonexistent")
    load_site(str(site))

    change, said = WAYS[way]
    change(elsewhere / "tasks" / "main.yml")
    assert said in refused(site)

    (elsewhere / "tasks" / "main.yml").unlink()
    load_site(str(site))
    change(elsewhere.parent)
    assert f"{elsewhere.parent}: {said}" in refused(site)


@pytest.mark.parametrize(
    "line",
    ["roles_path = {0}", "library = /nonexistent:{0}", "collections_path = {0}", "filter_plugins = ../../elsewhere", "roles_path=~/../elsewhere"],
)  # fmt: skip
def test_what_an_ansible_cfg_names_is_looked_at_as_well(
    site: Path, tmp_path: Path, line: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "code.py").write_text("")
    (tmp_path / "home").mkdir()
    text = f"[defaults]\nlog_path = /dev/null\n{line.format(elsewhere)}\n"
    (site / "ansible.cfg").write_text(text)
    load_site(str(site))

    (elsewhere / "code.py").chmod(0o666)

    assert "code.py: everybody can write here" in refused(site)


@pytest.mark.parametrize(
    "text",
    [
        "[defaults]\nexecutable = {0}\n", "[defaults]\nvault_identity_list = a@prompt, b@{0}\n", "[ssh_connection]\nssh_executable={0}\n",
        "[ssh_connection]\nssh_args = -o ControlMaster=no -F {0}\n", "[defaults]\nprivate_key_file = {0}\n", "[some_plugin]\noption = {0}\n",
        "[defaults]\nconnection_password_file = '{0}'\n", "[inventory]\ncache_connection = {0}\n", "[defaults]\nexecutable = $ELSE\n",
    ],
    ids=lambda text: text.split("\n")[1].partition("=")[0].strip() + ("" if "$" not in text else " by a variable"),
)  # fmt: skip
def test_any_setting_may_name_a_program(
    site: Path, tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program"
    program.write_text("")
    monkeypatch.setenv("ELSE", str(program))
    (site / "ansible.cfg").write_text(text.format(program))
    load_site(str(site))

    os.chown(program, OTHER, -1)

    assert refused(site).startswith(f"{program}: belongs to another user")


def test_what_a_setting_names_on_the_hosts_may_be_anybodys_here(site: Path, tmp_path: Path) -> None:
    (tmp_path / "python").write_text("")
    os.chown(tmp_path / "python", OTHER, -1)
    settings = "[defaults]\ninterpreter_python = {0}\nremote_tmp = {0}\n[privilege_escalation]\nbecome_exe = {0}\n"
    (site / "ansible.cfg").write_text(settings.format(tmp_path / "python"))

    load_site(str(site))


def test_ansibles_home_is_looked_at(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = tmp_path / "theirs" / "plugins" / "vars" / "v.py"
    plugin.parent.mkdir(parents=True)
    plugin.write_text("")
    monkeypatch.setenv("ANSIBLE_HOME", str(tmp_path / "theirs"))
    load_site(str(site))

    os.chown(plugin, OTHER, -1)

    assert refused(site).startswith(f"{plugin}: belongs to another user")


@pytest.mark.parametrize(
    ("entry", "said"),
    [("u:54321:rw", "the user uid 54321 can write here"), ("g:54321:rwx", "the group 54321 can write here"),
     ("u:54321:r", ""), ("u:0:rw", ""), ("u:54321:rw,m::r", "")],
)  # fmt: skip
@pytest.mark.parametrize("part", ["playbooks/own.yml", "playbooks"])
def test_an_access_control_list_counts(site: Path, part: str, entry: str, said: str) -> None:
    done = subprocess.run(["setfacl", "-m", entry, site / part], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"setfacl: {done.stderr}")

    if said:
        assert refused(site).startswith(f"{site / part}: {said}")
    else:
        load_site(str(site))


@pytest.mark.parametrize("folder", ["", "inventory", "roles", "inventory/group_vars"])
def test_a_folder_like_tmp_is_no_place_for_what_is_read_as_a_whole(site: Path, folder: str) -> None:
    (site / folder).chmod(0o1777)

    assert refused(site).startswith(f"{site / folder}: everybody can write here")


def test_an_inventory_in_a_folder_like_tmp_is_refused_for_the_variables_beside_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "hosts.ini").write_text("web1\n")
    tmp_path.chmod(0o1777)

    assert refused(tmp_path / "hosts.ini").startswith(f"{tmp_path}: everybody can write here")


@pytest.mark.parametrize("variable", ["ANSIBLE_ROLES_PATH", "ANSIBLE_LIBRARY", "ANSIBLE_ACTION_PLUGINS"])  # fmt: skip
def test_what_ansibles_variables_name_is_looked_at_as_well(
    site: Path, tmp_path: Path, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setenv(variable, str(elsewhere))
    load_site(str(site))

    elsewhere.chmod(0o777)

    assert refused(site).startswith(f"{elsewhere}: everybody")


@pytest.mark.parametrize("name", [".ansible/plugins", ".ansible/roles", ".ansible.cfg"])
@pytest.mark.parametrize("inventory", ["", "localhost,", "site"])
def test_what_ansible_finds_at_home_is_looked_at_for_every_site(
    site: Path, tmp_path: Path, name: str, inventory: str
) -> None:
    given = str(site) if inventory == "site" else inventory
    (site / "ansible.cfg").unlink()
    path = tmp_path / "home" / name
    path.parent.mkdir(parents=True)
    if path.suffix == ".cfg":
        path.write_text("")
    else:
        path.mkdir()
    load_site(given)

    os.chown(path, OTHER, -1)

    assert refused(given).startswith(f"{path}: belongs to another user")


def test_an_inventory_alone_is_looked_at_with_the_variables_beside_it(tmp_path: Path) -> None:
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / "all.yml").write_text("a: 1\n")
    (tmp_path / "hosts.ini").write_text("web1\n")
    load_site(str(tmp_path / "hosts.ini"))

    (tmp_path / "group_vars" / "all.yml").chmod(0o666)

    assert "group_vars/all.yml: everybody" in refused(tmp_path / "hosts.ini")


def test_what_nobody_reads_may_be_anybodys(site: Path) -> None:
    (site / ".git" / "objects").mkdir(parents=True)
    (site / ".git").chmod(0o777)
    os.chown(site / ".git" / "objects", OTHER, OTHER)

    load_site(str(site))


@pytest.mark.parametrize("gone", [PermissionError, FileNotFoundError])
def test_what_this_account_cannot_list_is_passed_over(
    site: Path, gone: type[OSError], monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = os.scandir

    def scandir(path: Path) -> object:
        if Path(path).name == "roles":
            raise gone(path)
        return usual(path)

    monkeypatch.setattr(trust.os, "scandir", scandir)
    load_site(str(site))

    (site / "vars" / "secrets.yml").chmod(0o666)

    assert "secrets.yml: everybody can write here" in refused(site)


def test_a_state_within_the_site_is_no_part_of_it(site: Path) -> None:
    (site / "upkeep.toml").write_text('state = "var"\n')
    os.environ.pop("UPKEEP_STATE")
    (site / "var" / "reports").mkdir(parents=True)
    (site / "var" / "reports" / "run-1.html").write_text("")
    (site / "var" / "reports" / "run-1.html").chmod(0o666)

    load_site(str(site))


@pytest.mark.parametrize("declared", ["", "people", f"people, {OTHER}"])
def test_a_group_is_trusted_if_it_is_declared_outside_of_the_site(
    site: Path, declared: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(trust.GROUPS, declared)
    _give_to_group(site / "roles" / "app")

    if str(OTHER) in declared:
        load_site(str(site))
    else:
        assert f"{trust.GROUPS}={OTHER}" in _remedy(site)


def _remedy(site: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_site(str(site))
    return str(caught.value.remedy)


@pytest.mark.parametrize(
    ("name", "members", "trusted"),
    [("ann", [], True), ("ann", ["ann"], True), ("ann", ["ann", "bob"], False), ("staff", [], False), ("staff", ["ann"], False)],
)  # fmt: skip
def test_a_users_own_group_is_the_user(
    name: str, members: list[str], trusted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = pwd.struct_passwd(("ann", "x", 1000, 1000, "", "/home/ann", "/bin/sh"))
    group = grp.struct_group((name, "x", 1000, members))
    monkeypatch.setattr(trust.pwd, "getpwuid", lambda _number: user)
    monkeypatch.setattr(trust.grp, "getgrgid", lambda _number: group)
    trust._is_own.cache_clear()

    assert trust._is_own(1000) is trusted
    trust._is_own.cache_clear()


# --- folders of ours -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("way", WAYS)
def test_a_state_that_others_can_replace_is_not_used(tmp_path: Path, way: str) -> None:
    state = tmp_path / "state"
    state.mkdir()
    assert load_settings(None, {"UPKEEP_STATE": str(state)}).state == state
    change, said = WAYS[way]
    change(state)

    with pytest.raises(ConfigurationError, match=r"^state: ") as caught:
        load_settings(None, {"UPKEEP_STATE": str(state)})

    assert said in str(caught.value)
    assert "set UPKEEP_STATE to another folder" in caught.value.remedy


def test_a_state_behind_somebody_elses_link_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    load_settings(None, {"UPKEEP_STATE": str(tmp_path / "link")})
    os.chown(tmp_path / "link", OTHER, -1, follow_symlinks=False)

    with pytest.raises(ConfigurationError, match="link: belongs to another user"):
        load_settings(None, {"UPKEEP_STATE": str(tmp_path / "link" / "below")})


@pytest.mark.parametrize("planted", ["a folder of theirs", "a folder for all", "a link", "a file"])
def test_a_workspace_that_somebody_has_made_first_is_passed_over(
    tmp_path: Path, planted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = tmp_path / "run"
    runtime.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    theirs = runtime / "upkeep"
    if planted == "a file":
        theirs.write_text("")
    elif planted == "a link":
        (tmp_path / "private").mkdir(mode=0o700)
        theirs.symlink_to(tmp_path / "private")
        os.chown(theirs, OTHER, -1, follow_symlinks=False)
    else:
        theirs.mkdir(mode=0o700)
        theirs.chmod(0o755) if planted == "a folder for all" else os.chown(theirs, OTHER, OTHER)

    chosen = load_settings(None, {"UPKEEP_STATE": str(tmp_path)}).workspace

    assert chosen == next(path for path, _why in workspaces() if path != theirs)
    (why,) = passed_over(chosen)
    assert str(theirs) in why
    assert passed_over(theirs) == []
    assert passed_over(tmp_path / "said") == []
