"""This package's archives: Keras's file with a description in it, written atomically."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tracker.errors import ModelError, OutputError
from tracker.models.files.archive import (
    load_weights,
    parse_text,
    read_names,
    read_text,
    write_archive,
)
from tracker.models.files.tflite import MEMBER

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

TEXT = '{"class_names": ["a", "ö"]}'


def network(value: float = 1.0, units: int = 3) -> keras.Model:
    image = keras.Input((2,), name="x")
    made = keras.Model(image, keras.layers.Dense(units, name="dense")(image))
    made.set_weights([np.full(w.shape, value, np.float32) for w in made.get_weights()])
    return made


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "a.keras"
    write_archive(network(), path, TEXT)
    return path


def read(path: Path) -> bytes:
    return read_text(path, what="detector", wanted="a detector of this package")


def copied(path: Path, target: Path, *, without: str = "", **more: str) -> Path:
    """The archive without a member, and with others."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            if name != without:
                new.writestr(name, old.read(name))
        for name, text in more.items():
            new.writestr(name, text)
    return target


# --- round trip ---


def test_description_and_weights_are_read_back(whole: Path) -> None:
    assert read(whole) == TEXT.encode()
    assert parse_text(whole, read(whole), read_names, what="detector") == ("a", "ö")
    other = network(0.0)
    load_weights(other, whole, what="detector", described="nano")
    for weights in other.get_weights():
        np.testing.assert_array_equal(weights, np.ones_like(weights))


def test_keras_itself_reads_the_file(whole: Path) -> None:
    loaded = keras.models.load_model(whole)
    given = np.array([[2, 3]], np.float32)
    np.testing.assert_allclose(loaded.predict(given, verbose=0), [[6, 6, 6]])


def test_the_description_is_the_same_member_whenever_it_was_written(
    whole: Path, tmp_path: Path
) -> None:
    """Its date is fixed, 1980-01-01, and it is the last member."""
    write_archive(network(), tmp_path / "b.keras", TEXT)
    for path in (whole, tmp_path / "b.keras"):
        with zipfile.ZipFile(path) as archive:
            assert archive.namelist()[-1] == MEMBER
            assert archive.getinfo(MEMBER).date_time == (1980, 1, 1, 0, 0, 0)


def test_writing_replaces_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    path = tmp_path / "a.keras"
    path.write_text("old")
    write_archive(network(), path, TEXT)
    assert read(path) == TEXT.encode()
    write_archive(network(), path, "{}")
    assert read(path) == b"{}"
    assert [p.name for p in tmp_path.iterdir()] == ["a.keras"]


class Unwritable(keras.layers.Layer):
    """A layer that cannot be saved."""

    def get_config(self) -> dict[str, Any]:
        raise OSError(28, "No space left on device")

    def call(self, x: Any) -> Any:
        return x


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.keras"
    write_archive(network(), path, TEXT)
    before = path.read_bytes()
    image = keras.Input((2,))
    with pytest.raises(OutputError, match=r"a\.keras") as caught:
        write_archive(keras.Model(image, Unwritable()(image)), path, TEXT)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.keras"]


def test_paths_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "folder.keras").mkdir()
    for name in ("none/a.keras", "folder.keras"):
        with pytest.raises(OutputError, match=name):
            write_archive(network(), tmp_path / name, TEXT)
    with pytest.raises(ModelError, match=r"a\.h5: expected a name that ends in \.keras"):
        write_archive(network(), tmp_path / "a.h5", TEXT)
    assert [p.name for p in tmp_path.iterdir()] == ["folder.keras"]


# --- what is read ---


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no archive", "expected a .keras archive, got something else"),
        (b"\x89HDF\r\n\x1a\n" + bytes(500), "of Keras 3, got an HDF5 file"),
        (b"PK\x03\x04" + bytes(500), "cut short or damaged; copy it again"),
        (b"", "0 bytes"),
    ],
)
def test_files_that_are_no_archive(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.keras"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=message) as caught:
        read(path)
    assert str(caught.value).startswith(f"detector {path}: ")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_an_archive_that_is_cut_short(whole: Path, tmp_path: Path, share: float) -> None:
    content = whole.read_bytes()
    (tmp_path / "a.keras").write_bytes(content[: int(share * len(content))])
    with pytest.raises(ModelError, match="copy it again"):
        read(tmp_path / "a.keras")


def test_one_changed_byte_in_the_weights_is_found(whole: Path, tmp_path: Path) -> None:
    content = bytearray(whole.read_bytes())
    with zipfile.ZipFile(whole) as archive:
        member = archive.getinfo("model.weights.h5")
    content[member.header_offset + 30 + len(member.filename) + member.compress_size // 2] ^= 1
    (tmp_path / "a.keras").write_bytes(content)
    with pytest.raises(ModelError, match="damaged; copy it again"):
        read(tmp_path / "a.keras")


def test_other_archives(whole: Path, tmp_path: Path) -> None:
    plain = copied(whole, tmp_path / "plain.keras", without=MEMBER)
    with pytest.raises(
        ModelError, match="expected a detector of this package, got another Keras model"
    ):
        read(plain)
    empty = copied(whole, tmp_path / "empty.keras", without="model.weights.h5")
    with pytest.raises(
        ModelError, match="expected a detector of this package, got another archive"
    ):
        read(empty)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{", "is malformed: "),
        (b"\xff", "is malformed: "),
        (b"[]", "is malformed: "),
        (b"{}", "is malformed: KeyError: 'class_names'"),
        (b'{"class_names": "ab"}', "class names: expected a list of names, got 'ab'"),
        (b'{"class_names": ["a", 1]}', r"class names: expected a list of names, got \['a', 1\]"),
    ],
)
def test_descriptions_that_are_malformed(tmp_path: Path, text: bytes, message: str) -> None:
    path = tmp_path / "a.keras"
    with pytest.raises(ModelError, match=message) as caught:
        parse_text(path, text, read_names, what="detector")
    assert str(caught.value).startswith(f"detector {path}: ")
    assert "\n" not in str(caught.value)


def test_version_error_names_the_path(tmp_path: Path) -> None:
    def of_version_one(record: Mapping[str, Any]) -> int:
        if record["version"] != 1:
            raise ModelError(f"expected version 1, got {record['version']}")
        return 1

    path = tmp_path / "a.keras"
    assert parse_text(path, b'{"version": 1}', of_version_one, what="detector") == 1
    with pytest.raises(ModelError) as caught:
        parse_text(path, json.dumps({"version": 2}).encode(), of_version_one, what="detector")
    assert str(caught.value) == f"detector {path}: expected version 1, got 2"


def test_weights_of_another_shape(whole: Path) -> None:
    wide = network(units=4)
    with pytest.raises(ModelError, match="its weights are not those of nano: ") as caught:
        load_weights(wide, whole, what="detector", described="nano")
    assert "\n" not in str(caught.value)


def test_wrong_names_are_shown_in_a_line_of_limited_length() -> None:
    with pytest.raises(ModelError, match="class names: expected a list of names") as caught:
        read_names({"class_names": [*("person",) * 500, [[1] * 500]]})
    assert len(str(caught.value)) < 300
