"""The text of `.param` files: what is read, and the error of everything else."""

import random

import pytest

from tests.goldens.ncnn_cases import param_text
from tracker.errors import ModelError
from tracker.models.ncnn.syntax import parse_ncnn_param, read_ncnn_param

TEXT = """7767517
4 5
Input            data   0 1 data 0=8 1=4 2=3
Convolution      conv   1 1 data a 0=2 1=3 -23310=2,0.5,1 6=54
Split            split  1 2 a b c
BinaryOp         add    2 1 b c out 0=0 2=1.5e+00
"""


def test_layers_have_their_line_blobs_and_parameters():
    param = parse_ncnn_param(TEXT, source="net.param")
    assert [layer.type for layer in param.layers] == ["Input", "Convolution", "Split", "BinaryOp"]
    convolution = param.layers[1]
    assert (convolution.line, convolution.name) == (4, "conv")
    assert (convolution.inputs, convolution.outputs) == (("data",), ("a",))
    assert dict(convolution.params) == {0: 2, 1: 3, 10: (0.5, 1), 6: 54}
    assert param.layers[3].number(2) == 1.5
    assert param.layers[3].inputs == ("b", "c")
    assert (param.input_names, param.output_names) == (("data",), ("out",))


def test_outputs_are_in_the_order_of_the_file():
    text = param_text("Input i 0 1 in", "Split s 1 3 in a b c", "ReLU r 1 1 b z", "ReLU q 1 1 a y")
    assert parse_ncnn_param(text).output_names == ("c", "z", "y")


def test_parameters_that_are_left_out_have_their_default():
    layer = parse_ncnn_param(TEXT).layers[1]
    assert layer.integer(11, 7) == 7
    assert layer.number(12, 0.5) == 0.5
    assert layer.numbers(13) == ()
    assert layer.integers(13) == ()
    assert layer.numbers(10) == (0.5, 1.0)


def test_newer_files_have_plain_arrays_and_words():
    text = param_text("Input i 0 1 in", "Crop c 1 1 in out 9=1,2 10=3.0,4 11=word -23300=0")
    layer = parse_ncnn_param(text).layers[1]
    assert dict(layer.params) == {9: (1, 2), 10: (3.0, 4), 11: "word", 0: ()}


def test_line_endings_blank_lines_and_marks_of_byte_order_are_harmless(tmp_path):
    path = tmp_path / "net.param"
    path.write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode() + b"\r\n  \r\n")
    assert len(read_ncnn_param(path).layers) == 4


def test_a_count_of_blobs_that_is_too_large_is_harmless():
    # Who replaces layers by hand counts the layers only.
    assert len(parse_ncnn_param(TEXT.replace("4 5", "4 99")).layers) == 4


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("7767517", "7767518", "n.param: expected 7767517 as the first line .* got '7767518'"),
        ("7767517\n", "", "n.param: expected 7767517 as the first line"),
        (TEXT, "", "n.param: expected 7767517 as the first line of an ncnn param, got ''"),
        (TEXT, "7767517", "n.param:2: expected the numbers of layers and blobs, got ''"),
        ("4 5", "4", "n.param:2: expected the numbers of layers and blobs, got '4'"),
        ("4 5", "-4 5", "n.param:2: expected the numbers of layers and blobs, got '-4 5'"),
        ("4 5", "5 5", "n.param:2: expected 5 layers as this line says, got 4; is the file cut"),
        ("4 5", "3 5", "n.param:2: expected 3 layers as this line says, got 4"),
        ("4 5", "4 4", "n.param: expected at most 4 blobs as the second line says, got 5"),
        ("1 1 data a", "1 data a", "n.param:4: expected TYPE NAME and the numbers of input"),
        ("2 1 b c out 0=0 2=1.5e+00", "2 9 b c out", "n.param:6: 'BinaryOp' 'add': expected 2"),
        ("1 1 data a", "1 1 date a", "n.param:4: .*blob 'date' is used before a layer produces"),
        ("1 2 a b c", "1 2 a b data", "n.param:5: 'Split' 'split': blob 'data' is produced twice"),
        ("0=2 1=3", "0=2 0=3", "n.param:4: 'Convolution' 'conv': parameter 0 is given twice"),
        ("0=2 1=3", "0=2 1:3", "n.param:4: .*expected a parameter ID=VALUE, got '1:3'"),
        ("0=2 1=3", "0=2 1=", "expected a parameter ID=VALUE, got '1='"),
        ("0=2 1=3", "0=2 -1=3", "parameter -1: expected an id of 0 or more, or -23300"),
        ("-23310=2,0.5,1", "-23310=3,0.5,1", "parameter -23310: expected the number of values"),
        ("-23310=2,0.5,1", "-23310=2,0.5,x", "parameter -23310: expected a finite number, got 'x'"),
        ("2=1.5e+00", "2=1e999", "parameter 2: expected a finite number, got '1e999'"),
        ("0=2 1=3", "0=99999999999 1=3", "parameter 0: expected a finite number"),
        ("Input ", "ReLU ", "n.param: expected a layer of type Input, got none"),
    ],
)
def test_malformed_text_is_an_error_of_one_line(old, new, problem):
    text = TEXT.replace(old, new)
    assert text != TEXT
    with pytest.raises(ModelError, match=problem) as caught:
        parse_ncnn_param(text, source="n.param")
    assert "\n" not in str(caught.value)


def test_a_network_without_an_output_is_an_error():
    text = param_text("Input i 0 1 in", "Noop n 1 0 in")
    with pytest.raises(ModelError, match="expected an output, got none"):
        parse_ncnn_param(text)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("2.5", "expected an integer in 0..9, got 2.5"),
        ("10", "expected an integer in 0..9, got 10"),
        ("-1", "expected an integer in 0..9, got -1"),
        ("1,2", "expected an integer in 0..9, got \\(1, 2\\)"),
        ("word", "expected an integer in 0..9, got 'word'"),
    ],
)
def test_values_of_another_kind_are_errors(value, problem):
    layer = parse_ncnn_param(param_text("Input i 0 1 in", f"Crop c 1 1 in out 3={value}")).layers[1]
    with pytest.raises(ModelError, match=f"<param>:4: 'Crop' 'c': parameter 3: {problem}"):
        layer.integer(3, high=9)
    if isinstance(layer.params[3], tuple | str):
        with pytest.raises(ModelError, match="parameter 3: expected a number"):
            layer.number(3)
    if not isinstance(layer.params[3], tuple):
        with pytest.raises(ModelError, match="parameter 3: expected an array"):
            layer.numbers(3)


def test_an_array_of_numbers_is_none_of_integers():
    layer = parse_ncnn_param(param_text("Input i 0 1 in", "Crop c 1 1 in out 9=1,2.5")).layers[1]
    with pytest.raises(ModelError, match=r"parameter 9: expected integers, got \(1, 2\.5\)"):
        layer.integers(9)


def test_the_binary_form_and_files_of_pnnx_are_named(tmp_path):
    path = tmp_path / "net.param.bin"
    path.write_bytes((7767517).to_bytes(4, "little") + bytes(8))
    with pytest.raises(ModelError, match="expected ncnn's text form, got its binary form"):
        read_ncnn_param(path)
    text = param_text("pnnx.Input in0 0 1 0 #0=(1,3,8,8)f32")
    with pytest.raises(ModelError, match=r"Use the \.ncnn\.param beside it"):
        parse_ncnn_param(text)


def test_a_file_that_is_missing_or_empty_is_an_error(tmp_path):
    with pytest.raises(ModelError, match=r"ncnn param .*net\.param: does not exist"):
        read_ncnn_param(tmp_path / "net.param")
    (tmp_path / "net.param").touch()
    with pytest.raises(ModelError, match="0 bytes"):
        read_ncnn_param(tmp_path / "net.param")


def problem_of(text: str) -> str:
    """Returns the message of parsing a text, or the empty string where it is a network."""
    try:
        assert parse_ncnn_param(text).layers
    except ModelError as error:
        return str(error)
    return ""


def test_any_change_of_a_file_is_read_or_is_an_error_of_one_line():
    """A thousand files with words exchanged, characters changed, and ends cut."""
    rng = random.Random(0)
    junk = [
        "-1",
        "0",
        "=",
        "0=",
        "99999999999",
        "nan",
        "-23300=5",
        "\x1b[2J",
        "é",
        "1=1,2",
        "Input",
    ]
    failed = 0
    for _ in range(1000):
        words = TEXT.replace("\n", " \n ").split(" ")
        for _ in range(rng.randint(1, 3)):
            words[rng.randrange(len(words))] = rng.choice([*junk, *words])
        text = " ".join(words)[: rng.choice([None, rng.randrange(len(TEXT))])]
        problem = problem_of(text)
        assert "\n" not in problem
        failed += problem != ""
    assert failed > 500
