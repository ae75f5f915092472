"""YAML that is malformed, hostile or merely surprising: values, or one line with file and line."""

from pathlib import Path

import pytest

from tracker.errors import ConfigError
from tracker.util.yaml_text import LARGEST_FILE, parse_yaml_value, read_yaml

BOMB = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{chr(n + 1)}: &{chr(n + 1)} [{', '.join([f'*{chr(n)}'] * 10)}]\n" for n in range(97, 106)
)


def test_values_anchors_and_merge_keys(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(
        "\ufeffbase: &b {x: 1, y: [on, 2.5]}\nin: {n: &m {<<: *b, x: 2}}\ntop: {<<: *m, y: *b}\n"
    )
    base = {"x": 1, "y": [True, 2.5]}
    merged = {"x": 2, "y": [True, 2.5]}
    assert read_yaml(path) == {"base": base, "in": {"n": merged}, "top": {"x": 2, "y": base}}
    path.write_text("a: &a {x: 1}\nb: &b {x: 2, y: 2}\nc: {<<: [*a, *b], z: 3}\n")
    assert read_yaml(path)["c"] == {"x": 1, "y": 2, "z": 3}
    path.write_text("# nothing\n")
    assert read_yaml(path) == {}


def test_texts_are_taken_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("names: [no, 010, 1_0, 2020-01-01, ~]\nn: {1: no}\nother: [no]\n")
    assert read_yaml(path, texts=("names", "n")) == {
        "names": ["no", "010", "1_0", "2020-01-01", "~"],
        "n": {1: "no"},
        "other": [False],
    }


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        (b"a: 1\nb: 2\na: 3\n", 3, "key 'a' occurs twice, first in line 1"),
        (b"a: {b: 1,\n c: 2, b: 3}\n", 2, "key 'b' occurs twice, first in line 1"),
        (b"a: {b: 1, b: 1}\n", 1, "key 'b' occurs twice, first in line 1"),
        (b"- {yes: 1}\n- {1: 1,\n   on: 2}\n", 3, "key True occurs twice, first in line 2"),
        (b"a: 1\nb: [", 2, "not YAML: expected the node content"),
        (b"a: 1\n\tb: 2\n", 2, "not YAML: found character"),
        (b"a: " + b"[" * 10_000, 1, "expected at most 40 levels of nesting"),
        (b"\n".join(b" " * n + b"a:" for n in range(300)), 40, "expected at most 40 levels"),
        (b"a: &a\n- *a\n", 2, "expected no alias that contains itself"),
        (b"&a {b: {c: *a}}", 1, "expected no alias that contains itself"),
        (BOMB.encode(), 5, "expected at most 100000 values, aliases written out"),
        (b"a: 1\n---\nb: 2\n", 2, "not YAML: expected one document, got several"),
        (b"a: *b\n", 1, "not YAML: found undefined alias 'b'"),
        (b"a: 1\nb: !!python/object:os.system {}\n", 2, "could not determine a constructor"),
        (b"a: 1\nb: \xff\n", 2, "expected text in UTF-8, got other bytes"),
        (b"a: 1\nb: \x00\n", 2, "a character that YAML does not allow, #x0000"),
        (b"a: 1\n? [b]\n: 2\n", 2, "expected a word as key"),
        (b"a: 1\nb: 2001-99-99\n", 2, "'2001-99-99' cannot be read as timestamp"),
        (b"a: 1\nb: " + b"1" * 5000, 2, "cannot be read as int"),
        (b"a: 1\nb: {<<: 3}", 2, "expected keys, or a list of such, after '<<'"),
        (b"a: !!int ''", 1, "'' cannot be read as int"),
        (b"a: !!bool x", 1, "'x' cannot be read as bool"),
        (b"a: !!timestamp x", 1, "'x' cannot be read as timestamp"),
    ],
)
def test_errors_are_one_line(tmp_path: Path, content: bytes, line: int, message: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_yaml(path)
    text = str(caught.value)
    assert text.startswith(f"{path}, line {line}: ")
    assert message in text
    assert text.isprintable()
    assert len(text.replace(str(path), "")) < 250


def test_files_without_a_mapping_and_missing_files(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    for content, message in (("- 1\n", "got a list"), ("text", "got a str"), ("3", "got a int")):
        path.write_text(content)
        with pytest.raises(ConfigError, match=f"expected keys and values, {message}"):
            read_yaml(path)
    path.write_text("#" * (LARGEST_FILE + 1))
    with pytest.raises(ConfigError, match="expected at most 1048576 bytes"):
        read_yaml(path)
    with pytest.raises(ConfigError, match="got a directory"):
        read_yaml(tmp_path)
    with pytest.raises(ConfigError, match="cannot be read: embedded null byte"):
        read_yaml("a\0b")


def test_a_file_with_a_section_twice(tmp_path: Path) -> None:
    path = tmp_path / "twice.yaml"
    path.write_text("tracking:\n  max_age_frames: 60\ntracking:\n  min_iou: 0.2\n")
    with pytest.raises(ConfigError, match=r"line 3: key 'tracking' occurs twice, first in line 1"):
        read_yaml(path)


def test_a_word() -> None:
    assert parse_yaml_value("3") == 3
    assert parse_yaml_value("'3'") == "3"
    assert parse_yaml_value("") is None
    with pytest.raises(ConfigError, match="not YAML"):
        parse_yaml_value("{")
