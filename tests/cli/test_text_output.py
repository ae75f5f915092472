"""Text results of commands: created with their folder, and refused in one wording."""

from pathlib import Path

import pytest

from tracker.cli.text_output import check_text_output, write_text
from tracker.errors import OutputError


def test_a_text_is_written_with_its_line_ends_and_its_folder(tmp_path: Path) -> None:
    out = tmp_path / "new" / "folder" / "scores.json"
    check_text_output(str(out))
    assert not out.parent.exists()
    write_text(str(out), "grün\r\n1\n")
    assert out.read_bytes() == b"gr\xc3\xbcn\r\n1\n"


def test_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    check_text_output("-")
    write_text("-", "{}\n")
    assert capsys.readouterr().out == "{}\n"


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=f"cannot write {tmp_path}: it is a directory"):
        check_text_output(str(tmp_path))
    with pytest.raises(OutputError, match=f"cannot write {tmp_path}: it is a directory"):
        write_text(str(tmp_path), "x")
    with pytest.raises(OutputError, match=r"cannot write /dev/full: disk full"):
        write_text("/dev/full", "x")
