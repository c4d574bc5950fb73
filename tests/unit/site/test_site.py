"""Site files: what they may say, and the place, the key and the nearest right word when they say something else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from upkeep.model.errors import ConfigurationError, UsageError
from upkeep.site.init import EXAMPLE, schedule_schema, write_site
from upkeep.site.schedule_file import load_schedule
from upkeep.site.settings import Settings, load_settings
from upkeep.site.site import EMBEDDED, load_site, misspelt, settings_of
from upkeep.site.yaml_file import load as load_yaml
from upkeep.system.release import version


def problems_of_schedule(folder: Path, text: str) -> list[str]:
    path = folder / "schedule.yml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_schedule(path)
    return [line.replace(f"{folder}/", "") for line in str(caught.value).splitlines()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("procedures:\n  daily:\n    titel: x\n    title: y\n", "schedule.yml:3: procedures.daily.titel: there is no key 'titel'; did you mean 'title'?"),
        ("procedures:\n  daily: {}\n", "schedule.yml:2: procedures.daily has no 'title'"),
        ("procedures:\n  daily:\n    title: x\n    duration: 30 minuts\n", "schedule.yml:4: procedures.daily.duration: found '30 minuts'; expected one of the units s, min, h, d, w; did you mean 'min'?"),
        ("procedures:\n  daily:\n    title: x\n    duration: long\n", "schedule.yml:4: procedures.daily.duration: found 'long'; expected a number with a unit, such as '45 min' or '2 h'"),
        ("procedures:\n  daily:\n    title: x\n    time_zone: Europe/Berln\n", "schedule.yml:4: procedures.daily.time_zone: found 'Europe/Berln'; expected a time zone of the IANA list; did you mean 'Europe/Berlin'?"),
        ("procedures:\n  daily:\n    title: x\n    checks: [disk_spac]\n", "schedule.yml:4: procedures.daily.checks.0: found 'disk_spac'; expected the id of a check; did you mean 'disk_space'?"),
        ("procedures:\n  daily:\n    title: x\n    checks: disk_space\n", "schedule.yml:4: procedures.daily.checks: found 'disk_space'; expected a list"),
        ("procedures:\n  daily:\n    title: x\n    checks: []\n", "schedule.yml:4: procedures.daily.checks: found []; expected at least one"),
        ("procedures:\n  daily:\n    title: 7\n", "schedule.yml:3: procedures.daily.title: found 7; expected a text"),
        ("procedures:\n  daily:\n    title: x\n    hosts: ''\n", "schedule.yml:4: procedures.daily.hosts: found ''; expected a text of at least 1 characters"),
        ("procedures:\n  daily:\n    title: x\n    duration: 0 min\n", "schedule.yml:4: procedures.daily.duration: found '0 min'; expected more than nothing"),
        ("procedures:\n  daily:\n    title: x\n    missed: rnu\n", "schedule.yml:4: procedures.daily.missed: found 'rnu'; expected 'run', 'skip' or a duration such as '6 h'; did you mean 'run'?"),
        ("procedures:\n  daily:\n    title: x\n    playbook: daly\n", "schedule.yml:4: procedures.daily.playbook: found 'daly'; expected a collection's playbook or a file such as playbooks/mine.yml; did you mean 'astral.upkeep.daily'?"),
        ("procedures:\n  daily:\n    title: x\n    playbook: astral.upkeep.dayly\n", "schedule.yml:4: procedures.daily.playbook: found 'astral.upkeep.dayly'; expected one of astral.upkeep.backup_restore, astral.upkeep.backup_verify, astral.upkeep.daily, astral.upkeep.db_optimize, astral.upkeep.log_rotation, astral.upkeep.observe; did you mean 'astral.upkeep.daily'?"),
        ("procedures:\n  daily:\n    title: x\n    playbook: ../mine.yml\n", "schedule.yml:4: procedures.daily.playbook: found '../mine.yml'; expected a file within the site"),
        ("procedures:\n  daily: x\n", "schedule.yml:2: procedures.daily: found 'x'; expected a mapping"),
        ("procedures: {}\n", "schedule.yml:1: procedures: found {}; expected at least one"),
        ("", "schedule.yml:1: the file has no 'procedures'"),
        ("procedures:\n", "schedule.yml:1: procedures: found nothing; expected a mapping"),
        ("procedures:\n  daily:\n    title: x\n    duration: 30\n", "schedule.yml:4: procedures.daily.duration: found 30; expected a number with a unit, such as '45 min' or '2 h'"),
        ("procedures:\n  daily:\n    title: x\n    duration: 999999999 d\n", "schedule.yml:4: procedures.daily.duration: found '999999999 d'; expected at most 365250 d"),
        ("a: b\n---\nc: d\n", "schedule.yml:2: a second document begins here ('---'); expected one in a file"),
        ("procedure: {}\n", "schedule.yml:1: procedure: there is no key 'procedure'; did you mean 'procedures'?"),
        ("- a\n", "schedule.yml:1: found a list; expected a mapping with `procedures`"),
        ("procedures:\n  daily: {title: x}\n  daily: {title: y}\n", "schedule.yml:3: the key 'daily' is on line 2 already; remove one of the two"),
        ("procedures:\n\tdaily: x\n", "schedule.yml:2: indented with a tab; YAML takes only spaces"),
        ("procedures:\n  Daily Run: {title: x}\n", "schedule.yml:2: procedures.Daily Run: id 'Daily Run': found 'Daily Run'; expected small letters, digits, - and _"),
    ],
)  # fmt: skip
def test_a_wrong_schedule_is_told_where_and_how(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in problems_of_schedule(tmp_path, text)


def test_a_wrong_rule_is_named(tmp_path: Path) -> None:
    text = "procedures:\n  daily:\n    title: x\n    rule: FREQ=DALY\n"

    (problem,) = problems_of_schedule(tmp_path, text)

    assert problem.startswith(
        "schedule.yml:4: procedures.daily.rule: found 'FREQ=DALY'; expected a rec"
    )


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    text = "procedures:\n  daily:\n    title: x\n    ownr: y\n    missed: perhaps\n"

    assert len(problems_of_schedule(tmp_path, text)) == 2


def site(folder: Path, group: str) -> Path:
    (folder / "inventory" / "group_vars").mkdir(parents=True)
    (folder / "inventory" / "hosts.yml").write_text("all: {hosts: {web1: {}}}\n")
    (folder / "inventory" / "group_vars" / "web.yml").write_text(group)
    (folder / "schedule.yml").write_text("procedures: {daily: {title: Daily}}\n")
    return folder


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ("upkeep_checks_web:\n  - disk_spac\n", "web.yml:2: upkeep_checks_web: there is no check 'disk_spac'; did you mean 'disk_space'?"),
        ("---\nupkeep_checks_web:\n  - check: site_errors\n    pahts: [/a]\n", "web.yml:4: upkeep_checks_web: check site_errors has no parameter 'pahts'; did you mean 'paths'?"),
        ("upkeep_checks_web:\n  - check: site_errors\n    pahts: '{{ logs }}'\n", "web.yml:3: upkeep_checks_web: check site_errors has no parameter 'pahts'; did you mean 'paths'?"),
        ("upkeep_checks_web:\n  - check: backup_fresh\n    sets:\n      - name: '{{ shop }}'\n        pahts: '{{ there }}'\n", "web.yml:5: upkeep_checks_web: check backup_fresh: sets has no key 'pahts'; did you mean 'paths'?"),
        ("upkeep_checks_web:\n  - checks: backups\n    stes: []\n", "web.yml:3: upkeep_checks_web: no check of backups has a parameter 'stes'; did you mean 'sets'?"),
        ("upkeep_checks_web:\n  - checks:\n      - hosts\n      - backpus\n", "web.yml:4: upkeep_checks_web: there is no check and no family 'backpus'; did you mean 'backups'?"),
        ("upkeep_checks_web:\n  - checks: hosts\n    limits:\n      disk_space:\n        hihg_percent: 5\n", "web.yml:5: upkeep_checks_web: check disk_space has no limit 'hihg_percent'; did you mean 'high_percent'?"),
        ("upkeep_checks_web:\n  - hosts\n  - backups\n", "web.yml:3: upkeep_checks_web: check backup_fresh needs sets; set it, or leave the check out: without: [backup_fresh]"),
        ("upkeep_checks_web:\n  - hosts\n  - {check: disk_space, high_percent: 80}\n  - {check: disk_space, high_percent: 85}\n", "web.yml:4: upkeep_checks_web: check disk_space: two entries of this list refine high_percent: 80 and 85"),
        ("upkeep_family_version: 0.1\n", "web.yml:1: upkeep_family_version: found 0.1; expected a release in quotes, such as '0.1.0'"),
        ("upkeep_family_version: 99.0.0\n", f"web.yml:1: upkeep_family_version: found '99.0.0'; this program is {version()}, and does not know what came later"),
        ("upkeep_famly_version: 0.1.0\n", "web.yml:1: nothing reads 'upkeep_famly_version'; did you mean 'upkeep_family_version'?"),
        ("upkeep_checks_web: disk_space\n", "web.yml:1: upkeep_checks_web: found str; expected a list of checks"),
    ],
)  # fmt: skip
def test_wrong_entries_are_told_where_they_stand(tmp_path: Path, group: str, expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_site(str(site(tmp_path, group)))

    assert str(caught.value) == f"{tmp_path}/inventory/group_vars/{expected}"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("upkeep_checks", "upkeep_checks_<name>"),
        ("upkeep_check_base", "upkeep_checks_<name>"),
        ("upkep_checks_base", "upkeep_checks_<name>"),
        ("upkeep_job", "upkeep_jobs"),
        ("upkeep_host_timeout", "upkeep_host_timeout_seconds"),
    ],
)
def test_a_name_that_nothing_reads_is_not_lost_without_a_word(
    tmp_path: Path, name: str, meant: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_site(str(site(tmp_path, f"---\n{name}: [disk_space]\n")))

    where = f"{tmp_path}/inventory/group_vars/web.yml:2"
    assert str(caught.value) == f"{where}: nothing reads {name!r}; did you mean {meant!r}?"


@pytest.mark.parametrize(
    "name",
    ["upkeep_jobs", "upkeep_environment", "upkeep_hosts", "upkeep_password", "upkeep_channel",
     "base_checks", "checks"],
)  # fmt: skip
def test_names_of_a_sites_own_are_left_alone(name: str) -> None:
    assert misspelt(name) == ""


def test_a_job_that_is_nearly_one_of_ours_is_told_and_a_sites_own_is_not(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_site(str(site(tmp_path, "upkeep_jobs:\n  - vacuum\n  - log-rotation\n")))
    said = str(caught.value)
    assert said.endswith(
        "web.yml:3: upkeep_jobs: there is no job 'log-rotation'; did you mean 'log_rotation'?"
    )


@pytest.mark.parametrize(
    "jobs", ["[log_rotation, vacuum]", "\"{{ ['log-rotation'] }}\"", "[]", "log_rotation"]
)
def test_jobs_that_can_be_meant(tmp_path: Path, jobs: str) -> None:
    assert load_site(str(site(tmp_path, f"upkeep_jobs: {jobs}\n")))


def test_a_gathers_parameter_of_another_type_is_told_where_it_stands(tmp_path: Path) -> None:
    group = "upkeep_checks_web:\n  - check: site_errors\n    window_seconds: five\n"

    with pytest.raises(
        ConfigurationError, match=r"web\.yml:3: upkeep_checks_web: .*window_seconds"
    ):
        load_site(str(site(tmp_path, group)))


@pytest.mark.parametrize(
    "group",
    [
        'upkeep_checks_web: "{{ all_of_them }}"\n',
        'upkeep_checks_web:\n  - check: site_errors\n    window_seconds: "{{ five }}"\n',
        "upkeep_checks_web:\n  - check: site_errors\n    paths: !vault |\n      $ANSIBLE_VAULT;1.1\n",
        "$ANSIBLE_VAULT;1.1;AES256\n6162\n",
        "upkeep_checks_web: ['{{ one }}', {check: '{{ two }}', paths: 7}]\n",
        "upkeep_checks_web: '{% if a %}{{ b }}{% endif %}'\n",
        "upkeep_checks_web: [{check: backup_fresh, sets: ['{{ one }}', {name: '{{ two }}', kind: '{{ k }}'}]}]\n",
    ],
    ids=[
        "a template for all",
        "a template in it",
        "a vaulted value",
        "a vaulted file",
        "for an entry",
        "a condition",
        "within a list",
    ],
)
def test_what_only_ansible_can_resolve_is_left_to_the_run(tmp_path: Path, group: str) -> None:
    assert load_site(str(site(tmp_path, group))).schedule.procedures


def test_a_site_that_is_not_there_and_a_procedure_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such site or inventory"):
        load_site(str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match=r"there is no procedure 'dayly'; did you mean 'daily'\?"):
        load_site("").procedure("dayly")


def test_a_site_that_is_not_there_has_no_settings_but_a_list_of_hosts_the_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "upkeep.toml").write_text('state = "here"\n')

    assert settings_of(str(tmp_path)).state == tmp_path / "here"
    assert settings_of(str(tmp_path / "upkeep.toml")).state == tmp_path / "here"
    assert settings_of("") == settings_of("web1,") == load_settings(None)
    with pytest.raises(UsageError, match="sit: no such site or inventory"):
        settings_of(str(tmp_path / "sit"))


def test_a_site_is_the_same_one_however_its_path_is_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_site(tmp_path / "site")
    monkeypatch.chdir(tmp_path / "site")

    there = str(tmp_path / "site")
    for typed in (there, f"{there}/", ".", "../site", f"{there}/inventory/.."):
        assert load_site(typed).key == there
    assert load_site("").key == ""


def test_the_embedded_site_and_an_inventory_without_a_schedule(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts.yml"
    hosts.write_text("all: {hosts: {web1: {}}}\n")

    assert load_site("").name == ""
    assert load_site(str(hosts)).inventory == hosts
    assert "daily" in load_site(str(hosts)).schedule.procedures


def test_what_init_writes_is_a_site(tmp_path: Path) -> None:
    folder = tmp_path / "new"

    written = write_site(folder)

    assert folder / "schedule.yml" in written
    assert load_site(str(folder)).procedure("daily").duration == 1800
    with pytest.raises(UsageError, match="there is something already"):
        write_site(folder)
    assert "procedures" in schedule_schema()["properties"]


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ((EXAMPLE / "schedule.yml").read_text(), True),
        ((EMBEDDED / "schedule.yml").read_text(), True),
        ("procedures: {daily: {title: x, checks: [disk_space, of_a_later_version]}}", True),
        ("procedures: {daily: {title: x, duration: 1.5 h, missed: skip}}", True),
        ("procedures: {daily: {title: x, duration: 30 minuts}}", False),
        ("procedures: {daily: {title: x, duration: 30}}", False),
        ("procedures: {daily: {titel: x}}", False),
        ("procedures: {Daily Run: {title: x}}", False),
        ("procedures: {}", False),
    ],
)
def test_the_schema_for_editors_says_what_the_program_says(text: str, right: bool) -> None:
    schema = schedule_schema()
    Draft202012Validator.check_schema(schema)

    assert Draft202012Validator(schema).is_valid(yaml.safe_load(text)) is right


@pytest.mark.parametrize(
    ("text", "environ", "expected"),
    [
        ("forx = 3\n", {}, "upkeep.toml:1: there is no setting 'forx'; did you mean 'forks'?"),
        ('\nforks = "many"\n', {}, "upkeep.toml:2: forks: found 'many'; expected a whole number"),
        ("forks = 0\n", {}, "upkeep.toml:1: forks: found 0; expected at least 1"),
        ("forks = 501\n", {}, "upkeep.toml:1: forks: found 501; expected at most 500"),
        ("host_timeout_seconds = '2 min'\n", {}, "upkeep.toml:1: host_timeout_seconds: found '2 min'; expected a whole number of seconds"),
        ("state = 5\n", {}, "upkeep.toml:1: state: found 5; expected a path"),
        ("fast_key_exchange = 'perhaps'\n", {}, "upkeep.toml:1: fast_key_exchange: found 'perhaps'; expected true or false"),
        ("\n[forks]\na = 1\n", {}, "upkeep.toml:2: forks: found {'a': 1}; expected a whole number"),
        ("forks = 1\nforks = 2\n", {}, "upkeep.toml:2: forks: cannot overwrite a value"),
        ("", {"UPKEEP_FORKS": "ten"}, "environment variable UPKEEP_FORKS: forks: found 'ten'; expected a whole number"),
        ("forks = \n", {}, "upkeep.toml:1: forks has no value"),
        ("", {"UPKEEP_FORX": "3"}, "environment variable UPKEEP_FORX: there is no setting 'forx'; did you mean 'forks'?"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_told_where(
    tmp_path: Path, text: str, environ: dict[str, str], expected: str
) -> None:
    (tmp_path / "upkeep.toml").write_text(text)

    with pytest.raises(ConfigurationError) as caught:
        load_settings(tmp_path, environ)

    assert str(caught.value).replace(f"{tmp_path}/", "") == expected


def test_the_environment_goes_before_the_file_and_the_file_before_the_default(
    tmp_path: Path,
) -> None:
    (tmp_path / "upkeep.toml").write_text("forks = 20\nhost_timeout_seconds = 7\n")

    settings = load_settings(tmp_path, {"UPKEEP_FORKS": "30"})

    assert (settings.forks, settings.host_timeout_seconds) == (30, 7)
    assert settings.run_timeout_seconds == Settings().run_timeout_seconds


def test_settings_that_everybody_can_write_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "upkeep.toml"
    path.write_text("")
    path.chmod(0o666)

    with pytest.raises(ConfigurationError, match="everybody can write here"):
        load_settings(tmp_path, {})


def test_a_path_counts_from_the_file_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "upkeep.toml").write_text('vault_password_file = "vault.sh"\nstate = "~/state"\n')
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv("HOME", "/home/operator")

    settings = load_settings(tmp_path, {"UPKEEP_WORKSPACE": "work", "UPKEEP_DATABASE": ""})

    assert settings.vault_password_file == tmp_path / "vault.sh"
    assert settings.state == Path("/home/operator/state")
    assert settings.workspace == tmp_path / "elsewhere" / "work"
    assert settings.database_url == "sqlite:////home/operator/state/upkeep.db"


@pytest.mark.parametrize(
    "name",
    ["inventory", "inventory/group_vars/web.yml", "schedule.yml", "ansible.cfg", "mine.yml", "."],
)
def test_nothing_of_a_site_may_be_for_everybody_to_write(tmp_path: Path, name: str) -> None:
    folder = site(tmp_path, "")
    (folder / "ansible.cfg").write_text("")
    (folder / "mine.yml").write_text("")
    (folder / "schedule.yml").write_text("procedures: {mine: {title: x, playbook: mine.yml}}\n")
    (folder / "inventory" / "gone.yml").symlink_to("nowhere")
    assert load_site(str(folder)).config == folder / "ansible.cfg"
    (folder / name).chmod(0o777)

    with pytest.raises(ConfigurationError) as caught:
        load_site(str(folder))

    assert str(caught.value).startswith(f"{folder / name}: everybody can write here")
    assert caught.value.remedy == f"chmod o-w {folder / name}"


def test_an_inventory_for_everybody_to_write_is_not_given_to_ansible(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts.yml"
    hosts.write_text("all: {hosts: {web1: {}}}\n")
    hosts.chmod(0o666)

    with pytest.raises(ConfigurationError, match="everybody can write here"):
        load_site(str(hosts))


def test_a_password_in_a_setting_of_a_wrong_name_is_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "upkeep.toml").write_text('databse = "postgresql://upkeep:hunter2@db/upkeep"\n')

    with pytest.raises(ConfigurationError) as caught:
        load_settings(tmp_path, {})

    assert "hunter2" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_settings_of_another_user_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "upkeep.toml"
    path.write_text("")
    os.chown(path, 1234, 1234)

    with pytest.raises(ConfigurationError, match="belongs to another user"):
        load_settings(tmp_path, {})


def test_yaml_that_is_not_utf_8_or_too_deep(tmp_path: Path) -> None:
    path = tmp_path / "x.yml"
    path.write_bytes(b"a: \xff\n")
    with pytest.raises(ConfigurationError, match=r"not UTF-8 \(byte 3\)"):
        load_yaml(path)
    path.write_text("[" * 5_000)
    with pytest.raises(ConfigurationError, match="recursion"):
        load_yaml(path)


@pytest.mark.parametrize("host", ["controller", "(site)", "register/people"])
def test_a_host_of_a_name_that_is_nobodys_is_told_with_its_place(tmp_path: Path, host: str) -> None:
    folder = site(tmp_path, "---\nupkeep_checks_all: [disk_space]\n")
    inventory = folder / "inventory" / "hosts.yml"
    inventory.write_text(f"all:\n  hosts:\n    {host!r}: {{}}\n")

    with pytest.raises(ConfigurationError, match=r"hosts\.yml:3: no host can be named") as found:
        load_site(str(folder))
    assert repr(host) in str(found.value)
    with pytest.raises(ConfigurationError, match="no host can be named"):
        load_site(f"{host},")
