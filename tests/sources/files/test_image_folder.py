"""Still images as a source: order, kinds of images, MOT sequences, and plain errors."""

import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tracker.errors import SourceError
from tracker.sources.files.image_folder import ImageFolder
from tracker.util.opencv import cv2


def write(path: Path, image: np.ndarray) -> Path:
    """Writes an image (BGR); by way of bytes, so that any name works."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _, data = cv2.imencode(path.suffix, image)
    path.write_bytes(data.tobytes())
    return path


def grey(value: int, size: tuple[int, int] = (8, 12)) -> np.ndarray:
    return np.full((*size, 3), value, np.uint8)


def folder_of(path: Path, count: int) -> Path:
    for number in range(1, count + 1):
        write(path / f"img{number}.png", grey(number))
    return path


def values(source: Path | str, **arguments: float) -> list[tuple[int, int]]:
    with ImageFolder(source, **arguments) as images:
        return [(frame.index, int(frame.image[0, 0, 0])) for frame in images]


def write_sequence(path: Path, count: int, settings: str) -> Path:
    folder_of(path / "img1", count)
    (path / "seqinfo.ini").write_text(f"[Sequence]\nname=x\n{settings}", encoding="utf-8")
    return path


# --- order, time, start, stride ---


def test_one_image(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", grey(9))
    with ImageFolder(path) as images:
        assert images.info.frame_count == 1
        assert (images.info.width, images.info.height) == (12, 8)
        assert [(f.index, f.time_s, f.source) for f in images] == [(0, 0.0, str(path))]


def test_names_sort_by_their_numbers(tmp_path: Path) -> None:
    assert values(folder_of(tmp_path, 12)) == [(i, i + 1) for i in range(12)]


def test_times_are_exact(tmp_path: Path) -> None:
    rate = Fraction(30000, 1001)
    with ImageFolder(folder_of(tmp_path, 7), fps=rate) as images:
        assert images.info.fps == rate
        assert images.info.time_base == 1 / rate
        times = [f.time_s for f in images]
    assert times == [float(i / rate) for i in range(7)]
    assert [round(t / images.info.time_base) for t in times] == list(range(7))


def test_start_and_stride(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, 10)
    with ImageFolder(folder, fps=10, start_s=0.3, stride=3) as images:
        assert images.info.fps == Fraction(10, 3)
        assert images.info.frame_count == 3
        assert [(f.index, f.time_s) for f in images] == [(3, 0.3), (6, 0.6), (9, 0.9)]


def test_a_pattern_takes_what_matches(tmp_path: Path) -> None:
    folder_of(tmp_path, 3)
    write(tmp_path / "other.png", grey(99))
    (tmp_path / "img4.txt").write_text("no image")
    assert values(str(tmp_path / "img*")) == [(0, 1), (1, 2), (2, 3)]


def test_a_name_with_pattern_characters_is_taken_as_it_is(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "take[1]", 2)
    assert values(folder) == [(0, 1), (1, 2)]
    assert values(folder / "img2.png") == [(0, 2)]


def test_other_files_and_hidden_ones_are_ignored(tmp_path: Path) -> None:
    folder_of(tmp_path, 2)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "._img1.png").write_bytes(b"x")
    (tmp_path / "folder.png").mkdir()
    assert values(tmp_path) == [(0, 1), (1, 2)]


# --- kinds of images ---


def test_every_known_extension_is_read_in_rgb_from_any_name(tmp_path: Path) -> None:
    image = np.zeros((8, 12, 3), np.uint8)
    image[:] = (10, 100, 200)
    for suffix in (".jpg", ".JPEG", ".png", ".bmp", ".webp", ".tif", ".tiff"):
        path = tmp_path / f"größe{suffix}"
        _, data = cv2.imencode(suffix.lower(), image)
        path.write_bytes(data.tobytes())
        frame = next(iter(ImageFolder(path)))
        # 3 levels: JPEG and WebP are lossy.
        assert np.abs(frame.image.astype(int) - (200, 100, 10)).max() <= 3, suffix


def test_grey_transparent_and_deep_images_become_rgb(tmp_path: Path) -> None:
    alpha = np.zeros((8, 12, 4), np.uint8)
    alpha[:] = (10, 20, 30, 128)
    deep = np.zeros((8, 12, 3), np.uint16)
    deep[:] = (10 * 257, 20 * 257, 30 * 257)
    write(tmp_path / "1.png", np.full((8, 12), 77, np.uint8))
    write(tmp_path / "2.png", alpha)
    write(tmp_path / "3.png", deep)
    write(tmp_path / "4.tiff", np.full((8, 12), 77 * 257, np.uint16))
    with ImageFolder(tmp_path) as images:
        pixels = [f.image[3, 3].tolist() for f in images]
    assert pixels == [[77] * 3, [30, 20, 10], [30, 20, 10], [77] * 3]


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    image = np.zeros((16, 32, 3), np.uint8)
    image[:8, :16] = 255
    data = cv2.imencode(".jpg", image)[1].tobytes()
    # EXIF: one entry, tag 0x0112 (orientation), type short, value 6 = turn 90 degrees clockwise.
    tiff = b"MM\x00*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)
    segment = b"Exif\x00\x00" + tiff
    marker = b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment
    (tmp_path / "a.jpg").write_bytes(data[:2] + marker + data[2:])
    frame = next(iter(ImageFolder(tmp_path)))
    assert (frame.width, frame.height) == (16, 32)
    assert frame.image[4, 12].mean() > 240  # the white quarter is now at the top right
    assert frame.image[4, 4].mean() < 15


# --- MOT sequences ---


def test_a_sequence_gives_its_rate_from_either_folder(tmp_path: Path) -> None:
    sequence = write_sequence(tmp_path / "S", 3, "imDir=img1\nframeRate=14\nseqLength=3\n")
    for folder in (sequence, sequence / "img1"):
        with ImageFolder(folder) as images:
            assert images.info.fps == 14
            assert [f.index for f in images] == [0, 1, 2]


def test_another_folder_beside_seqinfo_is_a_plain_folder(tmp_path: Path) -> None:
    sequence = write_sequence(tmp_path / "S", 3, "imDir=img1\nframeRate=14\n")
    folder_of(sequence / "crops", 2)
    assert ImageFolder(sequence / "crops").info.fps == 30


def test_a_wrong_length_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sequence = write_sequence(tmp_path / "S", 3, "frameRate=14\nseqLength=5\n")
    assert len(values(sequence)) == 3
    assert "declares 5 images, found 3" in caplog.text


@pytest.mark.parametrize("settings", ["frameRate=0\n", "frameRate=fast\n"])
def test_a_bad_rate_in_seqinfo(tmp_path: Path, settings: str) -> None:
    with pytest.raises(SourceError, match="frameRate: expected a number > 0"):
        ImageFolder(write_sequence(tmp_path / "S", 1, settings))


def test_a_malformed_seqinfo(tmp_path: Path) -> None:
    folder_of(tmp_path, 1)
    (tmp_path / "seqinfo.ini").write_text("no section")
    with pytest.raises(SourceError, match=r"expected a \[Sequence\] section"):
        ImageFolder(tmp_path)


def test_a_sequence_without_its_folder(tmp_path: Path) -> None:
    (tmp_path / "seqinfo.ini").write_text("[Sequence]\nimDir=img1\n")
    with pytest.raises(SourceError, match="img1 does not exist"):
        ImageFolder(tmp_path)


# --- damage, closing, errors ---


def test_unreadable_images_leave_gaps(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    folder_of(tmp_path, 5)
    (tmp_path / "img1.png").write_bytes(b"")
    (tmp_path / "img3.png").write_bytes((tmp_path / "img3.png").read_bytes()[:40])
    (tmp_path / "img4.png").write_bytes(b"this is no image at all")
    with ImageFolder(tmp_path) as images:
        assert [(f.index, int(f.image[0, 0, 0])) for f in images] == [(1, 2), (4, 5)]
        assert images.skipped == 3
    assert [str(tmp_path / f"img{n}.png") in caplog.text for n in (1, 2, 3, 4, 5)] == [
        True,
        False,
        True,
        True,
        False,
    ]
    assert capfd.readouterr().err == ""


def test_a_differing_size_is_an_error(tmp_path: Path) -> None:
    folder_of(tmp_path, 2)
    write(tmp_path / "img3.png", grey(3, (10, 20)))
    with ImageFolder(tmp_path) as images, pytest.raises(SourceError, match=r"img3.*20x10.*12x8"):
        list(images)


def test_closing_ends_the_iteration(tmp_path: Path) -> None:
    images = ImageFolder(folder_of(tmp_path, 3))
    frames = iter(images)
    next(frames)
    images.close()
    images.close()
    assert list(frames) == []


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no image"):
        ImageFolder(tmp_path)


def test_a_folder_above_the_images(tmp_path: Path) -> None:
    folder_of(tmp_path / "left", 1)
    with pytest.raises(SourceError, match=r"the images are in .*left"):
        ImageFolder(tmp_path)


def test_no_match(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="matches this pattern"):
        ImageFolder(str(tmp_path / "*.jpg"))


def test_a_missing_folder_names_the_nearest(tmp_path: Path) -> None:
    folder_of(tmp_path / "frames", 1)
    with pytest.raises(SourceError, match="did you mean 'frames'"):
        ImageFolder(tmp_path / "framse")


def test_no_readable_image(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(SourceError, match=r"a\.png cannot be decoded as an image"):
        ImageFolder(tmp_path)


def test_a_file_that_is_no_image(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("x")
    with pytest.raises(SourceError, match=r"expected an image .* got \.txt"):
        ImageFolder(path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fps": 0}, "fps: expected a number > 0, got 0"),
        ({"fps": float("inf")}, "fps: expected a number > 0"),
        ({"stride": 0}, "stride: expected 1 or more"),
        ({"start_s": -1}, "start_s: expected seconds >= 0"),
        ({"start_s": 0.1}, r"cannot start at 0\.1 s: its 3 images last 0\.100 s"),
    ],
)
def test_wrong_arguments(tmp_path: Path, arguments: dict[str, float], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        ImageFolder(folder_of(tmp_path, 3), **arguments)
