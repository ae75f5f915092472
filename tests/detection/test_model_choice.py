"""What a user and the file beside a model say, and whose word counts."""

from pathlib import Path

import pytest

from tracker.detection.image_input import Fit, ImageInput
from tracker.detection.model_choice import (
    ARCHIVED,
    Declaration,
    InputChoice,
    ModelChoice,
    archived_choice,
    declaration_text,
    read_declaration,
)
from tracker.errors import ConfigError, ModelError
from tracker.inference.network import ColourOrder
from tracker.inference.stored_names import archive_facts
from tracker.models.files.tflite import write_exported


def test_without_a_word_the_layout_decides() -> None:
    wanted = ImageInput(size=(320, 320), fit=Fit.STRETCH)
    assert ModelChoice().input.applied(wanted) == wanted


def test_the_user_counts_more_than_the_file() -> None:
    user = ModelChoice(None, InputChoice(fit=Fit.CORNER))
    file = ModelChoice("yolox", InputChoice(fit=Fit.STRETCH, colours=ColourOrder.BGR))
    both = user.over(file)
    assert both.layout == "yolox"
    wanted = both.input.applied(ImageInput(size=(320, 320)))
    assert (wanted.fit, wanted.colours, wanted.size) == (Fit.CORNER, ColourOrder.BGR, (320, 320))


def test_a_size_is_chosen_only_where_the_network_has_none() -> None:
    choice = InputChoice(size=(320, 640))
    assert choice.applied(ImageInput()).size == (320, 640)
    assert choice.applied(ImageInput(size=(320, 640))).size == (320, 640)
    with pytest.raises(ConfigError, match=r"takes \(640, 640\) only, got \(320, 640\)"):
        choice.applied(ImageInput(size=(640, 640)))


def test_a_long_side_is_another_size_than_the_native_one() -> None:
    wanted = ImageInput(native_size=(416, 416), fit=Fit.STRETCH)
    assert InputChoice(native_size=(320, 320)).applied(wanted).size_for((9, 9)) == (320, 320)
    chosen = InputChoice(long_side=640).applied(wanted)
    assert (chosen.size_for((360, 480)), chosen.fit) == ((480, 640), Fit.LETTERBOX)
    assert InputChoice(long_side=640, fit=Fit.STRETCH).applied(wanted).fit is Fit.STRETCH


def test_the_file_beside_a_model(tmp_path: Path) -> None:
    model = tmp_path / "mine.onnx"
    assert read_declaration(model) == Declaration()
    (tmp_path / "mine.yaml").write_text(
        "layout: yolox\nnames: [cat, dog]\ninput: {mean: [1, 2, 3], fit: stretch}\n"
    )
    declared = read_declaration(model)
    assert declared.names == ("cat", "dog")
    assert declared.choice == ModelChoice(
        "yolox", InputChoice(mean=(1.0, 2.0, 3.0), fit=Fit.STRETCH)
    )


def test_the_file_beside_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "saved.v1"
    folder.mkdir()
    (tmp_path / "saved.v1.yaml").write_text("layout: tf-detection\n")
    assert read_declaration(folder).layout == "tf-detection"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("layuot: yolox", "mine.yaml: unknown key layuot.*layout"),
        ("input: {fit: squeeze}", "input.fit: expected .*letterbox"),
        ("[1, 2]", "expected keys and values, got a list"),
    ],
)
def test_a_malformed_file_is_told(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ModelError, match=message):
        read_declaration(tmp_path / "mine.onnx")


@pytest.mark.parametrize(
    "wanted",
    [
        ImageInput(native_size=(320, 416), fit=Fit.STRETCH, colours=ColourOrder.BGR, padding=7),
        ImageInput(long_side=256, stride=64, scale=1.0, mean=(1, 2, 3), std=(4, 5, 6)),
        ImageInput(size=(64, 96), fit=Fit.CORNER),
    ],
)
def test_what_an_export_says_comes_back(wanted: ImageInput, tmp_path: Path) -> None:
    path = tmp_path / "x.tflite"
    text = declaration_text("yolox", wanted, ["cat", "dög"])
    write_exported(path, b"\x00\x00\x00\x00TFL3graph", text, member=ARCHIVED)
    choice = archived_choice(path)
    assert choice.layout == "yolox"
    assert choice.input.applied(ImageInput(size=wanted.size)) == wanted
    assert archive_facts(path).class_names == ("cat", "dög")


def test_files_without_what_an_export_says(tmp_path: Path) -> None:
    own, plain, none = (tmp_path / name for name in ("own.tflite", "plain.tflite", "none.tflite"))
    write_exported(own, b"graph", "{}")
    plain.write_bytes(b"graph")
    for path in (own, plain, none, tmp_path / "x.onnx"):
        assert archived_choice(path) == ModelChoice()


@pytest.mark.parametrize("text", ["[]", "{", '{"layuot": "yolox"}', '{"input": {"padding": "7"}}'])
def test_what_an_export_says_may_be_damaged(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.tflite"
    write_exported(path, b"graph", text, member=ARCHIVED)
    with pytest.raises(ModelError, match=r"x\.tflite: detector\.json: "):
        archived_choice(path)
