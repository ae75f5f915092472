"""Names of sources are distinct and hold no secrets."""

import pytest

from tracker.sources.source_names import source_names


@pytest.mark.parametrize(
    ("sources", "names"),
    [
        ([], []),
        (["0"], ["camera-0"]),
        (["0", "0", "1"], ["camera-0", "camera-0-2", "camera-1"]),
        (["a/in.mp4", "b/in.mkv", "in-2.mp4"], ["in", "in-2", "in-2-2"]),
        (["in.mp4", "IN.mp4"], ["in", "IN-2"]),  # some file systems ignore case
        (["MOT17-04/img1", "-"], ["MOT17-04", "stdin"]),
        (["rtsp://u:secret@door:554/a/b?token=x#y"], ["door_554-a-b"]),
        (["rtsp://door/main", "rtsp://door/main"], ["door-main", "door-main-2"]),
        (["http://u:p@ss/w@cam/../../etc"], ["cam-..-..-etc"]),
        (["seq/*.jpg", "a b.mp4"], ["_", "a_b"]),
    ],
)
def test_source_names_are_safe_and_distinct(sources: list[str], names: list[str]) -> None:
    assert source_names(sources) == names
    assert all("/" not in name and "secret" not in name for name in names)
