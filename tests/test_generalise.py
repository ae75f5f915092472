"""`benchmarks/generalise.py`: the same tracks as a run, kinds combined, and kinds left out."""

import importlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tracker.config.build import build_pipeline, open_source
from tracker.config.run import load_config, overlay
from tracker.evaluation.metrics import Scores, evaluate
from tracker.evaluation.mot_io import Rules
from tracker.evaluation.similarity import compare
from tracker.track_files.read import read_tracks

BENCHMARKS = str(Path(__file__).parents[1] / "benchmarks")
FRAMES = 40


@dataclass(frozen=True)
class Bench:
    scenes: ModuleType
    kinds: ModuleType
    peers: ModuleType
    command: ModuleType


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    sys.path.insert(0, BENCHMARKS)
    names = ("development_set", "kinds", "peer_trackers", "generalise")
    yield Bench(*(importlib.import_module(name) for name in names))
    sys.path.remove(BENCHMARKS)


def sequence(folder: Path, *, seed: int = 0) -> Path:
    """Returns a MOT sequence of three people who walk, with misses, jitter and false alarms."""
    random = np.random.default_rng(seed)
    truth, found = [], []
    for frame in range(1, FRAMES + 1):
        for person in range(3):
            x, y = 20 + 3 * frame + 90 * person, 30 + 5 * person
            truth.append(f"{frame},{person + 1},{x},{y},30,80,1,1,1\n")
            if random.random() > 0.2:
                jitter = random.normal(0, 1, 2)
                found.append(f"{frame},-1,{x + jitter[0]:.2f},{y + jitter[1]:.2f},30,80,0.9\n")
        if random.random() < 0.5:
            found.append(f"{frame},-1,{random.uniform(0, 300):.2f},50,30,80,0.3\n")
    for name, rows in (("gt", truth), ("det", found)):
        (folder / name).mkdir(parents=True)
        (folder / name / f"{name}.txt").write_text("".join(rows))
    (folder / "seqinfo.ini").write_text(
        f"[Sequence]\nframeRate=10\nseqLength={FRAMES}\nimWidth=400\nimHeight=200\n"
    )
    return folder


def test_tracks_are_those_of_a_run(bench: Bench, tmp_path: Path) -> None:
    folder = sequence(tmp_path / "a")
    scene = bench.scenes.recorded_scene("plain", folder, Rules.MOT17)
    config = load_config(overrides=["tracking.max_age_frames=5"])
    rows = bench.kinds.track(scene, config)
    replayed = overlay(config, {"detector.detections": str(folder / "det" / "det.txt")})
    expected = []
    with open_source(str(folder), replayed) as source:
        for result in build_pipeline(replayed).run(source):
            tracks = result.tracks
            for track_id, box in zip(tracks.ids.tolist(), tracks.boxes.tolist(), strict=True):
                expected.append([result.frame.index, track_id, *box])
    assert len(expected) > 60
    assert rows.tolist() == expected


def test_kinds_are_combined_as_eval_does(bench: Bench, tmp_path: Path) -> None:
    scenes = [
        bench.scenes.recorded_scene(kind, sequence(tmp_path / name, seed=seed), Rules.MOT17)
        for seed, (kind, name) in enumerate((("plain", "a"), ("plain", "b"), ("mot15", "c")))
    ]
    scores = bench.kinds.evaluate_kinds(load_config(), scenes)
    comparisons = {}
    for scene in scenes[:2]:
        file = tmp_path / f"{scene.name}.txt"
        rows = bench.kinds.track(scene, load_config())
        text = [f"{f + 1:.0f},{i:.0f},{x},{y},{r - x},{b - y},1\n" for f, i, x, y, r, b in rows]
        file.write_text("".join(text))
        comparisons[scene.name] = compare(scene.truth, read_tracks(file), scene.rules)
    expected = evaluate(comparisons)
    assert list(scores) == ["plain", "mot15"]
    combined = {name: scores["plain"].values[name] for name in expected.combined.values}
    assert combined == pytest.approx(expected.combined.values, abs=1e-9)
    a, b = (expected.sequences[name].values["HOTA"] for name in ("a", "b"))
    assert scores["plain"].values["mean HOTA"] == pytest.approx((a + b) / 2)


def test_all_simulated_sequences_are_combined(bench: Bench, tmp_path: Path) -> None:
    scenes = [
        bench.scenes.recorded_scene(kind, sequence(tmp_path / kind, seed=seed), Rules.MOT17)
        for seed, kind in enumerate(("drive", "plain", "mot15"))
    ]
    scores = bench.kinds.evaluate_kinds(load_config(), scenes, workers=2)
    assert list(scores) == ["plain", "drive", "all simulated", "mot15"]
    parts = [scores[kind].values["TP"] for kind in ("plain", "drive")]
    assert scores["all simulated"].values["TP"] == sum(parts)


def scores_of(**hota: float) -> dict[str, Scores]:
    return {
        kind.replace("_", " "): Scores({"mean HOTA": value}, {}) for kind, value in hota.items()
    }


def test_a_kind_has_no_say_in_the_settings_it_is_measured_with(bench: Bench) -> None:
    chosen = bench.kinds.leave_one_out(
        {
            "default": scores_of(plain=0.5, pan=0.5, slow=0.5),
            # The best for `pan`, but worse than the default on `slow`.
            "one": scores_of(plain=0.5, pan=0.9, slow=0.4),
            "two": scores_of(plain=0.5, pan=0.6, slow=0.6),
            "three": scores_of(plain=0.7, pan=0.5, slow=0.5),
        },
        "default",
    )
    # Without `plain`: two (0.6 + 0.6); without `pan`: three (0.7 + 0.5) before two (0.5 + 0.6);
    # without `slow`: one (0.5 + 0.9), whose loss is on the kind left out.
    assert chosen == {"plain": "two", "pan": "three", "slow": "one"}


def test_kinds_of_the_same_videos_are_left_out_together(bench: Bench) -> None:
    chosen = bench.kinds.leave_one_out(
        {
            "default": scores_of(plain=0.5, real_0_5=0.5, real_0_5_appearance=0.5),
            "one": scores_of(plain=0.5, real_0_5=0.9, real_0_5_appearance=0.9),
        },
        "default",
    )
    assert chosen["real 0 5"] == chosen["real 0 5 appearance"] == "default"
    assert chosen["plain"] == "one"


def test_left_out_scores_are_of_the_chosen_candidates(bench: Bench, tmp_path: Path) -> None:
    scenes = [
        bench.scenes.recorded_scene(kind, sequence(tmp_path / kind, seed=seed), Rules.MOT17)
        for seed, kind in enumerate(("plain", "drive"))
    ]
    candidates = {
        name: bench.kinds.evaluate_scenes(load_config(overrides=keys), scenes)
        for name, keys in {"default": [], "late": ["tracking.confirm_hits=9"]}.items()
    }
    scores = {name: bench.kinds.by_kind(one) for name, one in candidates.items()}
    mixed = bench.kinds.left_out_scores(candidates, {"plain": "late", "drive": "default"})
    misses = [scores["late"]["plain"].values["FN"], scores["default"]["drive"].values["FN"]]
    assert [mixed[kind].values["FN"] for kind in ("plain", "drive")] == misses
    assert mixed["all simulated"].values["FN"] == sum(misses)
    assert misses[0] > scores["default"]["plain"].values["FN"]


def test_settings_that_need_images_are_refused(bench: Bench, tmp_path: Path) -> None:
    scene = bench.scenes.recorded_scene("plain", sequence(tmp_path / "a"), Rules.MOT17)
    with pytest.raises(ValueError, match="expected auto or off, and 1, got flow and 1"):
        bench.kinds.track(scene, load_config(overrides=["camera_motion=flow"]))


def test_another_tracker_gets_every_frame_once(bench: Bench, tmp_path: Path) -> None:
    scene = bench.scenes.recorded_scene("plain", sequence(tmp_path / "a"), Rules.MOT17)
    boxes = scene.boxes
    assert (boxes.frame_count, boxes.fps) == (FRAMES, pytest.approx(10))
    counts = []

    def step(found: np.ndarray, image: object) -> np.ndarray:
        counts.append(len(found))
        return np.column_stack([np.arange(len(found)), found[:, :4]])

    rows = bench.peers.follow(step, boxes, [None] * FRAMES)
    assert counts == [len(found) for found in scene.found]
    assert rows[:, 0].tolist() == boxes.rows[:, 0].tolist()
    assert rows[:, 2:].tolist() == boxes.rows[:, 1:5].tolist()


def test_a_library_that_is_not_installed_is_named(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no-such-tracker: exit code 1"):
        bench.peers.run_peer("no-such-tracker", "SORT", sys.executable, {}, tmp_path)


def test_unknown_kinds_are_refused(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bench.command.words_from(["--kinds", "plain,plane"])
    assert "plane" in capsys.readouterr().err
