"""How far apart two places are, on mounts as the kernel makes them."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from service.disks import small

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._places import apart
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host


@contextlib.contextmanager
def mounted(folder: Path, *arguments: str) -> Iterator[Path]:
    """Mount something on the folder, which is made; skip where one may not."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    folder.mkdir()
    if subprocess.run(["mount", *arguments, str(folder)], capture_output=True).returncode:
        pytest.skip(f"this root may not mount {arguments}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_one_folder_and_a_bind_mount_of_it_are_one_file_system(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()

    assert apart(f"{tmp_path}/a/*", f"{tmp_path}/b/*", Host())[0] == "same file system"
    with mounted(tmp_path / "b", "--bind", str(tmp_path / "a")) as other:
        assert apart(f"{tmp_path}/a/*", f"{other}/*", Host())[0] == "same file system"


def test_a_file_system_in_memory_is_on_this_host(tmp_path: Path) -> None:
    with small(tmp_path / "memory", 1) as memory:
        assert apart(str(tmp_path), str(memory), Host())[0] == "same host"
        (tmp_path / "link").symlink_to(memory)
        assert apart(f"{tmp_path}/link/*", str(memory), Host())[0] == "same file system"


def test_an_image_in_a_file_system_is_on_its_device(tmp_path: Path) -> None:
    below = Host().stat(str(tmp_path)).st_dev
    if not Path(f"/sys/dev/block/{os.major(below)}:{os.minor(below)}").exists():
        pytest.skip("the temporary folder is on no block device")
    images = [tmp_path / "one", tmp_path / "two"]
    for image in images:
        with image.open("wb") as stream:
            stream.truncate(4_000_000)
        make = ["/usr/sbin/mkfs.ext4", "-q", str(image)]
        with contextlib.suppress(FileNotFoundError):
            subprocess.run(make, check=True, capture_output=True)
    with (
        mounted(tmp_path / "a", "-o", "loop", str(images[0])) as one,
        mounted(tmp_path / "b", "-o", "loop", str(images[1])) as two,
    ):
        assert apart(str(tmp_path), str(one), Host())[0] == "same device"
        assert apart(str(one), str(two), Host())[0] == "same device"
