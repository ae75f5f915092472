"""Targets that read files: track files, labels, YAML, checkpoints, zones."""

import io
import json
import random
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tests.evaluation.test_label_fuzz import COCO as LABELS
from tests.fuzz.engine import Target, checked_message
from tests.fuzz.mutators import (
    mutate_bytes,
    mutate_json,
    mutate_json_lines,
    mutate_text,
    mutate_zip,
)
from tests.track_files.test_formats import COCO, CVAT, STUDIO
from tests.track_files.test_fuzz import FOOTER, FRAMES, HEADER, MOT, RECORDS, TRUTH, lines
from tests.track_files.test_fuzz_formats import CSV, VIDEO
from tracker.analytics.recorded import analyse_recording
from tracker.analytics.settings import AnalyticsSettings, Line, Zone
from tracker.cli.refine import RefineRequest, run_refine
from tracker.config.run import load_config
from tracker.config.zones import load_zones, zones_from, zones_text
from tracker.errors import DataError, TrackerError
from tracker.evaluation.labels import read_coco_labels, read_yolo_labels
from tracker.evaluation.mot_io import Rules, read_truth
from tracker.evaluation.similarity import compare
from tracker.serve.zone_files import document
from tracker.track_files.formats import TrackFormat
from tracker.track_files.json_file import Recording
from tracker.track_files.parquet import METADATA
from tracker.track_files.read import read_detections, read_recording, read_tracks
from tracker.training.data_file import read_splits
from tracker.training.segmenter.coco import CocoMasks
from tracker.util.json_text import parse_json
from tracker.util.state_file import state_bytes, state_from
from tracker.util.yaml_text import parse_yaml_value, read_yaml

ROOT = Path(__file__).parents[2]
DOCUMENT = {"header": HEADER, "frames": FRAMES, "footer": FOOTER}
ZONES = AnalyticsSettings(
    zones=(Zone("yard", ((2, 2), (30, 2), (30, 40), (2, 40))),),
    lines=(Line("door", ((10, 0), (10, 48))),),
)


def _written(data: bytes, folder: Path, name: str) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def _size(recording: Recording) -> tuple[object, ...]:
    tracks = recording.tracks
    assert len(tracks.boxes) == len(tracks.frames) == len(tracks.ids) == len(tracks.scores)
    assert np.isfinite(tracks.boxes).all()
    assert (tracks.frames >= 0).all()
    return (len(tracks.frames).bit_length(), len(tracks.class_names), tracks.embeddings.shape[1])


def _use_tracks(data: bytes, folder: Path) -> object:
    """Runs what eval, refine, analyze and replay read of a file, up to the metrics."""
    path = _written(data, folder, "tracks")
    size = _size(read_recording(path))
    truth = _truth(folder)
    compare(truth, read_tracks(path), Rules.MOT15)
    try:
        read_detections(path)
        run_refine(RefineRequest(str(path), str(folder / "refined.txt")))
        analyse_recording(read_recording(path, video=VIDEO), ZONES)
    except TrackerError as error:
        checked_message(error, folder)
    return size


def _truth(folder: Path) -> Any:
    path = folder / "truth.txt"
    if not path.exists():
        path.write_text("\n".join(TRUTH))
    return read_truth(path, Rules.MOT15)


def _as_format(track_format: TrackFormat) -> Any:
    def run(data: bytes, folder: Path) -> object:
        path = _written(data, folder, "tracks")
        return _size(read_recording(path, track_format=track_format, video=VIDEO))

    return run


def _use_truth(data: bytes, folder: Path) -> object:
    path = _written(data, folder, "gt.txt")
    return [len(read_truth(path, rules).frames).bit_length() for rules in Rules].__repr__()


def _use_yolo(data: bytes, folder: Path) -> object:
    labels = folder / "labels"
    labels.mkdir(exist_ok=True)
    (folder / "images").mkdir(exist_ok=True)
    (folder / "images" / "clip_1.png").touch()
    (labels / "clip_1.txt").write_bytes(data)
    size = _size(read_recording(labels, video=VIDEO))
    try:
        return size, len(read_yolo_labels(labels).images)
    except TrackerError as error:  # of columns that these labels do not have
        checked_message(error, folder)
        return size


def _use_labels(data: bytes, folder: Path) -> object:
    path = _written(data, folder, "coco.json")
    found = read_coco_labels(path, folder)
    CocoMasks(path, folder)
    return len(found.images)


@cache
def _parquet() -> tuple[bytes, bytes]:
    """A file, and its columns and header as JSON."""
    columns = {
        **{"frame": [0, 0, 2], "time_s": [0.0, 0.0, 0.2], "id": [1, 2, 1]},
        **{"class": ["person", "car", "person"], "score": [0.5, 1.0, 0.25]},
        **{"x1": [1.0, 2.0, 3.0], "y1": [0.0, 0.0, 1.0], "x2": [9.0, 9.0, 9.0]},
        **{"y2": [8.0, 8.0, 8.0], "state": ["confirmed"] * 3, "mask": ["06", "06", "06"]},
        **{"vx": [0.5, 0.0, -1.0], "vy": [0.0, 0.0, 0.0], "age": [1, 1, 2], "misses": [0, 0, 1]},
        **{"seen": [True, True, False], "embedding": [[0.6, 0.8], [1.0, 0.0], None]},
    }
    text = json.dumps({"columns": columns, "header": {**HEADER, "width": 3, "height": 2}}).encode()
    content = _parquet_of(text)
    assert content is not None
    return content, text


def _parquet_of(text: bytes) -> bytes | None:
    """Returns a file of columns and a header in JSON, `None` where they make no table."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        document = json.loads(text)
        header = json.dumps(document["header"]).encode("utf-8", "surrogatepass")
        table = pa.table(document["columns"]).replace_schema_metadata({METADATA: header})
        stream = io.BytesIO()
        pq.write_table(table, stream)
    except Exception:  # what the library cannot write is no case
        return None
    return stream.getvalue()


def _mutate_parquet(rng: random.Random, data: bytes) -> bytes:
    is_text = data.lstrip().startswith(b"{")
    return mutate_json(rng, data) if is_text else mutate_bytes(rng, data)


def _use_parquet(data: bytes, folder: Path) -> object:
    content = _parquet_of(data) if data.lstrip().startswith(b"{") else data
    if content is None:
        return None
    path = _written(content, folder, "tracks.parquet")
    return _size(read_recording(path, track_format=TrackFormat.PARQUET, video=VIDEO))


def _yaml_seeds() -> list[bytes]:
    files = sorted((ROOT / "configs").glob("*.yaml"))
    return [path.read_bytes() for path in files] + [
        b"a: &x {b: [1, 2.5, on, ~, 2026-01-01, 0x1f]}\nc: *x\nd: {<<: *x, e: 'f'}\n",
        b"tracking: {max_age_s: 4, noise: {position: 0.1}}\nsource: {stride: 2}\n",
        b"zones:\n  - {name: yard, polygon: [[1, 2], [30, 4], [5, 60]], dwell_s: 3}\n",
        b"train: images\nval: images\nnames: {0: a, 1: no}\nweights: 2\n",
    ]


def _use_yaml(data: bytes, folder: Path) -> object:
    """Reads one file as everything that is YAML."""
    path = _written(data, folder, "some.yaml")
    marks = []
    for read in (read_yaml, load_config, load_zones, read_splits):
        try:
            read(path)
            marks.append("read")
        except TrackerError as error:
            text = checked_message(error, folder)
            marks.append(text.split(":")[1][:12] if ":" in text else text[:12])
    words = data.decode("utf-8", "replace").split("\n")[:3]
    for word in words:
        try:
            parse_yaml_value(word)
            load_config(None, [word])
        except TrackerError as error:
            checked_message(error, folder)
    return tuple(marks)


def _use_zones(data: bytes, folder: Path) -> object:
    tree = parse_json(data)
    if not isinstance(tree, dict):
        raise DataError("expected an object")
    zones = zones_from(tree)
    document(zones, None)
    again = _written(zones_text(zones).encode("utf-8", "surrogatepass"), folder, "zones.yaml")
    if not zones.is_empty:
        assert load_zones(again) == zones
    return len(zones.zones), len(zones.lines)


ZONE_DOCUMENT = {
    **{"units": "pixels", "size": [100, 80], "hysteresis": 0.1, "lost_after_s": 3.0},
    "anchors": {"car": "center"},
    "zones": [
        {
            **{"name": "yard", "polygon": [[1, 2], [90, 4], [5, 60]], "classes": ["car"]},
            **{"dwell_s": 3, "loiter_s": 4.5, "stop_s": 1, "direction": [[1, 1], [2, 5]]},
        },
        {"name": "b", "polygon": [[0, 0], [9, 0], [9, 9], [0, 9]], "inside_share": 0.5},
    ],
    "lines": [{"name": "door", "points": [[1, 2], [50, 70], [60, 1]], "anchor": "bottom"}],
    "calibration": {
        "image": [[10, 10], [90, 10], [99, 70], [1, 70]],
        "ground": [[0, 9], [5, 9], [5, 0], [0, 0]],
    },
}


def _state_seeds() -> list[bytes]:
    arrays = {"mean": np.arange(16.0).reshape(2, 8), "ids": np.arange(3), "none": np.zeros((0, 4))}
    return [
        state_bytes({**arrays, "n": 3, "names": ["a", None, 0.5], "deep": {"x": arrays["ids"]}})
    ]


def _use_state(data: bytes, folder: Path) -> object:
    return type(state_from(data)).__name__


def _mutate_table(rng: random.Random, data: bytes) -> bytes:
    return mutate_text(rng, data)


TARGETS = (
    Target("json-lines", lambda: [lines(RECORDS).encode()], mutate_json_lines, _use_tracks,
           short_executions=250),
    Target("json-document", lambda: [json.dumps(DOCUMENT).encode()], mutate_json, _use_tracks,
           short_executions=250),
    Target("mot", lambda: ["\n".join(MOT).encode(), "\n".join(MOT).replace(",", " ").encode()],
           _mutate_table, _use_tracks, short_executions=250),
    Target("mot-truth", lambda: ["\n".join(TRUTH).encode()], _mutate_table, _use_truth),
    Target("csv", lambda: ["\n".join(CSV).encode()], _mutate_table, _as_format(TrackFormat.CSV)),
    Target("coco", lambda: [json.dumps(COCO).encode()], mutate_json, _as_format(TrackFormat.COCO)),
    Target("label-studio", lambda: [json.dumps(STUDIO).encode()], mutate_json,
           _as_format(TrackFormat.LABEL_STUDIO)),
    Target("cvat", lambda: [CVAT.encode()], mutate_text, _as_format(TrackFormat.CVAT)),
    Target("parquet", _parquet, _mutate_parquet, _use_parquet, short_executions=80),
    Target("yolo-labels", lambda: [b"1 0.5 0.5 0.2 0.4 0.9 3\n0 0.1 0.1 0.2 0.2 0.5 4\n"],
           mutate_text, _use_yolo, short_executions=400),
    Target("coco-labels", lambda: [json.dumps(LABELS).encode()], mutate_json, _use_labels,
           short_executions=500),
    Target("yaml", _yaml_seeds, mutate_text, _use_yaml, short_executions=150),
    Target("zones", lambda: [json.dumps(ZONE_DOCUMENT).encode()], mutate_json, _use_zones,
           short_executions=400),
    Target("checkpoint", _state_seeds, mutate_zip, _use_state),
)  # fmt: skip
"""Readers of text and data."""
