"""`tracker train reid` as a user types it: from crops by identity to tracks with appearance."""

import json

import numpy as np
import pytest

from tests.conftest import write_clip
from tracker.cli.main import main
from tracker.models.files.reid_file import load_reid, read_reid_description, save_reid
from tracker.models.reid import build_reid
from tracker.util.opencv import cv2

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def run(*words):
    with pytest.raises(SystemExit) as done:
        main([str(word) for word in words])
    return int(done.value.code or 0)


def failure(capsys, *words):
    """Returns the last line of a command that has to fail by wrong use."""
    assert run(*words) == 2
    output = capsys.readouterr()
    assert output.out == ""
    return output.err.splitlines()[-1]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Six identities, three pictures of each, in two colours."""
    folder, rng = tmp_path_factory.mktemp("crops"), np.random.default_rng(0)
    for identity in range(6):
        (folder / f"{identity}").mkdir()
        colours = rng.integers(0, 256, (2, 3))
        for number in range(3):
            image = np.repeat(colours, 30, axis=0)[:, None] + rng.normal(0, 20, (60, 30, 3))
            name = str(folder / f"{identity}" / f"{number}.png")
            cv2.imwrite(name, np.clip(image, 0, 255).astype(np.uint8))
    return folder


@pytest.mark.slow
def test_from_crops_to_tracks(data, tmp_path, capsys):
    out = tmp_path / "out"
    words = ["train", "reid", "--data", data, "--out", out, "--batch", 12, "--no-progress"]
    assert run(*words, "--epochs", 1) == 0
    output = capsys.readouterr()
    assert "rank-1" in output.out
    assert "12 pictures of 4 identities" in output.err
    assert read_reid_description(out / "best.keras").dimension == 128
    card = (out / "model-card.md").read_text()
    assert "6 pictures of 2 other identities to judge by" in card
    # The same command goes on; with more epochs it goes further.
    assert run(*words, "--epochs", 2) == 0
    assert "going on from the checkpoint at step 2 of 4" in capsys.readouterr().err
    line = failure(capsys, *words, "--seed", 1)
    assert "seed: the training in" in line

    clip = write_clip(tmp_path / "clip.mp4", moving_square())
    cache = f"embedder.cache_dir={tmp_path / 'cache'}"
    tracks = tmp_path / "t.jsonl"
    assert (
        run(
            *(
                "run",
                clip,
                "--detector",
                "motion",
                "--embedder",
                out / "best.keras",
                "--set",
                cache,
            ),
            *("--json", tracks, "--embeddings"),
        )
        == 0
    )
    lines = [json.loads(line) for line in tracks.read_text().splitlines()]
    assert "best.keras" in lines[0]["models"]
    assert any("embedding" in track for line in lines[1:-1] for track in line["tracks"])


@pytest.mark.slow
def test_a_backbone_by_name(data, tmp_path, capsys):
    name = "efficientnet-lite0-short"
    save_reid(build_reid(8, backbone=name), tmp_path / "start.keras", backbone=name)
    words = ["train", "reid", "--data", data, "--out", tmp_path / "out", "--no-progress"]
    words += ["--epochs", 2, "--batch", 12, "--backbone", name, "--freeze-epochs", 1]
    words += ["--backbone-weights", tmp_path / "start.keras"]
    assert run(*words, "--frozen-until", "efficientnet_4_add", "--mixed-precision", "on") == 0
    assert f"the backbone, {name}" in capsys.readouterr().err
    assert read_reid_description(tmp_path / "out" / "best.keras").backbone == name
    card = (tmp_path / "out" / "model-card.md").read_text()
    assert f"Backbone `{name}`, weights: from" in card
    assert "computed in " in card
    line = failure(capsys, *words)
    assert "frozen_until: the training in" in line


def moving_square():
    for step in range(40):
        image = np.full((120, 160, 3), 80, np.uint8)
        image[40:80, 10 + 2 * step : 40 + 2 * step] = (200, 40, 40)
        yield image


@pytest.mark.slow
def test_weights_to_start_from(data, tmp_path, capsys):
    save_reid(build_reid(16), tmp_path / "start.keras")
    words = ["train", "reid", "--data", data, "--out", tmp_path / "out", "--no-progress"]
    assert run(*words, "--epochs", 1, "--batch", 12, "--weights", tmp_path / "start.keras") == 0
    assert f"start from {tmp_path / 'start.keras'}" in capsys.readouterr().err
    assert load_reid(tmp_path / "out" / "best.keras").output_shape == (None, 16)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "{tmp}/none"], "one sub-folder for each identity"),
        (["--data", "{tmp}"], "at least 2 sub-folders"),
        (["--data", "{data}", "--val-share", "1"], "--val-share: expected between 0 and 1"),
        (["--data", "{data}", "--weights", "no.keras"], "does not exist"),
        (["--data", "{data}", "--batch", "7"], "an even number"),
        (["--data", "{data}", "--epochs", "0"], "epochs: expected at least 1"),
        (["--data", "{data}", "--learning-rate", "0"], "learning_rate"),
        (["--data", "{data}", "--backbone", "cross-stage"], "got 'cross-stage'; known: residual"),
        (["--data", "{data}", "--freeze-epochs", "1"], "freeze_epochs: a new backbone knows"),
        (["--data", "{data}", "--frozen-norms"], "a new backbone knows nothing"),
        (["--data", "{data}", "--backbone-weights", "no.h5"], "no.h5: does not exist"),
        (["--data", "{data}", "--mixed-precision", "half"], "--mixed-precision"),
    ],
)
def test_wrong_use_leaves_nothing(words, message, data, tmp_path, capsys):
    filled = [word.format(tmp=tmp_path, data=data) for word in words]
    line = failure(capsys, "train", "reid", *filled, "--out", tmp_path / "out")
    assert message in line
    assert not (tmp_path / "out").exists()


def test_a_sequence_without_pictures_has_no_looks(tmp_path, capsys):
    sequence = tmp_path / "MOT-1"
    (sequence / "det").mkdir(parents=True)
    (sequence / "seqinfo.ini").write_text(
        "[Sequence]\nname=MOT-1\nframeRate=10\nseqLength=2\nimWidth=64\nimHeight=48\n"
    )
    (sequence / "det" / "det.txt").write_text("1,-1,1,1,10,20,0.9,-1,-1,-1\n")
    save_reid(build_reid(8), tmp_path / "x.keras")
    line = failure(
        capsys, "run", sequence, "--detections", sequence / "det" / "det.txt",
        "--embedder", tmp_path / "x.keras",
    )  # fmt: skip
    assert "appearance needs pictures and the sequence has none" in line
