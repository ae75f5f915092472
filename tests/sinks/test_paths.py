"""Paths as users type them: words in braces, two spellings of one file, outputs that are inputs."""

import os
from pathlib import Path

import pytest

from tracker.errors import ConfigError, OutputError
from tracker.sinks.paths import check_different, check_not_read, filled


@pytest.mark.parametrize(
    ("path", "result"),
    [
        ("", ""),
        ("out.jsonl", "out.jsonl"),
        ("{name}/{name}.jsonl", "door/door.jsonl"),
        ("{{name}}-{name}", "{name}-door"),
        ("a{b", "a{b"),
        ("a}b", "a}b"),
        ("{{{name}}}", "{door}"),
    ],
)
def test_the_word_in_braces_is_filled_in(path: str, result: str) -> None:
    assert filled(path, {"name": "door"}) == result


@pytest.mark.parametrize("path", ["{nme}.jsonl", "{}.jsonl", "{Name}.jsonl", "{name!r}", "{0}"])
def test_other_words_in_braces_are_an_error_with_the_known_ones(path: str) -> None:
    with pytest.raises(ConfigError, match=r"is unknown; expected \{name\}") as caught:
        filled(path, {"name": "door"})
    assert str(caught.value).startswith(path)


def test_a_word_that_is_filled_in_is_not_read_again() -> None:
    assert filled("{name}", {"name": "{nme}"}) == "{nme}"


def test_one_file_in_two_spellings_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "old").write_bytes(b"x")
    os.link("old", "hard")
    (tmp_path / "dangling").symlink_to("later")
    for first, second in (
        ("o.x", "o.x"),
        ("o.x", "./sub/../o.x"),
        ("o.x", str(tmp_path / "o.x")),
        ("real/o.x", "link/o.x"),
        ("real/new/o.x", "link/new/../new/o.x"),
        ("old", "hard"),
        ("later", "dangling"),
        ("-", "-"),
    ):
        with pytest.raises(ConfigError, match="two outputs cannot share one file"):
            check_different([first, "other", second])


def test_different_files_are_not_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    check_different(["o.x", "sub/o.x", "-", "./-", "O.y"])


def test_no_input_is_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "seq"
    (folder / "gt").mkdir(parents=True)
    for name in ("a.jpg", "seqinfo.ini", "gt/gt.txt", "old.jsonl"):
        (folder / name).write_bytes(b"x")
    names = tmp_path / "names.txt"
    names.write_bytes(b"x")
    os.link(names, tmp_path / "hard.txt")
    for path, read in (
        (names, names),
        (tmp_path / "hard.txt", names),
        (folder / "a.jpg", folder),
        (folder / "seqinfo.ini", folder),
        (folder / "gt" / "gt.txt", folder),
        (folder / "a.jpg", folder / "*.jpg"),
    ):
        with pytest.raises(OutputError, match="the run reads it"):
            check_not_read([str(path)], [str(read)])
    allowed = [str(folder / "old.jsonl"), str(folder / "new.jpg"), "-"]
    check_not_read(allowed, [str(folder), str(names), "small", "rtsp://door/main", "0", "\0"])
