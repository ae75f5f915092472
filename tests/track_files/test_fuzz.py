"""Every field of a valid track file replaced: eval, refine and replay give a result or one line."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.track_files.mutations import one_value_replaced, one_word_replaced, whole_files
from tracker.cli.refine import RefineRequest, run_refine
from tracker.detection.replay import ReplayDetector
from tracker.errors import TrackerError
from tracker.evaluation.metrics import evaluate
from tracker.evaluation.mot_io import Rules, people_only, read_truth
from tracker.evaluation.similarity import compare
from tracker.frames import Frame
from tracker.track_files.embedding_base64 import encode_embeddings
from tracker.track_files.read import read_tracks
from tracker.util.stopwatch import Stopwatch

pytestmark = pytest.mark.slow

LOOK = encode_embeddings(np.array([[3.0, 4.0]], np.float32))[0]
HEADER: dict[str, Any] = {
    **{"kind": "header", "schema": "tracker-json/1", "program": "p 1", "source": "in.mp4"},
    **{"width": 64, "height": 48, "fps": 25.0, "live": True, "class_names": ["person"]},
    **{"config": {"seed": 0}, "models": {"m": "00"}, "embedding_size": 2},
}
FOOTER = {"kind": "footer", "frames": 3, "ids": 1, "complete": True, "tracks": [{"id": 1}]}
FULL_TRACK = {
    **{"id": 1, "class": "person", "score": 0.5, "box": [1, 2, 30.5, 40.25], "state": "confirmed"},
    **{"velocity": [0.5, 0], "age": 3, "misses": 0, "class_score": 1.0, "embedding": LOOK},
    "mask": {"size": [2, 3], "counts": "06"},
}


def frame(index: int, *tracks: dict[str, Any]) -> dict[str, Any]:
    facts = {"wall_time": 1e9, "age_s": 0.1, "dropped": 0, "coasted": False}
    head = {"kind": "frame", "frame": index, "time_s": index / 25}
    return {**head, **facts, "tracks": list(tracks)}


def plain(number: int = 1) -> dict[str, Any]:
    return {"id": number, "class": "person", "score": 0.5, "box": [1, 2, 30, 40]}


FRAMES = [frame(0, plain()), frame(1, FULL_TRACK, plain(2)), frame(2, plain())]
RECORDS = [HEADER, *FRAMES, FOOTER]
MOT = ["1,1,0,0,20,30,0.5,-1,-1,-1", "1,2,50,0,20,30,1,-1,-1,-1", "2,1,1,0,20,30,1,-1,-1,-1"]
TRUTH = ["1,1,0,0,20,30,1,1,1", "1,2,50,0,20,30,1,1,0.5", "2,1,1,0,20,30,1,7,1"]


def use(path: Path) -> None:
    """Runs what the three commands run, on a track file."""
    truth = read_truth(truth_file(path.parent), Rules.MOT15)
    evaluate({"a": compare(truth, people_only(read_tracks(path)), Rules.MOT15)})
    run_refine(RefineRequest(str(path), str(path.with_name("refined.txt"))))
    detector = ReplayDetector(str(path))
    image = np.zeros((1, 1, 3), np.uint8)
    detector.detect([Frame(image, n, n / 25, "in.mp4") for n in range(3)], Stopwatch())


def truth_file(folder: Path) -> Path:
    path = folder / "truth.txt"
    if not path.exists():
        path.write_text("\n".join(TRUTH))
    return path


def refusals(
    path: Path, contents: Iterable[str | bytes], used: Callable[[Path], None] = use
) -> list[str]:
    """Returns the messages, each one short line, of the contents that are refused."""
    messages, done = [], 0
    for content in contents:
        data = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
        path.write_bytes(data)
        done += 1
        try:
            used(path)
        except TrackerError as error:
            messages.append(str(error).replace(str(path.parent), ""))
    assert done
    assert [m for m in messages if not m.isprintable() or len(m) > 400] == []
    return messages


def lines(records: list[Any]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def test_the_file_itself_is_read(tmp_path: Path) -> None:
    document = {"header": HEADER, "frames": FRAMES, "footer": FOOTER}
    contents = [lines(RECORDS), json.dumps(document), "\n".join(MOT)]
    assert refusals(tmp_path / "file", contents) == []


@pytest.mark.parametrize(
    "place",
    [0, 1, 2, pytest.param(3, marks=pytest.mark.slow), 4],  # The last frame is as the first.
    ids=["header", "0", "1", "2", "footer"],
)
def test_each_value_of_json_lines(tmp_path: Path, place: int) -> None:
    before, after = lines(RECORDS[:place]), lines(RECORDS[place + 1 :])
    mutated = one_value_replaced(RECORDS[place])
    messages = refusals(tmp_path / "file", (f"{before}{text}\n{after}" for text in mutated))
    assert len(messages) > 50
    named = f", line {place + 1}"
    assert sum(named in message for message in messages) > 0.9 * len(messages)


def test_each_value_of_a_document(tmp_path: Path) -> None:
    header = {"schema": HEADER["schema"], "fps": 25}
    document = {"header": header, "frames": [{"kind": "frame", "frame": 3, "tracks": [plain()]}]}
    assert refusals(tmp_path / "file", one_value_replaced({**document, "footer": FOOTER}))


@pytest.mark.parametrize("separator", [",", pytest.param(" ", marks=pytest.mark.slow), "\t"])
def test_each_word_of_mot_text(tmp_path: Path, separator: str) -> None:
    rows = [row.replace(",", separator) for row in MOT[:2]]
    assert refusals(tmp_path / "file", one_word_replaced(rows, separator))


@pytest.mark.parametrize("rules", [Rules.MOT15, Rules.MOT17])
def test_each_word_of_a_truth(tmp_path: Path, rules: Rules) -> None:
    tracks = tmp_path / "tracks.txt"
    tracks.write_text("\n".join(MOT))

    def score(path: Path) -> None:
        evaluate({"a": compare(read_truth(path, rules), read_tracks(tracks), rules)})

    assert refusals(tmp_path / "gt.txt", one_word_replaced(TRUTH[:2], ","), score)


def test_files_as_a_whole(tmp_path: Path) -> None:
    document = json.dumps({"header": HEADER, "frames": FRAMES, "footer": FOOTER}, indent=1)
    for content in (lines(RECORDS), document, "\n".join(MOT) + "\n"):
        assert refusals(tmp_path / "file", whole_files(content.encode()))


HUGE = {
    "frame number": lines([HEADER, frame(0, plain()), frame(2**31 - 2, plain()), FOOTER]),
    "frame number of MOT text": "1,1,0,0,20,30,1\n2147483647,1,0,0,20,30,1\n",
    "embedding_size": lines([{**HEADER, "embedding_size": 10**12}, frame(0, plain())]),
    "fps": lines([{**HEADER, "fps": 1e6}, frame(0, plain()), frame(2**31 - 2, plain())]),
    "mask": lines(
        [HEADER, frame(0, {**plain(), "mask": {"size": [46340, 46340], "counts": "PPPPPP?"}})]
    ),
}


def test_huge_numbers_cost_no_memory(tmp_path: Path) -> None:
    paths = [tmp_path / case.replace(" ", "-") for case in HUGE]
    for path, text in zip(paths, HUGE.values(), strict=True):
        path.write_text(text)
    program = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from tests.track_files.test_fuzz import use\n"
        "from tracker.errors import TrackerError\n"
        "from tracker.evaluation import metrics\n"
        "metrics._metrics()\n"
        "used = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + (200 << 20),) * 2)\n"
        "for path in sys.argv[1:]:\n"
        "    try: use(Path(path))\n"
        "    except TrackerError as error: print(error)\n"
    )
    words = [sys.executable, "-c", program, *map(str, paths)]
    root = Path(__file__).parents[2]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=root, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") <= len(HUGE)
