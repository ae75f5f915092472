"""Tracking metrics on real videos, end to end, with and without appearance.

    python benchmarks/real_video.py --cache /tmp/real_video --set tracking.max_age_frames=60

Three videos of pedestrians with truth (PETS09-S2L1, TUD-Campus, TUD-Stadtmitte), boxes by
Yolo-Fastest-1.1-xl at 640 pixels or by `--detector small@416` of this package, one configuration
for all, on-line tracks, MOT15 rules. One row a sequence and one for all together, for each kind of
appearance: none, the person re-identification networks of Open Model Zoo, which OpenVINO runs, and
with `--embedder FILE` one of this package's.

Prints a markdown table, JSON with `--json`. Boxes and embeddings are kept in `--cache`, so that a
second run needs seconds. Missing networks are skipped with a message.
"""

import argparse
import configparser
import hashlib
import importlib.metadata
import json
import platform
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from tracker.config.run import Config, load_config
from tracker.detection.yolo_detector import DetectorSettings, YoloDetector
from tracker.detections import Detections, Embedder
from tracker.embedding.crop_embedder import CropEmbedder
from tracker.evaluation.metrics import RATIO_NAMES, Evaluation, evaluate
from tracker.evaluation.mot_io import Rules, read_truth
from tracker.evaluation.similarity import compare
from tracker.models.files.detector_file import CONFIDENCE
from tracker.models.files.digest import file_digest
from tracker.pipeline.single import NoEmbedder
from tracker.pipeline.source_state import frame_intervals
from tracker.registry.builtin import detector_files
from tracker.sources.files.video_file import VideoFile
from tracker.track_files.read import read_mot_rows, read_tracks
from tracker.tracking.deepsort import DeepSort
from tracker.util.arrays import Float32Array, Float64Array, UInt8Array
from tracker.util.opencv import cv2
from tracker.util.stopwatch import Stopwatch

SEQUENCES = ("PETS09-S2L1", "TUD-Campus", "TUD-Stadtmitte")
DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
YOLO = "weights/yolo-fastest/yolo-fastest-1.1_coco/yolo-fastest-1.1-xl"
NETWORKS = {name: f"weights/person-reidentification/{name}/person-reidentification-{name}.xml"
            for name in ("retail-0287", "retail-0288")}  # fmt: skip
OURS = "ours"
_APPEARANCES = ("none", *NETWORKS, OURS)
COLUMNS = ("HOTA", "DetA", "AssA", "MOTA", "IDF1", "IDSW")
INPUT_SIZE = 640
PEER = "yolo-fastest-1.1-xl"
FLOOR = 0.1
"""Boxes are cached down to this score. Greedy suppression never lets a worse box decide over a
better one, so filtering later by `detector.network.confidence` is the same as detecting with it."""

CROP_HEIGHT, CROP_WIDTH = 256, 128


@dataclass(frozen=True, slots=True)
class Clip:
    """The detections of one video.

    Attributes:
        interval_s: Nominal seconds between two frames.
        times_s: `(F,)` time of each frame.
        found: Detections of each frame, without embeddings.
        size: Width and height of the frames in pixels.
        scale: Pixels of the video for each pixel of the truth.
    """

    interval_s: float
    times_s: Float64Array
    found: list[Detections]
    size: tuple[int, int]
    scale: float


class OpenVinoEmbedder:
    """Describes people by a network of Open Model Zoo: 256 values each, as a unit vector.

    Args:
        path: The `.xml`; its `.bin` lies beside it.
        threads: CPU threads; `None` leaves it to OpenVINO.
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        import openvino

        self._digests = {path.name: file_digest(path)}
        self._network = openvino.Core().compile_model(
            openvino.Core().read_model(path),
            "CPU",
            # Half precision, which OpenVINO picks where the CPU has it, gives other numbers there.
            {"INFERENCE_PRECISION_HINT": "f32"}
            | ({} if threads is None else {"INFERENCE_NUM_THREADS": threads}),
        )

    @property
    def digests(self) -> Mapping[str, str]:
        """SHA-256 of the `.xml`; it names the network, and the `.bin` belongs to it."""
        return self._digests

    def embed(self, frame: Any, detections: Detections) -> Detections:
        """Returns the detections with embeddings `(N, 256)`."""
        vectors = np.zeros((len(detections), 256), np.float32)
        for row, box in enumerate(detections.boxes):
            vectors[row] = self._network(crop(frame.image, box))[0].ravel()
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return detections.with_embeddings(vectors)


def crop(image: UInt8Array, box: Float32Array) -> Float32Array:
    """Returns `(1, 3, 256, 128)`: what is in the box, in the network's order of channels, BGR."""
    height, width = image.shape[:2]
    x1, y1 = np.clip(np.floor(box[:2]).astype(int), 0, [width - 1, height - 1])
    x2, y2 = np.clip(np.ceil(box[2:]).astype(int), [x1 + 1, y1 + 1], [width, height])
    shape = (CROP_WIDTH, CROP_HEIGHT)
    cut = cv2.resize(image[y1:y2, x1:x2], shape, interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(cut[None, :, :, ::-1].transpose(0, 3, 1, 2), np.float32)


@dataclass(frozen=True, slots=True)
class DetectorChoice:
    """Whose boxes are tracked: Yolo-Fastest-1.1-xl's, or those of a detector of this package."""

    name: str = PEER
    long_side: int = INPUT_SIZE

    @classmethod
    def parse(cls, text: str) -> Self:
        """Returns the choice of `NAME@LONG_SIDE`."""
        name, _, side = text.partition("@")
        return cls(name, int(side))

    def files(self, data: Path) -> list[Path]:
        """Returns the files that define it."""
        if self.name == PEER:
            return [data / f"{YOLO}.cfg", data / f"{YOLO}.weights"]
        return [detector_files(self.name).exported]

    def load(self, data: Path) -> YoloDetector:
        """Returns the detector."""
        settings = DetectorSettings(
            confidence=FLOOR, input_size=self.long_side, classes=("person",)
        )
        if self.name == PEER:
            cfg, weights = self.files(data)
            return YoloDetector.load(cfg, weights=weights, settings=settings)
        return YoloDetector.load_exported(*self.files(data), settings=settings)


def least_score(config: Config) -> float:
    """Returns the score above which boxes are tracked."""
    confidence = config.detector.network.confidence
    return CONFIDENCE if confidence is None else confidence


def detect(name: str, choice: DetectorChoice, data: Path, cache: Path) -> Clip:
    """Returns the detections of a video, from the cache where they are there."""
    video = data / "video" / f"{name}.mp4"
    key = _key(video, *choice.files(data), choice.long_side, FLOOR)
    file = cache / f"{name}-boxes-{key}.npz"
    if not file.is_file():
        print(f"{name}: detecting", file=sys.stderr)
        _detect_into(file, video, choice.load(data))
    with np.load(file) as arrays:
        ends = np.cumsum(arrays["counts"])[:-1]
        parts = zip(np.split(arrays["boxes"], ends), np.split(arrays["scores"], ends), strict=True)
        found = [Detections.create(boxes, scores) for boxes, scores in parts]
        times_s = arrays["times_s"]
    with VideoFile(video) as source:
        interval_s, size = float(1 / source.info.fps), (source.info.width, source.info.height)
    parser = configparser.ConfigParser()
    parser.read(data / "mot15" / name / "seqinfo.ini")
    scale = size[0] / parser.getint("Sequence", "imWidth")
    return Clip(interval_s, times_s, found, size, scale)


def _detect_into(file: Path, video: Path, detector: YoloDetector) -> None:
    found, times_s = [], []
    with VideoFile(video) as source:
        detector.start(source.info)
        for frame in source:
            found += detector.detect([frame], Stopwatch())
            times_s.append(frame.time_s)
    np.savez(
        file,
        counts=[len(part) for part in found],
        boxes=np.concatenate([part.boxes for part in found]),
        scores=np.concatenate([part.scores for part in found]),
        times_s=times_s,
    )


def embed(
    name: str, clip: Clip, *, embedder: Embedder, data: Path, cache: Path
) -> list[Detections]:
    """Returns the clip's detections with embeddings, from the cache where they are there."""
    if not embedder.digests:
        return clip.found
    boxes = hashlib.sha256(b"".join(found.boxes.tobytes() for found in clip.found)).hexdigest()
    network, digest = next(iter(embedder.digests.items()))
    file = cache / f"{name}-{Path(network).stem}-{_key(boxes, digest)}.npy"
    if not file.is_file():
        print(f"{name}: embedding with {network}", file=sys.stderr)
        with VideoFile(data / "video" / f"{name}.mp4") as source:
            vectors = [
                embedder.embed(frame, found).embeddings
                for frame, found in zip(source, clip.found, strict=True)
            ]
        np.save(file, np.concatenate(vectors))
    ends = np.cumsum([len(found) for found in clip.found])[:-1]
    parts = zip(clip.found, np.split(np.load(file), ends), strict=True)
    return [found.with_embeddings(vectors) for found, vectors in parts]


def _key(*parts: Path | str | float) -> str:
    """Returns a short name for what a cached file depends on."""
    words = [file_digest(part) if isinstance(part, Path) else str(part) for part in parts]
    return hashlib.sha256("|".join(words).encode()).hexdigest()[:12]


def track(clip: Clip, found: Sequence[Detections], config: Config) -> Iterator[str]:
    """Yields the rows of MOT text of a clip's tracks, frame by frame."""
    deepsort = DeepSort(config.tracking)
    deepsort.reset(frame_interval_s=clip.interval_s, frame_size=clip.size)
    steps = np.diff(clip.times_s, prepend=clip.times_s[0] - clip.interval_s)
    for number, (step_s, detections) in enumerate(zip(steps, found, strict=True), 1):
        kept = detections.select(detections.scores > least_score(config))
        tracks = deepsort.step(kept, dt=frame_intervals(float(step_s), clip.interval_s))
        for track_id, (x1, y1, x2, y2), score in zip(
            tracks.ids, tracks.boxes, tracks.scores, strict=True
        ):
            if track_id > 0:
                yield f"{number},{track_id},{x1},{y1},{x2 - x1},{y2 - y1},{score},-1,-1,-1\n"


class Truths:
    """Truth files in the pixels of the videos, in a folder of their own until `close`."""

    def __init__(self, data: Path, clips: Mapping[str, Clip]) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.path = Path(self._folder.name)
        for name, clip in clips.items():
            rows = read_mot_rows(data / "mot15" / name / "gt" / "gt.txt")
            rows[:, 2:6] *= clip.scale
            (self.path / name / "gt").mkdir(parents=True)
            np.savetxt(self.path / name / "gt" / "gt.txt", rows, fmt="%.10g", delimiter=",")
            text = f"[Sequence]\nseqLength={len(clip.found)}\n"
            (self.path / name / "seqinfo.ini").write_text(text)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._folder.cleanup()

    def score(self, tracks: Mapping[str, str]) -> Evaluation:
        """Returns the scores of MOT text by sequence, as `tracker eval --rules MOT15` does."""
        comparisons = {}
        for name, text in tracks.items():
            file = self.path / f"{name}.txt"
            file.write_text(text)
            truth = read_truth(self.path / name / "gt" / "gt.txt", Rules.MOT15)
            comparisons[name] = compare(truth, read_tracks(file), Rules.MOT15)
        return evaluate(comparisons)


def embedders(names: Sequence[str], data: Path, ours: Path | None) -> dict[str, Embedder]:
    """Returns the available embedders by name, and prints which are missing."""
    found: dict[str, Embedder] = {}
    for name in names:
        if name == OURS:
            if ours is not None:
                found[name] = CropEmbedder.load(ours)
            continue
        try:
            found[name] = (
                NoEmbedder() if name == "none" else OpenVinoEmbedder(data / NETWORKS[name])
            )
        except (ImportError, OSError) as error:
            print(f"{name}: skipped, {error}", file=sys.stderr)
    return found


def table(evaluations: Mapping[str, Evaluation]) -> str:
    """Returns a markdown table; ratios in percent."""
    lines = ["| sequence | appearance | " + " | ".join(COLUMNS) + " |", "|---" * 8 + "|"]
    names = [*next(iter(evaluations.values())).sequences, "combined"]
    for name in names:
        for appearance, evaluation in evaluations.items():
            scores = evaluation.sequences.get(name, evaluation.combined).values
            cells = [
                f"{100 * scores[key]:.1f}" if key in RATIO_NAMES else str(scores[key])
                for key in COLUMNS
            ]
            lines.append(f"| {name} | {appearance} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def record(
    evaluations: Mapping[str, Evaluation], config: Config, about: Mapping[str, str]
) -> dict[str, Any]:
    """Returns everything as plain JSON types; ratios as fractions."""
    scores = {
        appearance: {
            **{name: dict(part.values) for name, part in evaluation.sequences.items()},
            "combined": dict(evaluation.combined.values),
        }
        for appearance, evaluation in evaluations.items()
    }
    return {"about": dict(about), "config": config.to_json(), "scores": scores}


def words() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA, help="folder of videos and weights")
    parser.add_argument("--cache", type=Path, help="folder that keeps boxes and embeddings")
    parser.add_argument("--sequences", nargs="+", choices=SEQUENCES, default=list(SEQUENCES))
    parser.add_argument("--appearance", nargs="+", choices=[*_APPEARANCES], default=[*_APPEARANCES])
    parser.add_argument("--embedder", type=Path, help="the .keras or .tflite that 'ours' is")
    parser.add_argument("--detector", default=f"{PEER}@{INPUT_SIZE}", help="NAME@LONG_SIDE")
    parser.add_argument("--config", help="YAML file, as for `tracker run`")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--json", type=Path, help="file for the scores as JSON")
    return parser.parse_args()


def main() -> None:
    arguments = words()
    config = load_config(arguments.config, arguments.set)
    choice = DetectorChoice.parse(arguments.detector)
    if least_score(config) < FLOOR:
        sys.exit(f"detector.network.confidence: expected {FLOOR} or more; boxes below are not kept")
    if not (arguments.data / "video").is_dir():
        print(f"skipped: no videos in {arguments.data}; name their folder with --data")
        return
    with tempfile.TemporaryDirectory() as passing:
        cache = arguments.cache or Path(passing)
        cache.mkdir(parents=True, exist_ok=True)
        clips = {name: detect(name, choice, arguments.data, cache) for name in arguments.sequences}
        evaluations = {}
        with Truths(arguments.data, clips) as truths:
            for appearance, embedder in embedders(
                arguments.appearance, arguments.data, arguments.embedder
            ).items():
                tracks = {}
                for name, clip in clips.items():
                    found = embed(name, clip, embedder=embedder, data=arguments.data, cache=cache)
                    tracks[name] = "".join(track(clip, found, config))
                evaluations[appearance] = truths.score(tracks)
    about = {"processor": platform.machine(), "python": platform.python_version()}
    for package in ("tracker-pipeline", "numpy", "openvino", "trackeval", "ai-edge-litert"):
        try:
            about[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            about[package] = "not installed"
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    confidence = least_score(config)
    settings = " ".join(arguments.set) or "defaults"
    print(f"{choice.name}, {choice.long_side} pixels, score above {confidence}; {settings}\n")
    print(table(evaluations))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(record(evaluations, config, about), indent=2) + "\n")


if __name__ == "__main__":
    main()
