import json
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.inference.name_lists import numbered_names
from tracker.inference.stored_names import (
    NOTHING_STORED,
    StoredFacts,
    archive_facts,
    folder_facts,
    metadata_facts,
)

NAMES = ("person", "hot dog")


def with_archive(path: Path, entries: dict[str, str]) -> Path:
    """Writes bytes that are no network, followed by a ZIP archive."""
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
    assert metadata_facts({"stride": "32", "names": text}).class_names == NAMES


@pytest.mark.parametrize(
    "text",
    [
        "",
        "person",
        "{}",
        "[]",
        "{0: 'person', '0': 'hot dog'}",
        "{'person': 0, 'hot dog': 1}",
        "{0: None, 1: []}",
        "{0: 'person', 999999999: 'hot dog'}",
        "{0: 'person', -1: 'hot dog'}",
        "__import__('os').getcwd()",
        "(" * 5000,
        "{[]}",
    ],
)
def test_values_that_are_not_name_lists_give_none(text: str) -> None:
    assert metadata_facts({"names": text}).class_names is None


@pytest.mark.parametrize(
    ("text", "names", "message"),
    [
        ("{0: 'a', 2: 'c'}", ("a", "class_1", "c"), "no names for the classes 1:"),
        ("{1: 'b', 2: 'c'}", ("class_0", "b", "c"), "no names for the classes 0:"),
        ('{"0": "a", "3": "d"}', ("a", "class_1", "class_2", "d"), "for the classes 1, 2:"),
        ("{0: 'a', 1: ''}", ("a", "class_1"), "no names for the classes 1:"),
        ("['a', None, ' c ']", ("a", "class_1", "c"), "no names for the classes 1:"),
        ("['a', 'b', 'a']", ("a", "b", "a (2)"), "repeated names are numbered: 'a (2)'"),
        ("{0: 'class_1', 2: 'c'}", ("class_1", "class_1 (2)", "c"), "numbered: 'class_1 (2)'"),
    ],
)
def test_gaps_are_filled_and_repeated_names_numbered(
    text: str, names: tuple[str, ...], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert metadata_facts({"names": text}, what="a.onnx").class_names == names
    assert message in caplog.text
    assert "a.onnx" in caplog.text


def test_numbers_are_valid_names() -> None:
    assert metadata_facts({"names": "{0: 0, 1: 7.5}"}).class_names == ("0", "7.5")


@pytest.mark.parametrize(
    ("metadata", "task", "values"),
    [
        ({"task": "pose", "kpt_shape": "[17, 3]"}, "pose", 51),
        ({"task": " OBB "}, "obb", None),
        ({"task": "pose", "kpt_shape": [4, 2]}, "pose", 8),
        ({"task": "pose", "kpt_shape": "[17, -3]"}, "pose", None),
        ({"task": "pose", "kpt_shape": "[[]]"}, "pose", None),
        ({"task": ""}, None, None),
        ({"task": 3}, None, None),
    ],
)
def test_tasks(metadata: dict[str, object], task: str | None, values: int | None) -> None:
    assert metadata_facts(metadata) == StoredFacts(None, task, values)


def test_task_in_the_archive_of_a_tflite(tmp_path: Path) -> None:
    text = json.dumps({"task": "pose", "kpt_shape": [17, 3], "names": {"0": "person"}})
    path = with_archive(tmp_path / "x.tflite", {"metadata.json": text})
    assert archive_facts(path) == StoredFacts(("person",), "pose", 51)


def test_the_metadata_of_a_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert folder_facts(tmp_path) == NOTHING_STORED
    file = tmp_path / "metadata.yaml"
    file.write_text("task: segment\nnames:\n  0: person\n  1: no\n")
    assert folder_facts(tmp_path) == StoredFacts(("person", "no"), "segment", None)
    for text in ("task: [", "[" * 5000, "a: &a [*a]", "names: {0: a, 0: b}"):
        caplog.clear()
        file.write_text(text)
        assert folder_facts(tmp_path) == NOTHING_STORED
        assert "metadata.yaml" in caplog.text


def test_entry_with_a_false_declared_size(tmp_path: Path) -> None:
    path = with_archive(tmp_path / "x.tflite", {"labels.txt": "a" * (3 << 20)})
    assert archive_facts(path) == NOTHING_STORED
    lied = path.read_bytes().replace((3 << 20).to_bytes(4, "little"), (9).to_bytes(4, "little"))
    path.write_bytes(lied)
    assert archive_facts(path) == NOTHING_STORED


def test_no_metadata() -> None:
    assert metadata_facts({}).class_names is None


@given(
    names=st.lists(
        st.text(min_size=1).map(str.strip).filter(bool), min_size=1, max_size=5, unique=True
    ).map(tuple)
)
def test_names_written_by_python_and_json_are_read(names: tuple[str, ...]) -> None:
    by_index = dict(enumerate(names))
    assert metadata_facts({"names": repr(by_index)}).class_names == names
    assert metadata_facts({"names": json.dumps(by_index)}).class_names == names


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
def test_names_in_the_archive_of_a_tflite(entries: dict[str, str], tmp_path: Path) -> None:
    assert archive_facts(with_archive(tmp_path / "x.tflite", entries)).class_names == NAMES


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
    assert archive_facts(with_archive(tmp_path / "x.tflite", entries)).class_names is None


def test_files_without_an_archive(tmp_path: Path) -> None:
    (tmp_path / "x.tflite").write_bytes(b"\x1c\x00\x00\x00TFL3")
    assert archive_facts(tmp_path / "x.tflite").class_names is None
    assert archive_facts(tmp_path / "missing.tflite").class_names is None


def test_damaged_archive_and_undecodable_text(tmp_path: Path) -> None:
    path = with_archive(tmp_path / "x.tflite", {"labels.txt": "person\n"})
    content = path.read_bytes()
    path.write_bytes(content.replace(b"person", b"p\xff\xferso"))
    assert archive_facts(path).class_names is None
    (tmp_path / "y.tflite").write_bytes(content[:-10])
    assert archive_facts(tmp_path / "y.tflite").class_names is None


def test_thousands_of_equal_names_are_numbered_in_a_line_of_limited_length(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # In time that grows with their number, not with its square.
    names = numbered_names(["x" * 5000] * 3 + ["b"] * 30_000, what="a.onnx")
    assert len(set(names)) == len(names) == 30_003
    assert names[-1] == "b (30000)"
    assert len(caplog.text) < 500
