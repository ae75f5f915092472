"""Write access of folders."""

import os
import sys
from pathlib import Path

import pytest

from tracker.doctor.check import Status
from tracker.doctor.folders import folder_check, folder_checks


def test_a_folder_is_written_and_left_as_it_was(tmp_path: Path) -> None:
    assert folder_check("cache", tmp_path / "not" / "made", "Mend.").status is Status.OK
    assert list(tmp_path.iterdir()) == []


def test_a_folder_below_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    check = folder_check("cache", tmp_path / "file", "Name another.")
    assert (check.status, check.mend) == (Status.WARNING, "Name another.")
    assert check.detail.endswith("file cannot be written: Not a directory")


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc, which root cannot write either")
def test_a_folder_without_room_for_files() -> None:
    assert folder_check("cache", Path("/proc"), "Mend.").status is Status.WARNING


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    check = folder_check("cache", tmp_path, "Mend.")
    assert check.detail.endswith("cannot be written: Permission denied")


def test_a_full_disk_is_a_warning(tmp_path: Path) -> None:
    check = folder_check("cache", tmp_path, "Mend.", little=10**18)
    assert (check.status, check.mend[:12]) == (Status.WARNING, "Delete files")


def test_without_a_current_folder_and_a_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    current, _ = folder_checks()
    assert current.status is Status.WARNING
