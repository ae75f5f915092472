"""`--blur` and `--blur-ids` as a user types them."""

from pathlib import Path

import numpy as np
import pytest

from tests.cli import call, failure, lines_of
from tests.conftest import write_clip
from tracker.cli.run.image_options import blur_settings
from tracker.errors import ConfigError
from tracker.sources.files.video_file import VideoFile

RECORDED = "".join(f"{n},-1,{20 + 2 * n},30,24,60,0.9,-1,-1,-1\n" for n in range(1, 13))


@pytest.fixture
def walk(tmp_path: Path) -> tuple[Path, Path]:
    """A clip of a striped object that moves over grey, and its detections as MOT text."""
    images = []
    for number in range(1, 13):
        image = np.full((120, 160, 3), 90, np.uint8)
        left = 19 + 2 * number  # MOT counts pixels from 1
        image[29:89, left : left + 24] = np.where(np.arange(24) // 4 % 2, 250, 5)[None, :, None]
        images.append(image)
    det = tmp_path / "det.txt"
    det.write_text(RECORDED)
    return write_clip(tmp_path / "walk.mp4", images), det


def contrast(path: Path) -> list[float]:
    """The standard deviation along the rows within the object, frame by frame."""
    found = []
    with VideoFile(str(path)) as video:
        for number, frame in enumerate(video, start=1):
            left = 19 + 2 * number
            found.append(float(frame.image[40:80, left : left + 24].std(axis=1).mean()))
    return found


def run(walk: tuple[Path, Path], *words: object) -> int:
    clip, det = walk
    return call(
        "run", clip, "--detections", det, "--no-progress", "--set", "draw.labels=none",
        "--set", "draw.trail_s=0", *words,
    )  # fmt: skip


def test_every_frame_is_hidden_and_the_tracks_in_json_are_the_same(
    walk: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, hidden = tmp_path / "plain.mp4", tmp_path / "hidden.mp4"
    assert run(walk, "--video", plain, "--json", tmp_path / "plain.jsonl") == 0
    assert run(
        walk, "--video", hidden, "--json", tmp_path / "hidden.jsonl", "--blur", "person",
        "--set", "blur.margin=0.2",
    ) == 0  # fmt: skip
    capsys.readouterr()
    assert min(contrast(plain)) > 80
    assert max(contrast(hidden)) < 45
    before, after = lines_of(tmp_path / "plain.jsonl"), lines_of(tmp_path / "hidden.jsonl")
    assert before[1:] == after[1:]
    assert after[0]["config"]["blur"] == {
        "classes": ["person"], "ids": [], "region": "object", "margin": 0.2,
    }  # fmt: skip
    assert before[0]["config"]["blur"]["classes"] == []


def test_ids_and_the_folder_of_outputs(
    walk: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(walk, "--save-dir", tmp_path / "out", "--blur-ids", "1") == 0
    assert max(contrast(tmp_path / "out" / "walk.mp4")) < 45
    assert run(walk, "--video", tmp_path / "other.mp4", "--blur-ids", "2,5") == 0
    capsys.readouterr()
    assert contrast(tmp_path / "other.mp4")[-1] > 70


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--blur", "person"],
            "--blur person: it changes the video, and none is written or shown; name an output "
            "with --video or --show",
        ),
        (["--blur-ids", "3,7", "--json", "{out}.jsonl"], "--blur-ids 3,7: it changes the video"),
        (
            ["--blur", "persn", "--video", "{out}.mp4"],
            "blur.classes: the detector does not know 'persn'; did you mean 'person'?",
        ),
        (
            ["--blur", "person,", "--video", "{out}.mp4"],
            "--blur 'person,': expected comma-separated names",
        ),
        (
            ["--blur", "person,face-region", "--video", "{out}.mp4"],
            "person hides the face too; leave one of them out",
        ),
        (["--blur-ids", "3;7", "--video", "{out}.mp4"], "expected ids of tracks with commas"),
        (["--blur-ids", "0", "--video", "{out}.mp4"], "blur.ids: expected ids of tracks, 1 or"),
        (
            ["--blur", "face-region", "--segmenter", "x.keras", "--video", "{out}.mp4"],
            "--segmenter x.keras: not needed",
        ),
        (["--blur", "person", "--segmenter", "x.keras", "--video", "{out}.mp4"], "does not exist"),
        (
            ["--set", "blur.region=face-region", "--video", "{out}.mp4"],
            "expected blur.classes or blur.ids beside it",
        ),
    ],
)
def test_wrong_use(
    walk: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    clip, det = walk
    words = [word.format(out=tmp_path / "out") for word in words]
    assert message in failure(capsys, "run", clip, "--detections", det, *words)
    assert not list(tmp_path.glob("out*"))


def test_class_that_is_filtered_out_would_be_visible(
    walk: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--classes", "car", "--blur", "person", "--video", tmp_path / "out.mp4"]
    message = failure(capsys, "run", walk[0], *words)
    assert "'person' is not among the classes that are detected (car)" in message


@pytest.mark.parametrize(
    ("blur", "ids", "settings"),
    [
        (None, None, {}),
        ("person", None, {"blur.classes": ("person",), "blur.region": "object"}),
        ("car, dog", None, {"blur.classes": ("car", "dog"), "blur.region": "object"}),
        ("face-region", None, {"blur.classes": ("person",), "blur.region": "face-region"}),
        (None, "3, 7", {"blur.ids": (3, 7)}),
    ],
)
def test_options_become_settings(blur, ids, settings) -> None:
    assert blur_settings(blur, ids) == settings


def test_face_and_whole_person_together_are_refused() -> None:
    with pytest.raises(ConfigError, match="person hides the face too"):
        blur_settings("face-region,person", None)
