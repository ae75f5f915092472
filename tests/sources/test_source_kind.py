"""The kind of source that a text names."""

from pathlib import Path

import pytest

from tracker.errors import SourceError
from tracker.sources.source_kind import SourceKind, source_kind


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("0", SourceKind.CAMERA),
        ("12", SourceKind.CAMERA),
        ("/dev/video0", SourceKind.CAMERA),
        ("v4l2:///dev/video1", SourceKind.CAMERA),
        ("camera:HD Webcam", SourceKind.CAMERA),
        ("-", SourceKind.PIPE),
        ("rtsp://camera/stream", SourceKind.STREAM),
        ("HTTPS://me:pw@host/a.mp4", SourceKind.STREAM),
        ("udp://@239.0.0.1:5000", SourceKind.STREAM),
        ("./0", SourceKind.VIDEO_FILE),
        ("in.mp4", SourceKind.VIDEO_FILE),
        ("no/such/file", SourceKind.VIDEO_FILE),
        ("C:\\videos\\in.mp4", SourceKind.VIDEO_FILE),
        ("frame.JPG", SourceKind.IMAGES),
        ("frames/*.png", SourceKind.IMAGES),
        ("frames/img_[0-9].txt", SourceKind.IMAGES),
        ("img?.bmp", SourceKind.IMAGES),
    ],
)
def test_texts_that_name_nothing_on_disk(text: str, kind: SourceKind) -> None:
    assert source_kind(text) is kind


def test_existing_names_are_classified_by_what_they_are(tmp_path: Path) -> None:
    assert source_kind(str(tmp_path)) is SourceKind.IMAGES
    odd = tmp_path / "take[1]*.mp4"
    odd.write_bytes(b"x")
    assert source_kind(str(odd)) is SourceKind.VIDEO_FILE
    folder = tmp_path / "frames.mp4"
    folder.mkdir()
    assert source_kind(str(folder)) is SourceKind.IMAGES


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "got nothing"),
        ("  ", "got nothing"),
        ("-1", "camera index of 0 or more, got -1"),
        ("rtps://me:pw@camera/x", r"rtps://\*\*\*@camera/x: .* got 'rtps'; did you mean 'rtsps'"),
        ("ftp://host/a.mp4", "expected an address with http, https, .* got 'ftp'"),
        ("file:///tmp/a.mp4", "leave out 'file://'"),
    ],
)
def test_refused_sources(text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        source_kind(text)


def test_a_name_that_is_too_long_is_a_file_that_does_not_exist() -> None:
    # The system refuses to look at it, as it does behind a folder that may not be entered.
    assert source_kind("x" * 300) is SourceKind.VIDEO_FILE
    assert source_kind("x" * 300 + ".png") is SourceKind.IMAGES
