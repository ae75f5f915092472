"""Hints for unknown commands and options: those of other programs, and typing errors."""

from typing import Any

import pytest
from typer.main import get_command

from tests.cli import failure
from tracker.cli.main import app, main


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("track in.mp4", "no command 'track'; use: tracker run"),
        ("detect in.mp4", "no command 'detect'; use: tracker run"),
        ("Process in.mp4", "no command 'Process'; use: tracker run"),
        ("runn in.mp4", "no command 'runn'; did you mean 'run'?"),
        ("in.mp4", "no command 'in.mp4'; to track it: tracker run in.mp4"),
        ("0 --show", "no command '0'; to track it: tracker run 0"),
        (
            "rtsp://me:pw@door/main",
            "no command 'rtsp://***@door/main'; to track it: tracker run rtsp://***@door/main",
        ),
        ("evaluate x", "no command 'evaluate'; use: tracker eval"),
        ("download x", "no command 'download'; use: tracker models pull"),
        ("help", "no command 'help'; use: tracker --help"),
        ("count x", "no command 'count'; use: tracker analyze"),
        ("roi x", "no command 'roi'; use: tracker zones"),
        ("zzz", "no command 'zzz'; expected run, cameras, batch, serve, eval, eval-detector, "),
        ("models download x", "no command 'download'; use: tracker models pull"),
        ("models lst", "no command 'lst'; did you mean 'list'?"),
        ("train detecter", "no command 'detecter'; did you mean 'detector'?"),
        ("train zzz", "no command 'zzz'; expected detector, reid, segmenter, labels, crops"),
    ],
)
def test_unknown_command_suggests_a_known_one(
    words: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failure(capsys, *words.split()).startswith(message)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("in.mp4 -o out.mp4", "no option -o; results go to --json FILE, --csv FILE, --video FILE"),
        ("in.mp4 --output=out.mp4", "no option --output; results go to --json FILE"),
        ("--source in.mp4", "no option --source; name sources without an option: tracker run"),
        ("in.mp4 --model x.onnx", "no option --model; name the model with --detector"),
        ("in.mp4 --img 640", "no option --img; the network input size is --imgsz"),
        ("in.mp4 --conf-thres 0.5", "no option --conf-thres; the score threshold is --conf"),
        ("in.mp4 --view-img", "no option --view-img; --show opens a window"),
        ("in.mp4 --jsno x", "No such option: --jsno (Possible options: --json"),
    ],
)
def test_option_of_another_program_suggests_an_option(
    words: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failure(capsys, "run", *words.split()).startswith(message)


@pytest.mark.parametrize(
    "words", [["-h"], ["run", "-h"], ["models", "-h"], ["train", "reid", "-h"]]
)
def test_h_shows_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(words)
    assert not done.value.code
    assert "Usage: " in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["--show"]])
def test_no_source(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert failure(capsys, "run", *words).startswith("expected a source, got none; name a video")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "eval --truth a --tracks b",
            "Missing option '--rules' (Rules of evaluation: MOT15, MOT17 or MOT20)",
        ),
        (
            "eval-detector --labels a",
            "Missing option '--detector' (nano, small, a .keras or .tflite of this "
            "package, a Darknet .cfg)",
        ),
        ("export a.keras", "Missing option '--output' / '-o' (Where to write: NAME.tflite)"),
        ("bench", "Missing argument 'video' (Video file, folder of images, or 'glob*.jpg')"),
    ],
)
def test_a_missing_option_or_argument_says_what_is_expected(
    words: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failure(capsys, *words.split()) == message


def required_parameters() -> list[tuple[str, Any]]:
    """Every required option and argument with the command that has it, such as `train reid`."""
    found, groups = [], [("", get_command(app))]
    while groups:
        path, group = groups.pop()
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                groups.append((f"{path} {name}", command))
            found += [(f"{path} {name}", param) for param in command.params if param.required]
    return found


def test_every_required_parameter_has_a_help_to_repeat() -> None:
    required = required_parameters()
    assert {"--rules", "--out", "source"} <= {param.opts[0] for _, param in required}
    assert [(path, param.opts[0]) for path, param in required if not param.help] == []
