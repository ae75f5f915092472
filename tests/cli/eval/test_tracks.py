"""`tracker eval`: the command, its table and its files."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.evaluation.grids import write_mot
from tracker.cli.main import main

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """Two sequences of four frames: `one` has an id switch after three, `two[b]` is perfect."""
    boxes = [(frame, 1, 10 * frame, 0, 30, 60, 1, -1, -1, -1) for frame in range(1, 5)]
    for name in ("one", "two[b]"):
        write_mot(tmp_path / "truth" / name / "gt" / "gt.txt", boxes)
        (tmp_path / "truth" / name / "seqinfo.ini").write_text("[Sequence]\nseqLength=4\n")
    switched = [(row[0], 1 if row[0] < 4 else 2, *row[2:]) for row in boxes]
    write_mot(tmp_path / "tracks" / "one.txt", switched)
    write_mot(tmp_path / "tracks" / "two[b].txt", boxes)
    return tmp_path


def run(scene: Path, *words: object) -> int:
    given = ["eval", "--truth", scene / "truth", "--tracks", scene / "tracks", *words]
    if "--rules" not in words:
        given += ["--rules", "MOT15"]
    with pytest.raises(SystemExit) as done:
        main([str(word) for word in given])
    return int(done.value.code or 0)


def test_table(scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(scene) == 0
    output = capsys.readouterr()
    assert output.err == ""
    rows = {line.split()[0]: line.split()[1:] for line in output.out.splitlines() if line.strip()}
    names = rows["%"]
    one = dict(zip(names, rows["one"], strict=True))
    assert (one["MOTA"], one["IDSW"], one["IDF1"]) == ("75.0", "1", "75.0")
    assert rows["two[b]"][names.index("HOTA")] == "100.0"
    assert rows["combined"][names.index("MOTA")] == "87.5"


def test_json_and_csv(scene: Path) -> None:
    assert run(scene, "--json", scene / "a.json", "--csv", scene / "a.csv") == 0
    record = json.loads((scene / "a.json").read_text())
    assert list(record) == ["sequences", "combined"]
    assert list(record["sequences"]) == ["one", "two[b]"]
    one = record["sequences"]["one"]
    assert (one["MOTA"], one["IDF1"], one["IDSW"], one["TP"]) == (0.75, 0.75, 1, 4)
    assert record["combined"]["MOTA"] == 7 / 8
    with (scene / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row.pop("sequence") for row in rows] == ["one", "two[b]", "combined"]
    read = [{name: float(value) for name, value in row.items()} for row in rows]
    assert read == [one, record["sequences"]["two[b]"], record["combined"]]


def test_json_to_stdout_sends_the_table_to_stderr(
    scene: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(scene, "--json", "-") == 0
    output = capsys.readouterr()
    assert json.loads(output.out)["combined"]["IDSW"] == 1
    assert "combined" in output.err


def test_plots(scene: Path) -> None:
    assert run(scene, "--plot", scene / "new" / "plots") == 0
    files = {path.name: path.read_bytes() for path in (scene / "new" / "plots").iterdir()}
    assert set(files) == {"hota.png", "id-switches-one.png", "id-switches-two[b].png"}
    assert all(content.startswith(PNG) for content in files.values())


def test_json_tracks_and_other_classes(scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    header = {"kind": "header", "schema": "tracker-json/1", "class_names": ["person", "car"]}
    records = [header]
    for frame in range(4):
        left = 10 * (frame + 1)
        person = {"id": 5, "class": "person", "score": 1, "box": [left, 0, left + 30, 60]}
        car = {"id": 6, "class": "car", "score": 1, "box": [200, 0, 300, 60]}
        records.append({"kind": "frame", "frame": frame, "tracks": [person, car]})
    path = scene / "tracks" / "one.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    (scene / "tracks" / "one.txt").unlink()
    assert run(scene, "--json", scene / "a.json") == 0
    assert json.loads((scene / "a.json").read_text())["sequences"]["one"]["MOTA"] == 1
    assert "4 of 8 boxes are of classes other than person" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--rules", "MOT71"], "--rules MOT71: expected MOT15, MOT17, MOT20; did you mean"),
        (["--json", "x", "--csv", "x"], "expected different paths"),
        (["--json", "/"], "cannot write /: it is a directory"),
        (["--truth", "none"], "none: no ground truth there"),
    ],
)
def test_wrong_use(
    scene: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(scene, *words) == 2
    error = capsys.readouterr().err
    assert error.startswith("tracker: error: ")
    assert error.count("\n") == 1
    assert message in error


def test_missing_and_mismatched_tracks(scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_mot(scene / "tracks" / "one.txt", [(5, 1, 0, 0, 5, 5)])
    assert run(scene) == 2
    error = capsys.readouterr().err
    assert "one.txt (sequence one): tracks reach frame 5" in error
    (scene / "tracks" / "one.txt").unlink()
    assert run(scene) == 2
    assert "no tracks for sequence one: expected one.txt" in capsys.readouterr().err


def test_ground_truth_without_evaluated_rows(
    scene: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "two[b]"):
        path = scene / "truth" / name / "gt" / "gt.txt"
        write_mot(path, [(1, 1, 0, 0, 5, 5, 0, -1, -1, -1)])
        assert run(scene) == (0 if name == "one" else 2)
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        first = scene / "truth" / "one" / "gt" / "gt.txt"
        assert f"{first}: no row counts: column 7 is 0 in all 1 rows" in error
    assert "(and 1 other files without such a row)" in error


def test_tracks_outside_the_ground_truth_frames(
    scene: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (scene / "truth" / "one" / "seqinfo.ini").unlink()
    write_mot(scene / "tracks" / "one.txt", [(50, 1, 0, 0, 5, 5)])
    assert run(scene) == 0
    error = capsys.readouterr().err
    assert "none of its frames, 50 to 50, is in the ground truth, 1 to 4" in error


def test_a_plot_folder_that_is_a_file(scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(scene, "--plot", scene / "tracks" / "one.txt") == 2
    assert "plots cannot be written" in capsys.readouterr().err


def test_loads_no_tensorflow_video_or_matplotlib(scene: Path) -> None:
    words = ["eval", "--truth", str(scene / "truth"), "--tracks", str(scene / "tracks")]
    program = (
        f"import sys\nfrom tracker.cli.main import main\n"
        f"try: main({[*words, '--rules', 'MOT15']!r})\nexcept SystemExit as e: assert not e.code\n"
        "heavy = {'tensorflow', 'keras', 'cv2', 'av', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
