"""Images with masks: what is read, and what is refused."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from tests.training.segment_scenes import write_pair
from tracker.errors import DataError, SourceError
from tracker.training.segmenter.data import (
    IGNORE,
    CachedSegments,
    Joined,
    MaskFolder,
    SegmentSample,
    count_pixels,
    read_mask,
    resized,
)
from tracker.util.opencv import cv2

GREY = np.full((3, 4, 3), 90, np.uint8)
MASK = np.array([[0, 0, 1, 1], [0, 2, 2, 255], [0, 0, 0, 0]], np.uint8)
NAMES = ("ground", "a", "b")


def png(path: Path, indices: np.ndarray, *, colour: int) -> Path:
    """Writes a PNG by hand: OpenCV writes no palettes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    height, width = indices.shape
    rows = b"".join(b"\0" + row.tobytes() for row in indices)
    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    palette = bytes(range(256)) * 3
    body = chunk(b"PLTE", palette) if colour == 3 else b""
    data = chunk(b"IHDR", head) + body + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    return path


class Listed:
    """Samples from a list; counts how often they were asked for."""

    def __init__(self, samples: list[SegmentSample]) -> None:
        self.samples, self.asked = samples, 0

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> SegmentSample:
        self.asked += 1
        return self.samples[index]


def test_no_image_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    with pytest.raises(SourceError, match="masks: no such folder"):
        MaskFolder(tmp_path / "images", NAMES)
    (tmp_path / "masks").mkdir()
    with pytest.raises(SourceError, match="expected images in it, found none"):
        MaskFolder(tmp_path / "images", NAMES)
    with pytest.raises(SourceError, match="a part of its path named 'images'"):
        MaskFolder(tmp_path / "masks", NAMES)


def test_one_image_with_its_mask(tmp_path: Path) -> None:
    write_pair(tmp_path, "x", GREY, MASK)
    folder = MaskFolder(tmp_path / "images", NAMES)
    assert len(folder) == 1
    np.testing.assert_array_equal(folder[0].image, GREY)
    np.testing.assert_array_equal(folder[0].mask, MASK)
    # 7 of ground, 2 of a, 2 of b, 1 to ignore.
    assert count_pixels(folder, 3).tolist() == [7, 2, 2]


def test_masks_by_palette_are_indices(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_mask(png(tmp_path / "p.png", MASK, colour=3)), MASK)
    np.testing.assert_array_equal(read_mask(png(tmp_path / "g.png", MASK, colour=0)), MASK)


def test_a_missing_mask(tmp_path: Path) -> None:
    write_pair(tmp_path, "x", GREY, MASK)
    write_pair(tmp_path, "y", GREY, MASK)
    (tmp_path / "masks" / "y.png").unlink()
    with pytest.raises(SourceError, match=r"y\.png: has no mask; expected .*masks/y\.png"):
        MaskFolder(tmp_path / "images", NAMES)


def test_a_mask_of_another_size(tmp_path: Path) -> None:
    write_pair(tmp_path, "x", GREY, MASK[:2])
    with pytest.raises(
        DataError, match=r"masks/x\.png: expected 4x3 pixels as x\.png has, got 4x2"
    ):
        MaskFolder(tmp_path / "images", NAMES)[0]


def test_a_class_without_a_name(tmp_path: Path) -> None:
    write_pair(tmp_path, "x", GREY, MASK)
    with pytest.raises(DataError, match="class 2 has no name, there are 2, counted from 0: ground"):
        MaskFolder(tmp_path / "images", NAMES[:2])[0]


def test_what_is_no_mask(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        read_mask(tmp_path / "none.png")
    (tmp_path / "text.png").write_text("hello, this is no image at all")
    with pytest.raises(DataError, match="got another file"):
        read_mask(tmp_path / "text.png")
    cv2.imwrite(str(tmp_path / "rgb.png"), GREY)
    with pytest.raises(DataError, match="got colours"):
        read_mask(tmp_path / "rgb.png")
    cv2.imwrite(str(tmp_path / "deep.png"), MASK.astype(np.uint16))
    with pytest.raises(DataError, match="got 16 bits of grey"):
        read_mask(tmp_path / "deep.png")
    for colour in (0, 3):
        cut = png(tmp_path / "cut.png", MASK, colour=colour).read_bytes()[:40]
        (tmp_path / "cut.png").write_bytes(cut)
        with pytest.raises(SourceError, match="cannot be decoded"):
            read_mask(tmp_path / "cut.png")


def test_a_sample_is_of_one_size() -> None:
    with pytest.raises(DataError, match=r"mask: expected shape \(3, 4\), got \(2, 4\)"):
        SegmentSample(GREY, MASK[:2])


def test_several_sets_one_after_the_other() -> None:
    samples = [SegmentSample(GREY, np.full((3, 4), n, np.uint8)) for n in range(3)]
    joined = Joined([Listed(samples[:1]), Listed(samples[1:])])
    assert [int(joined[n].mask[0, 0]) for n in range(len(joined))] == [0, 1, 2]
    with pytest.raises(IndexError):
        joined[3]


def test_samples_are_made_smaller_and_kept() -> None:
    big = SegmentSample(np.zeros((30, 60, 3), np.uint8), np.ones((30, 60), np.uint8))
    inner = Listed([big, big])
    cached = CachedSegments(inner, long_side=20, max_bytes=20 * 10 * 4)
    assert cached[0].size == (10, 20)
    cached[0]
    assert inner.asked == 1
    cached[1]
    cached[1]
    assert inner.asked == 3  # there was room for one


def test_resizing_never_mixes_classes() -> None:
    mask = np.where(np.arange(64).reshape(8, 8) % 3 == 0, 7, IGNORE).astype(np.uint8)
    sample = SegmentSample(np.zeros((8, 8, 3), np.uint8), mask)
    for side in (3, 5, 13):
        assert set(np.unique(resized(sample, width=side, height=side).mask)) <= {7, IGNORE}
    double = resized(sample, width=16, height=16).mask
    np.testing.assert_array_equal(double, mask.repeat(2, axis=0).repeat(2, axis=1))
