"""The best images of each track: which are chosen, and how the folder is kept."""

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tests.sinks.results import CONFIRMED, TENTATIVE, make_result, make_run, make_tracks
from tracker.errors import ConfigError, OutputError, OutputTakenError
from tracker.sinks.crop_files import COLUMNS, CropSink
from tracker.sinks.crop_quality import sharpness, visible_quality
from tracker.sinks.place import Existing
from tracker.util.opencv import cv2

WIDTH, HEIGHT = 320, 240
RUN = make_run(width=WIDTH, height=HEIGHT)
NOISE = np.repeat(
    np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 1)).astype(np.uint8), 3, axis=2
)


def result(index: int, *rows, image=NOISE):
    tracks = make_tracks(*rows)
    return make_result(index, tracks, run=RUN, image=image)


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "crops.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_quality_by_hand() -> None:
    boxes = np.array([[0, 0, 128, 128], [64, 0, 192, 128], [-10, -10, -1, -1]], np.float32)
    found = visible_quality(boxes, np.full(3, 0.5, np.float32), width=640, height=480)
    # Half of each of the first two is covered; the third is outside.
    np.testing.assert_allclose(found, [0.5 * 0.5 * 0.25, 0.5 * 0.5 * 0.25, 0])
    cut = np.array([[-64, 0, 64, 128]], np.float32)
    one = visible_quality(cut, np.ones(1, np.float32), width=640, height=480)
    np.testing.assert_allclose(one, np.sqrt(64 * 128) / 256 * 0.25)
    assert visible_quality(
        np.zeros((0, 4), np.float32), np.zeros(0, np.float32), width=1, height=1
    ).shape == (0,)


def test_a_blurred_crop_is_less_sharp() -> None:
    crop = NOISE[:128, :64]
    values = [sharpness(cv2.GaussianBlur(crop, (0, 0), sigma)) for sigma in (0.5, 2, 8)]
    assert 1 > sharpness(crop) > values[0] > values[1] > values[2] > 0


def test_the_largest_sharp_and_uncovered_image_is_kept(tmp_path: Path) -> None:
    blurred = cv2.GaussianBlur(NOISE, (0, 0), 9)
    with CropSink(str(tmp_path / "a")) as sink:
        sink.write(result(0, (7, [10, 10, 30, 50], CONFIRMED)))
        sink.write(result(1, (7, [100, 40, 180, 200], CONFIRMED)))  # the best
        sink.write(result(2, (7, [100, 40, 190, 210], CONFIRMED), image=blurred))
        sink.write(
            result(3, (7, [100, 40, 190, 210], CONFIRMED), (8, [90, 30, 200, 220], CONFIRMED))
        )
        sink.write(result(4, (7, [260, 40, 400, 300], CONFIRMED)))  # mostly outside
        assert sink.status == f"{tmp_path / 'a'}: 2 images of 2 tracks"
    rows = table(tmp_path / "a")
    assert tuple(rows[0]) == COLUMNS
    best = rows[0]
    assert (best["file"], best["id"], best["class"], best["frame"]) == (
        *("track-000007.jpg", "7", "person", "1"),
    )
    assert [float(best[key]) for key in ("x1", "y1", "x2", "y2")] == [100, 40, 180, 200]
    image = cv2.imread(str(tmp_path / "a" / "track-000007.jpg"))
    assert image is not None
    # 5 % of 80 x 160 on each side.
    assert image.shape[:2] == (int(best["height"]), int(best["width"])) == (176, 88)
    shown = cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(int)
    assert np.abs(shown - NOISE[32:208, 96:184]).mean() < 10
    # The other track was covered by no more than its own.
    assert [row["id"] for row in rows] == ["7", "8"]


def test_several_images_of_a_track_are_a_second_apart(tmp_path: Path) -> None:
    with CropSink(str(tmp_path), per_track=2) as sink:
        for index, side in enumerate([40, 60, 80, 90, 100, 110]):  # half a second each
            box = [10, 10, 10 + side, 10 + side]
            tracks = make_tracks((3, box, CONFIRMED))
            sink.write(make_result(index, tracks, run=RUN, image=NOISE, time_s=index / 2))
    rows = table(tmp_path)
    assert [row["file"] for row in rows] == ["track-000003-2.jpg", "track-000003.jpg"]
    times = sorted(float(row["time_s"]) for row in rows)
    assert times[1] - times[0] >= 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("crops.csv", "track-000003-2.jpg", "track-000003.jpg"),
    ]


def test_predicted_and_tentative_tracks_have_no_image(tmp_path: Path) -> None:
    lost = make_result(0, make_tracks((1, [10, 10, 90, 90], CONFIRMED)), run=RUN, image=NOISE)
    unmatched = dataclasses.replace(lost.tracks, detection_index=np.array([-1], np.int32))
    with CropSink(str(tmp_path / "a")) as sink:
        sink.write(dataclasses.replace(lost, tracks=unmatched))
        sink.write(result(1, (-2, [10, 10, 90, 90], TENTATIVE)))
        even = np.full_like(NOISE, 90)
        sink.write(result(2, (5, [10, 10, 90, 90], CONFIRMED), image=even))
    assert table(tmp_path / "a") == []


def test_an_earlier_run_is_removed_and_other_files_stay(tmp_path: Path) -> None:
    def run(number: int, existing: Existing = Existing.REPLACE) -> None:
        with CropSink(str(tmp_path), existing=existing) as sink:
            sink.write(result(0, (number, [10, 10, 90, 90], CONFIRMED)))

    (tmp_path / "track-notes.txt").write_text("mine")
    run(1)
    run(2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("crops.csv", "track-000002.jpg", "track-notes.txt"),
    ]
    with pytest.raises(OutputTakenError, match=r"it has a crops.csv, and --no-clobber keeps it"):
        run(3, Existing.REFUSE)
    with CropSink(str(tmp_path)):
        pass  # without a result nothing changes
    assert (tmp_path / "track-000002.jpg").exists()


def test_the_size_of_all_images_is_bounded(tmp_path: Path) -> None:
    with CropSink(str(tmp_path), most_bytes=30_000) as sink:
        for number in range(1, 6):
            sink.write(result(number, (number, [10, 10, 110, 110], CONFIRMED)))
        assert sink.status.endswith("others left out beyond 0 MiB")
    sizes = [path.stat().st_size for path in tmp_path.glob("*.jpg")]
    assert 0 < sum(sizes) <= 30_000
    assert len(table(tmp_path)) == len(sizes) < 5


def test_folders_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="expected a folder, got a file"):
        CropSink(str(tmp_path / "file"))
    with pytest.raises(ConfigError, match="--crops-per-track: expected 1 to 100, got 0"):
        CropSink(str(tmp_path), per_track=0)
    own = make_run(source=str(tmp_path), width=WIDTH, height=HEIGHT)
    with (
        CropSink(str(tmp_path)) as sink,
        pytest.raises(OutputError, match="it is the source itself"),
    ):
        sink.write(make_result(0, make_tracks(), run=own, image=NOISE))
    sink = CropSink(str(tmp_path / "gone"))
    sink.write(result(0, (1, [10, 10, 90, 90], CONFIRMED)))
    for path in (tmp_path / "gone").iterdir():
        path.unlink()
    (tmp_path / "gone").rmdir()
    with pytest.raises(OutputError, match="cannot write"):
        sink.write(result(1, (2, [10, 10, 90, 90], CONFIRMED)))
    assert "gone: 1 images of 1 tracks (" in sink.status
