"""Sources with pixels that are not square: seen as square, written as stored."""

import csv
import dataclasses
import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.sinks.results import CONFIRMED, make_result, make_run, make_tracks
from tracker.boxes import pairwise_iou
from tracker.detection.motion import MotionDetector
from tracker.detection.replay import ReplayDetector
from tracker.detections import Detections
from tracker.masks import decode_mask, encode_mask
from tracker.pipeline.single import Pipeline
from tracker.sinks.csv_table import CsvSink
from tracker.sinks.json_lines import JsonLinesSink
from tracker.sinks.mot_text import MotTextSink
from tracker.sinks.stored_pixels import in_stored_pixels
from tracker.sinks.video_file import VideoSink
from tracker.sources.files.to_rgb import DisplayForm, Orientation
from tracker.sources.files.video_file import VideoFile
from tracker.tracking.deepsort import DeepSort
from tracker.training.crops.crop_sources import TrackedVideo
from tracker.util.stopwatch import Stopwatch


def write_moving_square(path: Path, *, width: int, aspect: Fraction) -> Path:
    """Writes 40 lossless frames, `width` x 120, of a square that moves over a grey wall."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = width, 120, "yuv444p"
        stream.codec_context.sample_aspect_ratio = aspect
        for index in range(40):
            seen = np.full((120, 320, 3), 90, np.uint8)
            if index >= 8:
                seen[40:80, 4 * index : 4 * index + 40] = 220
            image = np.ascontiguousarray(seen[:, :: 320 // width])
            frame = av.VideoFrame.from_ndarray(image, "rgb24").reformat(format="yuv444p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def run(path: Path, *outputs, detector=None) -> None:
    pipeline = Pipeline(detector=detector or MotionDetector(), tracker=DeepSort())
    with VideoFile(path) as video:
        for result in pipeline.run(video):
            for output in outputs:
                output.write(result)
    for output in outputs:
        output.close()


def boxes_of(path: Path) -> np.ndarray:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    tracks = [(r["frame"], *t["box"]) for r in lines if r["kind"] == "frame" for t in r["tracks"]]
    return np.array(tracks, np.float32)


@pytest.mark.parametrize(
    ("stored", "aspect", "seen"),
    [
        ((240, 360), Fraction(2), (480, 360)),
        ((1440, 1080), Fraction(4, 3), (1920, 1080)),
        ((720, 576), Fraction(16, 15), (768, 576)),
        ((704, 480), Fraction(10, 11), (704, 528)),
        ((100, 100), Fraction(1001, 1000), (100, 100)),  # less than a pixel
        ((1280, 720), Fraction(1281, 1280), (1280, 720)),  # one pixel
        ((100, 100), Fraction(100), (100, 100)),  # damage
        ((100, 100), Fraction(1, 100), (100, 100)),
    ],
)
def test_frames_are_stretched_and_never_shrunk(stored, aspect, seen):
    form = DisplayForm(stored, aspect)
    assert form.delivered == seen
    turned = DisplayForm(stored, aspect, Orientation(transposed=True))
    assert turned.delivered == seen[::-1]
    assert turned.upright_stored == stored[::-1]


def test_square_pixels_cost_nothing():
    result = make_result()
    assert in_stored_pixels(result) is result


def test_a_clip_gives_the_tracks_of_the_same_clip_stretched_by_hand(tmp_path):
    anamorphic = write_moving_square(tmp_path / "a.mp4", width=160, aspect=Fraction(2))
    stretched = write_moving_square(tmp_path / "s.mp4", width=320, aspect=Fraction(1))
    run(anamorphic, JsonLinesSink(str(tmp_path / "a.jsonl")))
    run(stretched, JsonLinesSink(str(tmp_path / "s.jsonl")))
    header = json.loads((tmp_path / "a.jsonl").read_text().splitlines()[0])
    assert (header["width"], header["height"]) == (160, 120)
    stored, seen = boxes_of(tmp_path / "a.jsonl"), boxes_of(tmp_path / "s.jsonl")
    assert len(stored) == len(seen) > 20
    np.testing.assert_array_equal(stored[:, 0], seen[:, 0])
    assert stored[:, 3].max() <= 161  # a box may reach out of the frame a little
    as_seen = stored[:, 1:] * np.float32([2, 1, 2, 1])
    assert np.diag(pairwise_iou(as_seen, seen[:, 1:])).min() > 0.9


def test_all_files_speak_of_the_same_pixels(tmp_path):
    path = write_moving_square(tmp_path / "a.mp4", width=160, aspect=Fraction(2))
    out = {name: str(tmp_path / f"a.{name}") for name in ("jsonl", "txt", "csv", "mp4")}
    run(path, JsonLinesSink(out["jsonl"]), MotTextSink(out["txt"]), CsvSink(out["csv"]))
    from_json = boxes_of(tmp_path / "a.jsonl")
    with (tmp_path / "a.csv").open() as file:
        rows = list(csv.DictReader(file))
    from_csv = np.array([[float(r[k]) for k in ("x1", "y1", "x2", "y2")] for r in rows])
    np.testing.assert_allclose(from_csv, from_json[:, 1:], atol=0.006)
    mot = np.loadtxt(out["txt"], delimiter=",")
    corners = np.hstack([mot[:, 2:4], mot[:, 2:4] + mot[:, 4:6]])
    confirmed = np.isin(from_json[:, 0] + 1, mot[:, 0])
    np.testing.assert_allclose(corners, from_json[confirmed][-len(corners) :, 1:], atol=0.02)


def test_the_video_that_is_written_has_square_pixels(tmp_path):
    path = write_moving_square(tmp_path / "a.mp4", width=160, aspect=Fraction(2))
    run(path, VideoSink(str(tmp_path / "v.mp4")))
    with av.open(str(tmp_path / "v.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (320, 120)
        assert stream.sample_aspect_ratio in (None, 0, 1)


def test_replayed_detections_lie_where_they_were(tmp_path):
    path = write_moving_square(tmp_path / "a.mp4", width=160, aspect=Fraction(2))
    run(path, JsonLinesSink(str(tmp_path / "a.jsonl")))
    replay = ReplayDetector(str(tmp_path / "a.jsonl"))
    with VideoFile(path) as video:
        replay.start(video.info)
        found = {f.index: replay.detect([f], Stopwatch())[0] for f in video}
    for number, *box in boxes_of(tmp_path / "a.jsonl").tolist():
        expected = np.float32(box) * np.float32([2, 1, 2, 1])
        assert np.abs(found[int(number)].boxes - expected).max(axis=1).min() < 1e-4


def test_masks_and_velocities_are_those_of_the_stored_frame():
    run = make_run(width=320, height=120)
    run = dataclasses.replace(run, video=dataclasses.replace(run.video, stored_size=(160, 120)))
    pixels = np.zeros((120, 320), bool)
    pixels[10:20, 40:80] = True
    detections = Detections.create([[40, 10, 80, 20]], [0.9], masks=[encode_mask(pixels)])
    tracks = make_tracks((1, (40, 10, 80, 20), CONFIRMED))
    result = dataclasses.replace(make_result(tracks=tracks, run=run), detections=detections)
    stored = in_stored_pixels(result)
    assert stored.detections.boxes.tolist() == [[20, 10, 40, 20]]
    np.testing.assert_array_equal(decode_mask(stored.detections.masks[0]), pixels[:, ::2])
    np.testing.assert_allclose(
        stored.tracks.velocities, result.tracks.velocities * np.float32([0.5, 1])
    )


def test_crops_of_a_tracked_video_show_the_objects(tmp_path):
    path = write_moving_square(tmp_path / "a.mp4", width=160, aspect=Fraction(2))
    # In frame 20 the bright square is at 80..120 of 320 seen pixels: at 40..60 of 160 stored ones.
    (tmp_path / "a.txt").write_text("21,1,40,40,20,40,1,-1,-1,-1\n")
    (image,) = TrackedVideo(path, tmp_path / "a.txt")
    np.testing.assert_allclose(image.boxes, [[80, 40, 120, 80]])
    x1, y1, x2, y2 = image.boxes[0].astype(int)
    assert image.image[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2].min() > 200
