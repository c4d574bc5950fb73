"""Bring the lab up to play with, until Ctrl-C: `make lab`."""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path

from lab import hosts
from lab.certificates import Authority
from lab.daily import BACKUP, BASE, DATABASE, FAULTS, WEB
from lab.fleet import Fleet, Host
from lab.site import write_site

TRY = """\
Six hosts are up; {site} is their site. In another terminal:

  upkeep doctor -i {site}
  upkeep run daily -i {site}
  ansible-playbook astral.upkeep.daily -i {site}/inventory

Press Enter to plant {faults} faults (then run the daily procedure again), Ctrl-C to take the lab down.
"""


def main() -> None:
    """Bring it up, wait, take it down."""
    authority = Authority()
    issued = authority.issue("app.lab.example")
    made = [
        Host("web1", hosts.web(issued.certificate, issued.key, authority.pem)),
        Host("db1", hosts.database),
        Host("backup1", hosts.backup),
        Host("plain1", hosts.plain),
        Host("nopython", hosts.no_python),
        Host("readonly", hosts.read_only),
    ]
    with tempfile.TemporaryDirectory(prefix="upkeep-lab-") as folder, Fleet(made) as fleet:
        nobody = fleet.hosts["web1"].address.rpartition(".")[0] + ".250"
        groups = {
            "base": {
                "hosts": {
                    **{host.name: {} for host in made},
                    "gone": {"ansible_host": nobody},
                },
                "vars": {"upkeep_checks_base": BASE},
            },
            "web": {"hosts": {"web1": {}}, "vars": {"upkeep_checks_web": WEB}},
            "database": {"hosts": {"db1": {}}, "vars": {"upkeep_checks_database": DATABASE}},
            "backup": {"hosts": {"backup1": {}}, "vars": {"upkeep_checks_backup": BACKUP}},
        }
        site = write_site(Path(folder) / "site", fleet, groups)
        print(TRY.format(site=site, faults=len(FAULTS)), flush=True)
        try:
            if sys.stdin.readline():
                for fault in FAULTS:
                    fault.plant(fleet, authority)
                print("planted; run the procedure again. Ctrl-C takes the lab down.", flush=True)
            signal.pause()
        except KeyboardInterrupt:
            print("taking the lab down", flush=True)


main()
