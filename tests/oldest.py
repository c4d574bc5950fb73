"""What also runs on the oldest Python and ansible-core that are supported, and why: the one place where that is said.

All unit tests do, but for those that only read the tests, the documents and the sources, and for the long ones of foreign
input and of what outsiders write into logs, which other tests read; those files are not even loaded. Tables of what is
pure do: all of those of single checks together take two seconds. A property is tried with fewer examples. Of the tests on services and
on the lab, those do that lean on Python's own libraries or on Ansible: sqlite3, ssl, processes and what Ansible makes of
our plugins differ from version to version. What a page shows, who is told of an alert or what a person may sign does
not; nor does PostgreSQL, whose client is the same on each Python.
"""

from __future__ import annotations

import sys

HERE = sys.version_info < (3, 12)
EXAMPLES = 25
BECAUSE = {
    # Ansible: action, module, roles and playbooks of the collection, through ansible-playbook and ansible-runner.
    "tests/integration/test_daily.py::test_a_healthy_site_passes": "a daily run over SSH, with and without the driver",
    "tests/integration/test_jobs.py::test_the_job_is_done_and_proved_and_not_done_again": "a job that changes hosts, and its proof",
    "tests/integration/test_job_progress.py::test_each_step_is_a_line_while_the_job_works": "a thread beside a worker's task, and a copied connection",
    "tests/service/test_family_runs.py::test_a_family_and_its_checks_alone_are_asked_alike_and_find_alike": "entries in its types",
    "tests/service/test_log_rotation_role.py::test_check_and_diff_show_the_plan_and_change_nothing": "a role's check mode",
    "tests/service/test_log_rotation_role.py::test_a_log_is_rotated_once_and_the_second_run_changes_nothing": "a role",
    "tests/service/test_serve.py::test_it_ends_when_it_is_asked_to": "signals, threads and their end",
    "tests/service/test_serve.py::test_a_run_of_the_schedule_may_end_after_the_program_was_asked_to": "a run as a child",
    # Python: what the program of the hosts is made of, and runs on.
    "tests/service/test_program.py": "the host's program: pickled sources, forks, signals, limits",
    "tests/service/test_http_servers.py": "ssl and http.client",
    "tests/service/test_tls_servers.py": "ssl verifies by other rules from 3.13 on",
    # Python: the store.
    "tests/service/test_store_faults.py": "sqlite3's errors",
    "tests/service/test_store_schema.py": "sqlite3 and the migrations",
    "tests/service/test_store_of_before.py": "a store that an older program wrote",
    "tests/service/test_backup.py::test_what_was_backed_up_comes_back": "sqlite3's backup, PostgreSQL's programs",
    "tests/service/test_backup.py::test_killed_in_the_middle_the_old_or_the_new_is_there": "os.replace and locks",
    # Python: the driver.
    "tests/service/test_scheduler.py::test_a_run_that_ends_badly_without_its_driver_is_a_finding_too": "its children",
}  # fmt: skip


NOT = (
    "tests/unit/cli/test_printed_commands.py",
    "tests/unit/test_class_names.py",
    "tests/unit/test_docstrings.py",
    "tests/unit/test_foreign_input.py",
    "tests/unit/test_outsider.py",
    "tests/unit/test_phrases.py",
    "tests/unit/test_pure_rooms.py",
    "tests/unit/test_security_document.py",
    "tests/unit/test_skips.py",
    "tests/unit/test_tools.py",
)
ON_SQLITE = ("tests/service/test_store_faults.py", "tests/service/test_store_schema.py")


def runs(test: str) -> bool:
    """Whether the test of that id runs on the oldest Python too."""
    if test.startswith(NOT) or (test.startswith(ON_SQLITE) and "[postgresql" in test):
        return False
    return test.startswith(("tests/unit/", *BECAUSE))


def ignores(file: str) -> bool:
    """Whether nothing of that file runs here, so that it need not be loaded."""
    return HERE and file in NOT


def examples(many: int) -> int:
    """Return with how many examples a property is tried here, of the many on the newest Python."""
    return min(many, EXAMPLES) if HERE else many


if __name__ == "__main__":  # for the Makefile: where the tests on services are that run here
    print(*sorted({one.partition("::")[0] for one in BECAUSE if "/service/" in one}))
