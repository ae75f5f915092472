import os

import pytest

from tracker.inference.cache import cache_key, cached, library_version


class Maker:
    """Counts how often something had to be made."""

    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return b"content"


def test_made_once(tmp_path):
    path, make = tmp_path / "folder" / "file", Maker()
    assert [cached(path, make) for _ in range(3)] == [b"content"] * 3
    assert make.calls == 1
    assert os.listdir(path.parent) == ["file"]  # nothing temporary is left behind


@pytest.mark.parametrize("damage", [b"", b"content", b"tracker cache 1\n"])
def test_damaged_file_is_made_anew(tmp_path, caplog, damage):
    path, make = tmp_path / "file", Maker()
    path.write_bytes(damage)
    assert cached(path, make) == b"content"
    assert "damaged" in caplog.text
    assert cached(path, make) == b"content"
    assert make.calls == 1


def test_one_flipped_bit_is_damage(tmp_path, caplog):
    path, make = tmp_path / "file", Maker()
    cached(path, make)
    stored = bytearray(path.read_bytes())
    stored[-1] ^= 1
    path.write_bytes(stored)
    assert cached(path, make) == b"content"
    assert make.calls == 2


def test_failure_to_make_stores_nothing(tmp_path):
    def fail():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        cached(tmp_path / "folder" / "file", fail)
    assert not (tmp_path / "folder").exists()


def test_folder_that_cannot_be_made(tmp_path, caplog):
    (tmp_path / "folder").write_text("a file where a folder should be")
    make = Maker()
    assert cached(tmp_path / "folder" / "file", make) == b"content"
    assert "cannot be" in caplog.text


def test_folder_in_the_place_of_the_file(tmp_path, caplog):
    (tmp_path / "file").mkdir()
    assert cached(tmp_path / "file", Maker()) == b"content"
    assert "cannot be written" in caplog.text
    assert os.listdir(tmp_path) == ["file"]


def test_key_depends_on_every_part():
    keys = {cache_key({"a": 1, "b": 2}), cache_key({"a": 2, "b": 1}), cache_key({"a": 1})}
    assert len(keys) == 3
    assert cache_key({"b": 2, "a": 1}) in keys


def test_version_of_a_library_that_is_not_there():
    assert library_version("no-such-distribution") == "none"
