"""A host is isolated and released by plain ansible-playbook, in network namespaces."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from isolated_hosts import Lab, Speaker, lab, reaches
from lab.fleet import Host

TARGET, OTHER = "target", "other"


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    if os.geteuid() != 0 or not shutil.which("nft"):
        pytest.skip("hosts need root, sshd, ip and nft")
    with lab(tmp_path_factory.mktemp("isolation"), Host(TARGET), Host(OTHER)) as hosts:
        yield hosts


@pytest.fixture
def hosts(up: Lab) -> Iterator[Lab]:
    """The hosts; as they were afterwards."""
    yield up
    up.clean(TARGET, OTHER)


def test_first(hosts: Lab) -> None:
    fleet = hosts.fleet
    hosts.fleet.run(
        TARGET,
        "sh",
        "-c",
        "nft add table ip mine; setsid python3 -m http.server 8000 >/dev/null 2>&1 </dev/null &",
    )
    open_ = Speaker(fleet, OTHER, "connect", hosts.address(TARGET), 22)
    assert open_.line() == "open"
    print(open_.say())
    before = hosts.rules(TARGET)
    import time

    t = time.monotonic()
    done = hosts.isolate(TARGET)
    print("TOOK", time.monotonic() - t)
    import json

    print(json.dumps(done.isolation(TARGET), indent=1))
    print(done.text[-6000:])
    assert done.rc == 0
    print(hosts.rules(TARGET))
    print(open_.say())
    assert not reaches(fleet, OTHER, hosts.address(TARGET), 22)
    freed = hosts.release(TARGET)
    print(freed.text[-3000:])
    assert freed.rc == 0
    assert hosts.rules(TARGET) == before
    print(open_.say())
    assert reaches(fleet, OTHER, hosts.address(TARGET), 22)
