"""A file is the old one or the new one, whatever happens while it is written."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tracker.errors import OutputError, OutputTakenError, SourceError
from tracker.util.atomic_file import make_parent, replace_bytes, replace_text, replaced_file

needs_modes = pytest.mark.skipif(os.name == "nt", reason="needs the permissions of POSIX")


def write_and_raise(path: Path, error: BaseException) -> None:
    with replaced_file(path) as draft:
        draft.write_bytes(b"half")
        raise error


def test_a_new_file_has_the_permissions_of_the_umask(tmp_path: Path) -> None:
    replace_bytes(tmp_path / "a", b"new")
    (tmp_path / "b").write_bytes(b"")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


@needs_modes
@pytest.mark.parametrize("mode", [0o600, 0o444, 0o664])
def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    path.chmod(mode)
    replace_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == mode


def test_text_is_utf_8_and_keeps_its_line_ends(tmp_path: Path) -> None:
    replace_text(tmp_path / "a", "é\nb\r\n")
    assert (tmp_path / "a").read_bytes() == b"\xc3\xa9\nb\r\n"


def test_until_the_end_of_the_block_the_old_file_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a.keras"
    path.write_bytes(b"old")
    with replaced_file(path, ending=".part.keras") as draft:
        draft.write_bytes(b"new")
        assert path.read_bytes() == b"old"
        assert (draft.parent, draft.suffix) == (path.parent, ".keras")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a.keras"]


@pytest.mark.parametrize("error", [ValueError("broke"), KeyboardInterrupt(), SourceError("lost")])
def test_after_an_error_the_old_file_is_there_and_no_draft(
    tmp_path: Path, error: BaseException
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(type(error)) as raised:
        write_and_raise(path, error)
    assert raised.value is error
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_what_the_system_refuses_is_an_output_error_of_the_file(tmp_path: Path) -> None:
    missing = tmp_path / "no" / "a"
    with pytest.raises(OutputError) as raised:
        replace_bytes(missing, b"new")
    assert str(raised.value) == f"{missing}: cannot be written: No such file or directory"
    path = tmp_path / "a"
    with pytest.raises(OutputError) as raised, replaced_file(path):
        pass  # Nothing was written: there is nothing to move.
    assert str(raised.value) == f"{path}: cannot be written: No such file or directory"


def test_a_block_that_names_the_draft_names_the_file_in_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with pytest.raises(OutputError) as raised:
        write_and_raise(path, OutputError(f"cannot write {path}.part: disk full"))
    assert str(raised.value) == f"cannot write {path}: disk full"
    assert not os.listdir(tmp_path)


def test_the_draft_of_another_process_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with pytest.raises(OutputTakenError) as raised:
        write_and_raise(path, OutputTakenError(f"cannot write {path}.part: taken"))
    assert str(raised.value) == f"cannot write {path}: taken"
    assert (tmp_path / "a.part").read_bytes() == b"half"


def test_only_regular_files_are_replaced(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written: it is a directory"):
        replace_bytes(tmp_path, b"new")
    assert tmp_path.is_dir()
    with pytest.raises(OutputError, match="cannot be written: File name too long"):
        replace_bytes(tmp_path / ("a" * 300), b"new")
    with pytest.raises(OutputError, match="cannot be written: it is no regular file"):
        replace_bytes(Path(os.devnull), b"new")


@needs_modes
def test_of_a_link_the_file_behind_it_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real/file")
    (tmp_path / "dangling").symlink_to("real/made")
    replace_bytes(tmp_path / "link", b"new")
    replace_bytes(tmp_path / "dangling", b"made")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "dangling").is_symlink()
    assert (tmp_path / "real" / "file").read_bytes() == b"new"
    assert (tmp_path / "real" / "made").read_bytes() == b"made"
    assert sorted(os.listdir(tmp_path / "real")) == ["file", "made"]


def test_folders_are_made_where_that_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c"
    make_parent(path)
    make_parent(path)
    replace_bytes(path, b"new")
    with pytest.raises(OutputError, match="d: cannot be written"):
        make_parent(path / "d")


PROGRAM = """
import sys, time
from pathlib import Path
from tracker.util.atomic_file import replaced_file
with replaced_file(Path(sys.argv[1])) as draft, draft.open("wb") as file:
    file.write(b"half")
    file.flush()
    print("writing", flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_process_that_is_killed_leaves_the_old_file_and_the_next_write_cleans_up(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(path)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"writing\n"
        process.kill()
    assert path.read_bytes() == b"old"
    assert sorted(os.listdir(tmp_path)) == ["a", "a.part"]
    replace_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a"]
