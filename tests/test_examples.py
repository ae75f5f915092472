"""Each example runs as its header says, on the first seconds of the sample clip."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

import tracker
from tests.conftest import write_clip
from tests.stream_server import FolderServer
from tracker.evaluation.mot_io import read_mot_rows
from tracker.util.opencv import cv2

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
TRUTH = ROOT / "samples" / "plaza-truth.txt"
FRAMES = 60

Run = Callable[..., str]


def first_frames() -> Iterator[np.ndarray]:
    with tracker.VideoFile(str(ROOT / "samples" / "plaza.mp4")) as video:
        yield from (frame.image for frame in islice(video, FRAMES))


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 2.4 seconds of the sample clip: six people are tracked for ten frames or more."""
    return write_clip(tmp_path_factory.mktemp("examples") / "short.mp4", first_frames())


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs an example in a folder of its own and returns what it prints."""

    def run_example(name: str, *words: object, environment: Mapping[str, str] | None = None) -> str:
        starter = ["sh"] if name.endswith(".sh") else [sys.executable]
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        packages = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        own = {"PATH": path, "PYTHONPATH": packages, "CUDA_VISIBLE_DEVICES": ""}
        done = subprocess.run(
            [*starter, str(EXAMPLES / name), *map(str, words)],
            cwd=tmp_path,
            env={**os.environ, **own, **(environment or {})},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout

    return run_example


def test_every_example_is_listed_and_run_here() -> None:
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    tested = Path(__file__).read_text(encoding="utf-8")
    programs = [path for path in EXAMPLES.rglob("*") if path.suffix in {".py", ".sh"}]
    programs.remove(EXAMPLES / "docker" / "health.py")  # tests/test_docker.py
    assert len(programs) >= 13
    for path in programs:
        name = path.relative_to(EXAMPLES)
        assert f"({name.parts[0]}" in listed, f"examples/README.md does not list {name}"
        assert f'"{name.as_posix()}"' in tested, f"no test runs {name}"


def test_webcam_window(run: Run, short: Path, tmp_path: Path) -> None:
    printed = run("webcam_window.py", short, "--video", "out.mp4")
    assert printed == f"out.mp4: {FRAMES} frames\n"
    with tracker.VideoFile(str(tmp_path / "out.mp4")) as video:
        assert sum(1 for _ in video) == FRAMES


@pytest.mark.slow
def test_count_people(run: Run, short: Path, tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        shutil.copy(short, tmp_path / name)
    assert run("count_people.py", tmp_path).splitlines() == [
        "video,people,most_at_once",
        "a.mp4,6,6",
        "b.mp4,6,6",
    ]


def test_own_detector(run: Run, short: Path) -> None:
    rows = [
        [int(word) for word in line.split()]
        for line in run("own_detector.py", short).split("\n")[:-1]
    ]
    assert {row[1] for row in rows} == {1, 2, 3}
    # Person 5 of the truth wears purple: track 2 is on that figure (12 px: the filter lags).
    frame, _, left, top, right, bottom = [row for row in rows if row[1] == 2][-1]
    truth = read_mot_rows(TRUTH)
    x, y, width, height = truth[(truth[:, 0] == frame + 1) & (truth[:, 1] == 5)][0, 2:6]
    assert x - 12 <= left < right <= x + width + 12
    assert y - 12 <= top < bottom <= y + height + 12


def constant_network(path: Path, corners: np.ndarray, likelihood: np.ndarray) -> Path:
    """Writes an ONNX network that finds the same boxes in every image (1, 3, 64, 64)."""
    onnx = pytest.importorskip("onnx")
    kind = onnx.TensorProto.FLOAT

    def constant(name: str, values: np.ndarray) -> object:
        return onnx.numpy_helper.from_array(values.astype(np.float32)[None], name)

    def node(operation: str, *names: str) -> object:
        return onnx.helper.make_node(operation, list(names[:-1]), [names[-1]])

    zero = onnx.numpy_helper.from_array(np.zeros((), np.float32), "zero")
    outputs = {"corners": corners, "likelihood": likelihood}
    nodes = [node("ReduceMax", "images", "peak"), node("Mul", "peak", "zero", "nothing")]
    nodes[0].attribute.append(onnx.helper.make_attribute("keepdims", 0))
    nodes += [node("Add", f"its_{name}", "nothing", name) for name in outputs]
    graph = onnx.helper.make_graph(
        nodes,
        "constant",
        [onnx.helper.make_tensor_value_info("images", kind, [1, 3, 64, 64])],
        [
            onnx.helper.make_tensor_value_info(name, kind, [1, *values.shape])
            for name, values in outputs.items()
        ],
        [zero, *(constant(f"its_{name}", values) for name, values in outputs.items())],
    )
    opset = onnx.helper.make_opsetid("", 13)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8), str(path))
    return path


def test_own_layout(run: Run, short: Path, tmp_path: Path) -> None:
    network = constant_network(
        tmp_path / "corners.onnx", np.array([[8, 20, 16, 44], [0, 0, 1, 1]]), np.diag([0.9, 0.1])
    )
    lines = run("own_layout.py", network, short).splitlines()
    assert len(lines) == FRAMES
    # 960 px are letterboxed to 64: one pixel of the input is 15 of the frame, 14 are above it.
    assert lines[-1] == f"{FRAMES - 1} [1] [[120.0, 90.0, 240.0, 450.0]]"


def yolo_rows_network(path: Path) -> Path:
    """Writes an ONNX network with outputs as those of YOLOv5: cx, cy, w, h, objectness, classes."""
    rows = np.zeros((252, 7))
    rows[0] = [12, 32, 8, 24, 0.9, 0.1, 0.9]
    return renamed(constant_network(path, rows, np.zeros((1, 1))), "corners", "output0")


def renamed(path: Path, old: str, new: str) -> Path:
    onnx = pytest.importorskip("onnx")
    model = onnx.load(str(path))
    model.graph.node[2].output[0] = model.graph.output[0].name = new
    del model.graph.output[1]
    assert old not in {output.name for output in model.graph.output}
    onnx.save(model, str(path))
    return path


def test_own_onnx_model(run: Run, short: Path, tmp_path: Path) -> None:
    network = yolo_rows_network(tmp_path / "own.onnx")
    printed = run("own_onnx_model.py", network, short, "person", "car")
    assert printed == f"track 1: car in {FRAMES - 1} frames\n"
    assert len(tracker.read_tracks(tmp_path / "own-model.jsonl")) == FRAMES - 1


@pytest.mark.skipif(shutil.which("jq") is None, reason="needs jq")
def test_rtsp_to_json(run: Run, short: Path) -> None:
    words = ["--policy", "all", "--reconnect", "0"]
    with FolderServer(short.parent) as server:
        address = server.address(short.name).replace("127.0.0.1", "${CAM_HOST}")
        printed = run("rtsp_to_json.sh", address, *words, environment={"CAM_HOST": "127.0.0.1"})
    records = [json.loads(line) for line in printed.splitlines()]
    assert len(records) > FRAMES / 2
    assert len(records[-1]["people"]) == 6
    assert set(records[-1]["people"][0]) == {"id", "box", "score"}


@pytest.mark.slow
def test_embeddings(run: Run, short: Path) -> None:
    head, *rows = run("embeddings.py", short).splitlines()
    ids = head.split()[1:]
    values = np.array([[float(word) for word in row.split()[1:]] for row in rows])
    assert [row.split()[0] for row in rows] == ids
    assert values.shape == (len(ids), len(ids))
    np.testing.assert_allclose(np.diagonal(values), 1)
    np.testing.assert_allclose(values, values.T)
    assert np.all(values[~np.eye(len(ids), dtype=bool)] < 0.99)


@pytest.mark.slow
def test_tracks_to_pandas(run: Run, short: Path) -> None:
    pytest.importorskip("pandas")
    head, names, *rows = run("tracks_to_pandas.py", short).splitlines()
    assert head.split()[:3] == ["class", "first_s", "last_s"]
    assert names.split() == ["id"]
    assert rows[0].split()[:2] == ["1", "person"]


@pytest.mark.slow
def test_evaluate_on_mot(run: Run, tmp_path: Path) -> None:
    sequence = tmp_path / "data" / "plaza"
    (sequence / "img1").mkdir(parents=True)
    (sequence / "gt").mkdir()
    for number, image in enumerate(first_frames(), start=1):
        path = str(sequence / "img1" / f"{number:06d}.jpg")
        cv2.imwrite(path, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    rows = TRUTH.read_text(encoding="ascii").splitlines(keepends=True)
    kept = [row for row in rows if int(row.split(",")[0]) <= FRAMES]
    (sequence / "gt" / "gt.txt").write_text("".join(kept))
    run("evaluate_on_mot.sh", "data", "results", "MOT17", "--detector", "small")
    scores = json.loads((tmp_path / "results" / "scores.json").read_text())
    assert scores["combined"]["HOTA"] > 0.4
    assert scores["combined"]["IDSW"] == 0


def test_own_source(run: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "frames.npy", np.stack(list(first_frames())))
    lines = run("own_source.py", "frames.npy", 25).splitlines()
    assert len(lines) == FRAMES
    assert lines[0] == "0.00 s: []"
    assert lines[-1].startswith("2.36 s: [1, ")


@pytest.mark.slow
def test_own_sink(run: Run, short: Path, tmp_path: Path) -> None:
    printed = run("own_sink.py", short, "events.txt")
    lines = (tmp_path / "events.txt").read_text().splitlines()
    assert printed == f"events.txt: {len(lines)} events\n"
    begun = [line.split()[3] for line in lines if line.endswith("begins")]
    ended = [line.split()[3] for line in lines if line.endswith("ends")]
    assert len(begun) == len(set(begun)) >= 5
    assert set(ended) == set(begun)


def test_own_metric(run: Run, tmp_path: Path) -> None:
    def rows(*boxes: str) -> str:
        return "".join(f"{row},1,1,1\n" for row in boxes)

    (tmp_path / "truth.txt").write_text(
        rows("1,1,0,0,10,20", "2,1,0,0,10,20", "1,2,50,0,10,20", "3,2,50,0,10,20")
    )
    # Frame 1: on object 1. Frame 2: half beside it, IoU 1/3. Object 2 is covered in frame 3 alone.
    (tmp_path / "tracks.txt").write_text(rows("1,7,0,0,10,20", "2,7,5,0,10,20", "3,8,50,0,10,20"))
    assert run("own_metric.py", "truth.txt", "tracks.txt").splitlines() == [
        "object 1: 50.0%",
        "object 2: 50.0%",
        "mean: 50.0%",
    ]


@pytest.mark.slow
def test_train_own_labels(run: Run, short: Path, tmp_path: Path) -> None:
    run("train_own_labels/make_data.py", "data", 50)
    assert (tmp_path / "data" / "val" / "labels" / "00200.txt").read_text().startswith("0 0.")
    words = ["--epochs", 1, "--imgsz", 64, "--batch", 4]
    environment = {"CLIP": str(short), "TF_CPP_MIN_LOG_LEVEL": "3"}
    run("train_own_labels/train.sh", "data/data.yaml", "out", *words, environment=environment)
    assert (tmp_path / "out" / "best.tflite").stat().st_size > 100_000
    last = (tmp_path / "out" / "tracks.jsonl").read_text().splitlines()[-1]
    assert json.loads(last)["frames"] == FRAMES


NOTEBOOK = EXAMPLES / "tour.ipynb"
SAVING = """
for number in plt.get_fignums():
    plt.figure(number).savefig(f"{IMAGES}/{number}.png")
print("SUMMARY", json.dumps({
    "balls": {title: sides_are_kept(rows) for title, rows in BALL_TRACKS.items()},
    "hidden": HIDDEN_SIZES,
    "overlaps": overlaps,
    "pairs": {"optimal": optimal(made), "greedy": greedy(made)},
    "distances": [float(to_same), float(to_others)],
}))
"""


def notebook_cells(kind: str) -> list[dict[str, object]]:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == kind]


def test_the_notebook_has_no_outputs() -> None:
    cells = notebook_cells("code")
    assert len(cells) >= 6
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)


@pytest.mark.slow
def test_the_notebook_runs_and_shows_what_it_says(tmp_path: Path) -> None:
    code = ["import json", f"IMAGES = {str(tmp_path)!r}"]
    code += ["".join(cell["source"]) for cell in notebook_cells("code")]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join([*code, SAVING])],
        cwd=EXAMPLES,
        env={**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *_, last = done.stdout.splitlines()
    shown = json.loads(last.removeprefix("SUMMARY "))
    assert shown["balls"] == {"motion alone": False, "motion and appearance": True}
    assert shown["hidden"] == sorted(shown["hidden"])
    assert shown["hidden"][-1] > 3 * shown["hidden"][0]
    # After ten frames the last box is no longer matched, the predicted one is.
    assert shown["overlaps"]["last box"][3] < 0.3 < shown["overlaps"]["predicted box"][3]
    assert shown["pairs"]["optimal"] == [[0, 0], [1, 1], [2, 2]]
    assert len(shown["pairs"]["greedy"]) == 2
    to_same, to_others = shown["distances"]
    assert to_same < to_others / 2
    images = list(tmp_path.glob("*.png"))
    assert len(images) == 8
    # Something is drawn: the image is not one colour.
    assert all(cv2.imread(str(image)).std() > 10 for image in images)
