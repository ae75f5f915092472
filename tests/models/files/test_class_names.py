"""Class names, and the digest of a file."""

import pytest

from tracker.errors import ModelError
from tracker.models.files.class_names import read_class_names
from tracker.models.files.digest import file_digest


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (b"person", ("person",)),
        (b"person\ntraffic light\n", ("person", "traffic light")),
        (b"\xef\xbb\xbf person \r\ncaf\xc3\xa9\r\n\r\n\n", ("person", "caf\u00e9")),
    ],
)
def test_names(data, names, tmp_path):
    (tmp_path / "a.names").write_bytes(data)
    assert read_class_names(tmp_path / "a.names") == names


def test_repeated_names_are_numbered(tmp_path, caplog):
    (tmp_path / "a.names").write_bytes(b"empty\r\ncar\r\nempty\r\nempty (2)\r\nempty\r\n")
    names = ("empty", "car", "empty (3)", "empty (2)", "empty (4)")
    assert read_class_names(tmp_path / "a.names") == names
    (record,) = caplog.records
    assert "a.names: repeated names are numbered: 'empty (3)', 'empty (4)'" in (record.getMessage())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "0 bytes"),
        (b" \n\n", "got only blanks"),
        (b"a\n\nb\n", ":2: expected a name, got an empty line"),
        (b"\xff\xfe", "expected UTF-8 text"),
    ],
)
def test_bad_names(data, message, tmp_path):
    (tmp_path / "a.names").write_bytes(data)
    with pytest.raises(ModelError, match=message):
        read_class_names(tmp_path / "a.names")


@pytest.mark.parametrize(("name", "message"), [("none", "does not exist"), (".", "a directory")])
def test_no_file(name, message, tmp_path):
    for read in (read_class_names, file_digest):
        with pytest.raises(ModelError, match=message):
            read(tmp_path / name)


def test_digest_is_sha256(tmp_path):
    # FIPS 180-2, appendix B.1.
    (tmp_path / "a").write_bytes(b"abc")
    assert file_digest(tmp_path / "a") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
