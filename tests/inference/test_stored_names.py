import json
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.inference.stored_names import archive_class_names, metadata_class_names

NAMES = ("person", "hot dog")


def with_archive(path: Path, entries: dict[str, str]) -> Path:
    """Writes something that is no network, with a ZIP archive behind it."""
    path.write_bytes(b"\x1c\x00\x00\x00TFL3" + bytes(100))
    with zipfile.ZipFile(path, "a") as archive:
        for name, text in entries.items():
            archive.writestr(name, text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "{0: 'person', 1: 'hot dog'}",
        "{1: 'hot dog', 0: 'person'}",
        '{"0": "person", "1": "hot dog"}',
        "['person', 'hot dog']",
        ' ["person", "hot dog"]\n',
    ],
)
def test_names_in_metadata(text: str) -> None:
    assert metadata_class_names({"stride": "32", "names": text}) == NAMES


@pytest.mark.parametrize(
    "text",
    [
        "",
        "person",
        "{}",
        "[]",
        "{0: 'person', 2: 'hot dog'}",
        "{1: 'person', 2: 'hot dog'}",
        "{0: 'person', '0': 'hot dog'}",
        "{0: 'person', 1: 5}",
        "{0: 'person', 1: ''}",
        "{'person': 0, 'hot dog': 1}",
        "__import__('os').getcwd()",
        "(" * 5000,
    ],
)
def test_what_is_no_list_of_names_is_none(text: str) -> None:
    assert metadata_class_names({"names": text}) is None


def test_no_metadata() -> None:
    assert metadata_class_names({}) is None


@given(names=st.lists(st.text(min_size=1), min_size=1, max_size=5).map(tuple))
def test_what_python_and_json_write_is_read(names: tuple[str, ...]) -> None:
    by_index = dict(enumerate(names))
    assert metadata_class_names({"names": repr(by_index)}) == names
    assert metadata_class_names({"names": json.dumps(by_index)}) == names


@pytest.mark.parametrize(
    "entries",
    [
        {"labelmap.txt": "person\nhot dog\n"},
        {"labelmap.txt": "person\r\nhot dog"},
        {"metadata.json": json.dumps({"names": {"0": "person", "1": "hot dog"}})},
        {"meta.txt": "{'stride': 32, 'names': {0: 'person', 1: 'hot dog'}}"},
        {"labels.txt": "person\nhot dog\n", "mean.bin": "\n"},
        {"labels.txt": "person\nhot dog\n", "metadata.json": '{"version": 1}'},
    ],
)
def test_names_in_the_archive_behind_a_tflite(entries: dict[str, str], tmp_path: Path) -> None:
    assert archive_class_names(with_archive(tmp_path / "x.tflite", entries)) == NAMES


@pytest.mark.parametrize(
    "entries",
    [
        {},
        {"labels.txt": ""},
        {"labels.txt": "person\n\nhot dog\n"},
        {"labels_de.txt": "Mensch\n", "labels_en.txt": "person\n"},
        {"metadata.json": '{"version": 1}'},
    ],
)
def test_archives_without_one_list_of_names(entries: dict[str, str], tmp_path: Path) -> None:
    assert archive_class_names(with_archive(tmp_path / "x.tflite", entries)) is None


def test_files_without_an_archive(tmp_path: Path) -> None:
    (tmp_path / "x.tflite").write_bytes(b"\x1c\x00\x00\x00TFL3")
    assert archive_class_names(tmp_path / "x.tflite") is None
    assert archive_class_names(tmp_path / "missing.tflite") is None


def test_a_damaged_archive_and_text_that_is_none(tmp_path: Path) -> None:
    path = with_archive(tmp_path / "x.tflite", {"labels.txt": "person\n"})
    content = path.read_bytes()
    path.write_bytes(content.replace(b"person", b"p\xff\xferso"))
    assert archive_class_names(path) is None
    (tmp_path / "y.tflite").write_bytes(content[:-10])
    assert archive_class_names(tmp_path / "y.tflite") is None
