import errno
import os
import stat
import subprocess
import sys

import pytest

from tracker.errors import OutputClosed, OutputError
from tracker.sinks.output_file import RecordFile, check_not_source
from tracker.sinks.place import check_writable, output_error


def append(path, *records, ending=b""):
    file = RecordFile(str(path), ending=ending)
    file.begin("source")
    for record in records:
        file.append(record)
    file.close()
    return file


def test_a_file_without_a_record_is_not_there(tmp_path):
    file = RecordFile(str(tmp_path / "a"))
    file.close()
    assert not (tmp_path / "a").exists()
    assert file.status(0).endswith("a: nothing written")


def test_construction_does_not_change_an_existing_file(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    file = RecordFile(str(tmp_path / "a"))
    file.close()
    assert (tmp_path / "a").read_bytes() == b"old"


def test_records_replace_an_existing_file(tmp_path):
    (tmp_path / "a").write_bytes(b"something longer")
    file = append(tmp_path / "a", b"1\n", b"2\n")
    assert (tmp_path / "a").read_bytes() == b"1\n2\n"
    assert file.status(2).endswith("a: 2 frames")


def test_missing_folders_appear_with_the_first_record(tmp_path):
    path = tmp_path / "x" / "y" / "a"
    file = RecordFile(str(path))
    assert not path.parent.exists()
    file.begin("source")
    file.append(b"1")
    assert path.read_bytes() == b"1"
    file.close()


def test_records_can_be_read_at_once(tmp_path):
    file = RecordFile(str(tmp_path / "a"))
    file.begin("source")
    file.append(b"1\n")
    assert (tmp_path / "a").read_bytes() == b"1\n"
    file.close()


def test_a_directory_is_refused(tmp_path):
    with pytest.raises(OutputError, match="it is a directory"):
        check_writable(str(tmp_path))


def test_an_empty_path_is_refused():
    with pytest.raises(OutputError, match="name a file"):
        check_writable("")


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(OutputError, match="not a directory"):
        check_writable(str(tmp_path / "a" / "b" / "c"))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_a_read_only_file_is_refused(tmp_path):
    (tmp_path / "a").write_bytes(b"")
    (tmp_path / "a").chmod(stat.S_IRUSR)
    with pytest.raises(OutputError, match="permission denied"):
        check_writable(str(tmp_path / "a"))


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc, which nobody can fill")
def test_a_folder_that_takes_no_files_is_an_error_at_the_latest_at_the_first_record():
    with pytest.raises(OutputError, match="cannot write /proc/self/nothing/a"):
        append("/proc/self/nothing/a", b"1")


def test_the_source_is_never_overwritten(tmp_path):
    source = tmp_path / "in.mp4"
    source.write_bytes(b"film")
    (tmp_path / "link.mp4").symlink_to(source)
    with pytest.raises(OutputError, match="the source itself"):
        check_not_source(str(tmp_path / "link.mp4"), str(source))
    file = RecordFile(str(source))
    with pytest.raises(OutputError, match="the source itself"):
        file.begin(str(source))
    assert source.read_bytes() == b"film"


def test_a_source_that_is_no_file_is_accepted(tmp_path):
    for source in ("0", "rtsp://camera/stream", str(tmp_path), "\0"):
        check_not_source(str(tmp_path / "a"), source)
        check_not_source("-", source)


def test_reasons_are_plain_words():
    full = output_error("a", OSError(errno.ENOSPC, "No space left on device"))
    assert str(full) == "cannot write a: disk full"
    assert isinstance(output_error("a", BrokenPipeError()), OutputClosed)


LIMITED = """
import resource, sys
from tracker.errors import OutputError
from tracker.sinks.output_file import RecordFile
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
file = RecordFile(sys.argv[1], ending=sys.argv[3].encode())
try:
    file.begin("source")
    for _ in range(3):
        file.append(b"0123456789")
except OutputError as error:
    print(error)
try:
    file.append(b"x") if file.is_open else file.begin("source")
except OutputError as error:
    print(error)
file.close()
print(file.status(file.records))
"""


def limited(path, size, ending=""):
    pytest.importorskip("resource", reason="needs limits on the size of files")
    command = [sys.executable, "-c", LIMITED, str(path), str(size), ending]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_a_torn_record_is_cut_off(tmp_path):
    lines = limited(tmp_path / "a", 25)
    assert (tmp_path / "a").read_bytes() == b"0123456789" * 2
    assert lines[0] == f"cannot write {tmp_path / 'a'}: the file is larger than the system allows"
    assert lines[1] == lines[0]
    assert "a: cut short after 2 frames" in lines[2]


def test_records_give_way_to_the_ending(tmp_path):
    limited(tmp_path / "a", 25, "]}end")
    assert (tmp_path / "a").read_bytes() == b"0123456789" * 2 + b"]}end"
    limited(tmp_path / "b", 24, "]}end")
    assert (tmp_path / "b").read_bytes() == b"0123456789" + b"]}end"


def test_a_file_without_a_whole_record_is_removed(tmp_path):
    lines = limited(tmp_path / "a", 5)
    assert not (tmp_path / "a").exists()
    assert "a: nothing written (" in lines[2]


PIPED = """
import sys
from tracker.errors import OutputClosed
from tracker.sinks.output_file import RecordFile
file = RecordFile("-")
file.begin("source")
try:
    for _ in range(100_000):
        file.append(b"a line\\n")
except OutputClosed as error:
    sys.stderr.write(str(error))
"""


@pytest.mark.skipif(os.name != "posix", reason="needs a pipe of POSIX")
def test_a_closed_reader_is_a_regular_end():
    command = [sys.executable, "-c", PIPED]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"a line\n"
        process.stdout.close()
        message = process.stderr.read()
    assert message == b"cannot write stdout: its reader has gone away"
    assert process.returncode == 0


def test_a_record_may_come_in_parts(tmp_path):
    file = RecordFile(str(tmp_path / "a"))
    file.begin("source")
    file.append_parts(iter([b"1", b"", b"2\n"]))
    file.append_parts([])
    file.close()
    assert (tmp_path / "a").read_bytes() == b"12\n"
    assert file.records == 2


def test_a_record_whose_parts_fail_is_taken_back(tmp_path):
    def torn():
        yield b"half a record"
        raise KeyError("the other half")

    file = RecordFile(str(tmp_path / "a"))
    file.begin("source")
    file.append(b"1\n")
    with pytest.raises(KeyError, match="the other half"):
        file.append_parts(torn())
    file.append(b"2\n")
    file.close()
    assert (tmp_path / "a").read_bytes() == b"1\n2\n"
    assert file.records == 2


def test_a_pipe_keeps_the_bytes_of_a_record_whose_parts_fail(capsysbinary):
    def torn():
        yield b"half"
        raise KeyError("the other half")

    file = RecordFile("-")
    file.begin("source")
    with pytest.raises(KeyError, match="the other half"):
        file.append_parts(torn())
    file.append(b" and a whole one")
    assert capsysbinary.readouterr().out == b"half and a whole one"
    assert file.records == 1
