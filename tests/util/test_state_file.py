"""States as bytes: damage is one line."""

import io
import zipfile

import numpy as np
import pytest

from tracker.errors import DataError
from tracker.util.state_file import state_bytes, state_from


def test_a_state_is_read_back() -> None:
    found = state_from(state_bytes({"a": np.arange(3), "b": [1, {"c": None}], "d": "x"}))
    assert found["a"].tolist() == [0, 1, 2]
    assert (found["b"], found["d"]) == ([1, {"c": None}], "x")


def test_a_member_that_is_no_array_is_damage() -> None:
    # NumPy returns the bytes of a member whose name does not end in `.npy`.
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("tree", "{}")
    with pytest.raises(DataError, match="damaged: ValueError: member 'tree' is no array"):
        state_from(stream.getvalue())


def test_the_message_is_one_short_line_whatever_the_library_quotes() -> None:
    data = state_bytes({"a": 1})
    start = data.index(b"tree.npy")
    damaged = data[:start] + b"\xef" * 600 + data[start + 600 :]
    with pytest.raises(DataError) as caught:
        state_from(damaged)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


def test_a_header_in_an_old_form_is_read_without_a_warning() -> None:
    data = state_bytes({"a": np.arange(3)})
    old = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(old, "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name).replace(b"(3,), ", b"(3L,),"))
    found = state_from(old.getvalue())
    assert isinstance(found, dict)
    assert np.array_equal(found["a"], np.arange(3))
