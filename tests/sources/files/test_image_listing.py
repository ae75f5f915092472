"""Folders and patterns with videos in place of images, or empty ones."""

import logging
from pathlib import Path

import pytest

from tests.stream_server import jpeg
from tracker.errors import SourceError
from tracker.sources.files.image_listing import list_images


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("videos", "my videos", "mixed", "texts"):
        (tmp_path / name).mkdir()
    for name in ("videos/a.mp4", "videos/b.MP4", "my videos/a.avi", "mixed/a.mp4", "texts/a.txt"):
        (tmp_path / name).touch()
    (tmp_path / "mixed" / "1.jpg").write_bytes(jpeg(100))
    return tmp_path


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("videos", "one with 2 videos; .*: tracker run videos/[*] --save-dir out$"),
        ("my videos", "one with 1 video; .*: tracker run 'my videos'/[*].avi --save-dir out$"),
        (
            "videos/*",
            "got 2 videos; leave the quotes out.*: tracker run videos/[*] --save",
        ),
        ("videos/*.mp4", "this pattern matches one video; name it: videos/a.mp4$"),
        ("texts/*", "1 names match this pattern, none of them an image"),
        ("videos/*.mov", "nothing matches this pattern"),
        ("none/*.jpg", "^none: does not exist"),
        ("texts", "holds no image"),
    ],
)
def test_the_message_names_the_files_found_instead_of_images(source: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        list_images(source)


@pytest.mark.parametrize("source", ["mixed", "mixed/*"])
def test_videos_beside_images_are_reported(source: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert [path.name for path in list_images(source).files] == ["1.jpg"]
    assert caplog.messages == [f"{source}: 1 video beside the images: left out"]
