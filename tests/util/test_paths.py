"""Why there is nothing at a path."""

from pathlib import Path

import pytest

from tracker.util.paths import missing_text, unreadable_text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Plaza.MP4").touch()
    (tmp_path / "street.mp4").touch()
    (tmp_path / "in.mp4 ").touch()
    (tmp_path / "link.mp4").symlink_to("nowhere.mp4")
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "gone").symlink_to("unmounted")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "link.mp4",
            "is a link to nowhere.mp4, which does not exist; create the link again, or name",
        ),
        ("a", "is a link to b, which leads back to itself"),
        ("gone/in.mp4", "does not exist: its directory FOLDER/gone is a link to unmounted, which"),
        ("none/in.mp4", "does not exist, and neither does its directory FOLDER/none"),
        ("street.mp4/in.mp4", "does not exist: FOLDER/street.mp4 is a file, not a directory"),
        ("plaza.mp4", "does not exist; did you mean 'Plaza.MP4'? Case and spaces count"),
        ("Plaza.MP4 ", "does not exist; did you mean 'Plaza.MP4'? Case and spaces count"),
        ("in.mp4", "does not exist; did you mean 'in.mp4 '? Case and spaces count"),
        ("steet.mp4", "does not exist; did you mean 'street.mp4'?"),
        ("zzz", "does not exist; nothing in FOLDER has a similar name"),
    ],
)
def test_what_is_missing(name: str, text: str, folder: Path) -> None:
    assert missing_text(folder / name).startswith(text.replace("FOLDER", str(folder)))


def test_the_folder_of_a_secret_address_is_masked() -> None:
    assert missing_text("rtsp:/me:pw@door/main").endswith("directory rtsp:/***@door")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (IsADirectoryError(), "expected a file, got a directory; name a file in it"),
        (PermissionError(), "permission denied; check its owner and mode with ls -l"),
        (OSError(5, "Input/output error"), "cannot be read: Input/output error"),
        (FileNotFoundError(), "is a link to nowhere.mp4, which does not exist"),
    ],
)
def test_what_cannot_be_read(error: OSError, text: str, folder: Path) -> None:
    assert unreadable_text(folder / "link.mp4", error).startswith(text)
