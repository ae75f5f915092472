"""Embeddings as text and back."""

import base64

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tracker.errors import DataError
from tracker.track_files.embedding_base64 import decode_embedding, encode_embeddings


def test_no_rows_and_no_width() -> None:
    assert encode_embeddings(np.zeros((0, 4), np.float32)) == []
    assert encode_embeddings(np.zeros((2, 0), np.float32)) == [None, None]


def test_the_bytes_are_little_endian_halves() -> None:
    # 0.6 and 0.8 as halves: 0x38cd and 0x3a66 (IEEE 754, to nearest).
    (text,) = encode_embeddings(np.array([[3.0, 4.0]], np.float32))
    assert text is not None
    assert base64.b64decode(text) == bytes([0xCD, 0x38, 0x66, 0x3A])
    np.testing.assert_allclose(decode_embedding(text, 2), [0.6, 0.8], atol=5e-4)


def test_a_length_whose_square_overflows() -> None:
    assert encode_embeddings(np.array([[3e30, 0.0]], np.float32)) == ["ADwAAA=="]


@given(vectors=arrays(np.float32, (3, 16), elements=st.floats(-4, 4, width=32)))
def test_there_and_back_keeps_directions(vectors: np.ndarray) -> None:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    for vector, length, text in zip(vectors, lengths, encode_embeddings(vectors), strict=True):
        if text is None:
            assert not vector.any()
        elif length > 1e-3:
            back = decode_embedding(text, 16)
            assert abs(np.linalg.norm(back) - 1) < 1e-6
            assert 1 - back @ (vector / length) < 1e-3
            assert encode_embeddings(back[None])[0] is not None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "expected base64 text, got None"),
        ("!", "expected base64 text"),
        ("ADwA", "expected 2 float16 values"),
        ("AAAAAA==", "not all 0"),
        ("AHwAAA==", "finite"),  # 0x7c00 is infinity
    ],
)
def test_bad_text_is_refused(text: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        decode_embedding(text, 2)
