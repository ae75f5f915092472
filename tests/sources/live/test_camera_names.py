"""The camera that a text names."""

from pathlib import Path

import pytest

from tracker.errors import SourceError
from tracker.sources.live.camera_names import camera_index, is_camera


def system(folder: Path, nodes: dict[int, tuple[str, int]]) -> Path:
    for number, (name, index) in nodes.items():
        node = folder / f"video{number}"
        node.mkdir()
        (node / "name").write_text(f"{name}\n")
        (node / "index").write_text(f"{index}\n")
    return folder


@pytest.mark.parametrize(
    ("text", "index"), [("0", 0), ("/dev/video2", 2), ("v4l2:///dev/video10", 10)]
)
def test_numbers_and_device_files(text: str, index: int) -> None:
    assert is_camera(text)
    assert camera_index(text) == index


@pytest.mark.parametrize(
    "text", ["", "-1", "./0", "in.mp4", "/dev/video", "/dev/videox", "cameras:1"]
)
def test_other_words(text: str) -> None:
    assert not is_camera(text)
    with pytest.raises(SourceError, match="expected a camera"):
        camera_index(text)


def test_names_whole_or_in_part_and_without_metadata_nodes(tmp_path: Path) -> None:
    nodes = {0: ("HD Webcam", 0), 1: ("HD Webcam", 1), 2: ("HD Webcam Pro", 0), 10: ("Desk", 0)}
    folder = system(tmp_path, nodes)
    (tmp_path / "video7").mkdir()  # a node without a name
    assert camera_index("camera:HD Webcam", system=folder) == 0
    assert camera_index("CAMERA: hd webcam pro", system=folder) == 2
    assert camera_index("camera:desk", system=folder) == 10
    assert camera_index("camera:pro", system=folder) == 2
    assert is_camera("camera:anything")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("camera:web", r"several cameras: 0 \(HD Webcam\), 2 \(HD Webcam Pro\); give the number"),
        ("camera:hd webcom", r"no camera has this name; did you mean 'hd webcam'\?; found 0 \(HD"),
        ("camera:", "found HD Webcam, HD Webcam Pro"),
    ],
)
def test_names_that_name_no_camera_or_many(tmp_path: Path, text: str, message: str) -> None:
    folder = system(tmp_path, {0: ("HD Webcam", 0), 2: ("HD Webcam Pro", 0)})
    with pytest.raises(SourceError, match=message):
        camera_index(text, system=folder)


def test_no_camera_at_all(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="camera:x: expected camera:NAME"):
        camera_index("camera:x", system=tmp_path / "nothing")


def test_a_link_that_leads_nowhere() -> None:
    with pytest.raises(SourceError, match="leads to no camera"):
        camera_index("/dev/v4l/by-id/none-of-this-name")
