"""A MOT sequence without images: frames that are black, numbered and timed."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tracker.errors import SourceError
from tracker.sources.files.blank import BlankSequence, has_no_images


def sequence(folder: Path, **changes: str | None) -> Path:
    """A folder with a `seqinfo.ini`; `None` leaves a key out."""
    keys: dict[str, str | None] = {
        "name": "S", "imDir": "img1", "frameRate": "10", "seqLength": "5",
        "imWidth": "64", "imHeight": "48", "imExt": ".jpg",
    }  # fmt: skip
    lines = [f"{k}={v}" for k, v in {**keys, **changes}.items() if v is not None]
    folder.mkdir(exist_ok=True)
    (folder / "seqinfo.ini").write_text("\n".join(["[Sequence]", *lines]))
    return folder


def test_all_frames_share_one_black_image(tmp_path: Path) -> None:
    with BlankSequence(str(sequence(tmp_path))) as source:
        info, frames = source.info, list(source)
    assert (info.width, info.height, info.fps, info.frame_count) == (64, 48, 10, 5)
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert [frame.time_s for frame in frames] == [0.0, 0.1, 0.2, 0.3, 0.4]
    assert frames[0].image.shape == (48, 64, 3)
    assert not frames[0].image.any()
    assert all(np.shares_memory(frame.image, frames[0].image) for frame in frames)
    assert source.skipped == 0


def test_start_and_stride_keep_numbers(tmp_path: Path) -> None:
    source = BlankSequence(str(sequence(tmp_path)), start_s=0.1, stride=2)
    assert [frame.index for frame in source] == [1, 3]
    assert source.info.fps == 5
    assert source.info.time_base == Fraction(1, 10)
    assert source.info.frame_count == 2


def test_closing_ends_the_iteration(tmp_path: Path) -> None:
    source = BlankSequence(str(sequence(tmp_path)))
    frames = iter(source)
    next(frames)
    source.close()
    assert list(frames) == []


def test_a_sequence_has_images_or_not(tmp_path: Path) -> None:
    folder = sequence(tmp_path / "S")
    assert has_no_images(str(folder))
    (folder / "img1").mkdir()
    (folder / "img1" / "._000001.jpg").touch()
    assert has_no_images(str(folder))
    (folder / "img1" / "000001.JPG").touch()
    assert not has_no_images(str(folder))
    assert not has_no_images(str(tmp_path))  # no seqinfo.ini: a folder of images, or a mistake


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frameRate": None}, "frameRate is missing"),
        ({"frameRate": "0"}, "frameRate: expected a number > 0"),
        ({"imWidth": None}, "imWidth: expected a whole number from 1, got nothing"),
        ({"imHeight": "-4"}, "imHeight: expected a whole number from 1, got -4"),
        ({"seqLength": "many"}, "seqLength: expected a whole number from 1, got many"),
    ],
)
def test_an_incomplete_file_is_refused(
    tmp_path: Path, changes: dict[str, str | None], message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        BlankSequence(str(sequence(tmp_path, **changes)))


def test_bad_arguments_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"got no seqinfo\.ini"):
        BlankSequence(str(tmp_path))
    folder = str(sequence(tmp_path))
    with pytest.raises(SourceError, match=r"cannot start at 9 s: its 5 frames last 0\.500 s"):
        BlankSequence(folder, start_s=9)
    with pytest.raises(SourceError, match=r"stride >= 1, got 0\.0 and 0"):
        BlankSequence(folder, stride=0)
