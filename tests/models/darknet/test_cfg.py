"""The cfg parser: accepted files and error messages."""

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.goldens.darknet_cases import CASES, REGION, conv, head_conv, maxpool, net, route, yolo
from tracker.errors import ModelError
from tracker.models.darknet.cfg import network_settings, parse_darknet_cfg, read_darknet_cfg
from tracker.models.darknet.sections import Activation, Convolution, MaxPool, Route, Shortcut
from tracker.models.heads import BoxCoding, ClassActivation, HeadKind

ROOT = Path(__file__).parents[3]
HEAD = head_conv(16) + yolo("0,1")
NET = net(64, 64)


def parse(body: str):
    return parse_darknet_cfg(NET + body, source="a.cfg")


@pytest.mark.parametrize("text", ["", "\n\n# only a comment\n", ";\n"])
def test_empty_text(text):
    with pytest.raises(
        ModelError, match=r"expected \[net\] as the first section, got 'no section'"
    ):
        parse_darknet_cfg(text)


def test_net_alone_has_no_head():
    with pytest.raises(ModelError, match=r"expected a \[yolo\] or \[region\] section, got none"):
        parse("")


def test_one_head():
    cfg = parse(HEAD)
    assert len(cfg.layers) == 2
    assert (cfg.height, cfg.width) == (64, 64)
    assert network_settings(cfg) == (64, 64, 3, 1)
    (head,) = cfg.heads
    assert head.kind is HeadKind.YOLO
    assert head.anchors == ((5, 7), (12, 15))
    assert head.box_coding is BoxCoding.EXPONENTIAL
    assert head.class_activation is ClassActivation.SIGMOID
    assert head.channels == 16


def test_region_head():
    (head,) = parse(head_conv(16) + REGION).heads
    assert head.kind is HeadKind.REGION
    assert head.anchors == ((1.3, 1.7), (3.2, 4.0))
    assert head.class_activation is ClassActivation.SOFTMAX


def test_two_heads_and_their_masks():
    cfg = parse_darknet_cfg(CASES["yolov3-tiny"].cfg)
    assert [head.anchors for head in cfg.heads] == [
        ((20, 33), (41, 38)),
        ((5, 7), (12, 15)),
    ]
    assert network_settings(cfg).stride == 8


def test_new_coords_and_scale():
    (head,) = parse(head_conv(16) + yolo("0,3", new_coords=1, scale_x_y="1.2")).heads
    assert (head.box_coding, head.scale_x_y) == (BoxCoding.SCALED, 1.2)


def test_defaults_are_darknets():
    body = "[convolutional]\n[maxpool]\nstride=2\n[upsample]\n[shortcut]\nfrom=-3\n" + HEAD
    layers = parse(body).layers
    assert layers[0] == Convolution(7, 1, 1, 1, 1, 0, 1, 1, False, Activation.LOGISTIC)
    assert layers[1] == MaxPool(8, 2, 2, 2, 1)
    assert layers[3] == Shortcut(11, (0,), Activation.LINEAR)


def test_comments_blanks_and_windows_line_ends():
    text = (NET + HEAD).replace("=", " = ").replace("\n", "  # why\r\n;x\r\n")
    assert parse_darknet_cfg(text).heads == parse(HEAD).heads


def test_pad_wins_over_padding_and_stride_x_over_stride():
    layer = parse(conv(4, 5, padding=1, stride_x=2) + maxpool(2, 2) + HEAD).layers[0]
    assert (layer.padding, layer.stride_y, layer.stride_x) == (2, 1, 2)


def test_references_become_absolute():
    body = conv(4) + conv(4) + route("-1,0", groups=2, group_id=1) + HEAD
    assert parse(body).layers[2] == Route(21, (1, 0), 2, 1)


def test_same_option_twice_with_one_value():
    assert parse(conv(4) + "filters=4\n" + HEAD).layers[0].filters == 4


def test_an_option_without_influence_twice_with_two_values():
    body = conv(4) + "learning_rate=1\nlearning_rate=2\n" + HEAD
    text = NET + "batch=64\nbatch=1\nsubdivisions=8\nsubdivisions=1\n" + body
    assert network_settings(parse_darknet_cfg(text)) == (64, 64, 3, 1)


def test_real_files():
    folder = ROOT.parent / "shared/data/weights/yolo-fastest"
    if not folder.exists():
        pytest.skip("shared/data/weights/yolo-fastest is not there")
    for path in sorted(folder.glob("*/*.cfg")):
        classes = 1 if "body" in path.name else 80
        assert network_settings(read_darknet_cfg(path)) == (320, 320, classes, 32)


def test_comments_in_another_encoding(tmp_path):
    path = tmp_path / "net.cfg"
    path.write_bytes(b"\xef\xbb\xbf# \xd6\xd0\xce\xc4\n" + (NET + HEAD).encode())
    assert read_darknet_cfg(path).heads == parse(HEAD).heads


@pytest.mark.parametrize(
    ("body", "message"),
    [
        # The [net] section has six lines, so the body begins on line 7.
        ("[gaussian_yolo]\n", r"a.cfg:7: unknown or unsupported section '\[gaussian_yolo\]'"),
        ("[lstm]\n", r"a.cfg:7: unknown or unsupported section '\[lstm\]'"),
        ("[sam]\n", r"a.cfg:7: unknown or unsupported section '\[sam\]'"),
        ("[shortcat]\n", r"a.cfg:7: .*did you mean 'shortcut'"),
        ("[net]\n", r"a.cfg:7: unknown or unsupported section '\[net\]'"),
        ("[convolutional\n", r"a.cfg:7: expected a section such as \[net\]"),
        ("filters\n", r"a.cfg:7: expected name=value, got filters"),
        ("filters=\n", r"a.cfg:7: expected name=value"),
        (conv(4) + "filters=5\n", r"a.cfg:14: \[convolutional\] filters: given twice, .*line 8"),
        (conv(4, strid=2), r"a.cfg:14: \[convolutional\] strid: unknown option; did you mean 's"),
        (conv(4, xnor=1), r"\[convolutional\] xnor: not supported: expected 0, got '1'"),
        (conv(4, share_index=0), r"share_index: not supported: expected the option to be absent"),
        (conv(4, 3, "selu"), r"a.cfg:10: .*activation: expected one of linear, .*got 'selu'"),
        (conv("x"), r"a.cfg:8: \[convolutional\] filters: expected an integer in 1..65536, got x"),
        (conv(0), r"filters: expected an integer in 1..65536, got '0'"),
        (conv("9" * 5000), r"filters: expected an integer in 1..65536, got '9{40}\.\.\.'"),
        (conv(4, 3, stride=2, dilation=2), r"dilation: expected stride=1 with dilation=2"),
        (conv(4, 2, dilation=2), r"dilation: expected an odd size with pad=1, got size=2"),
        (conv(4, groups=2), r"a.cfg:7: .*input channels that divide into groups=2, got 3"),
        (conv(4) + conv(6, groups=4), r"a.cfg:14: .*filters that divide into groups=4, got 6"),
        (maxpool(2, 2, padding=3), r"a.cfg:10: \[maxpool\] padding: expected an integer in 0..2"),
        (maxpool(2, 2, maxpool_depth=1), r"maxpool_depth: not supported"),
        (conv(4, 65, pad=0), r"the output is empty .*64x64 is too small"),
        ("[route]\nlayers=-1\n", r"a.cfg:8: \[route\] layers: expected a layer before this one"),
        (conv(4) + "[route]\nlayers=1\n", r"\[route\] layers: expected .*\(layer 1\), got 1"),
        (conv(4) + "[route]\n", r"a.cfg:14: \[route\] layers: expected layers=<layer,...>, got no"),
        (conv(4) + route("0,"), r"layers: expected integers separated by commas"),
        (conv(4) + route("0", groups=2, group_id=2), r"group_id: expected an integer in 0..1"),
        (conv(5) + route("0", groups=2), r"channels that divide into groups=2, got 5"),
        (conv(4) + maxpool(2, 2) + route("0,1"), r"expected layers of one size, got 64x64x4"),
        (HEAD + route("1"), r"reads layer 1, a head"),
        (HEAD + conv(4), r"reads layer 1, a head"),
        ("[shortcut]\nfrom=-1\n", r"\[shortcut\] from: expected a layer before the shortcut"),
        (conv(4) + conv(5) + "[shortcut]\nfrom=-2\n", r"a.cfg:21: \[shortcut\] expected 64x64x5"),
        (conv(4) + "[shortcut]\nfrom=0\nweights_type=per_channel\n", r"weights_type: not supp"),
        ("[reorg]\nstride=2\n", r"\[reorg\] expected a size divisible by 2 and channels .* by 4"),
        (head_conv(18) + yolo("0,1"), r"\[yolo\] expected 16 channels \(2 anchors \* \(5 \+ 3"),
        (head_conv(16) + yolo("0,4"), r"\[yolo\] mask: expected 0..3, got 4"),
        (head_conv(16) + yolo("0,-1"), r"\[yolo\] mask: expected 0..3, got -1"),
        (head_conv(16) + yolo("0,1", map="coco.map"), r"map: not supported"),
        (head_conv(16) + yolo("0,1", scale_x_y="nan"), r"scale_x_y: expected a finite number"),
        (head_conv(16) + yolo("0,1", scale_x_y=0), r"scale_x_y: expected a positive number"),
        ("[yolo]\nmask=0\n", r"a.cfg:7: \[yolo\] anchors: expected anchors=<width,height,...>"),
        ("[yolo]\nanchors=1,2,3\n", r"anchors: expected 2 numbers \(num=1 pairs\), got 3"),
        ("[yolo]\nanchors=1 2, 3\n", r"anchors: expected a finite number, got '1 2'"),
        ("[yolo]\nanchors=1,-2\n", r"anchors: expected positive numbers, got -2"),
        (head_conv(16) + REGION.replace("coords=4", "coords=5"), r"coords: expected .* 4..4"),
        (HEAD + route("0") + yolo("0,1").replace("es=3", "es=4"), r"same classes=.*\[3, 4\]"),
    ],
)
def test_errors_name_line_section_and_option(body, message):
    with pytest.raises(ModelError, match=message) as caught:
        network_settings(
            parse(body + (HEAD if "yolo" not in body and "region" not in body else ""))
        )
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("width=3\n", r":1: option width stands before \[net\]"),
        (conv(4), r"expected \[net\] as the first section, got '\[convolutional\]'"),
        ("[net]\nheight=64\n" + HEAD, r":1: \[net\] width: expected width=<integer>, got no such"),
        (NET.replace("channels=3", "channels=1") + HEAD, r"channels: .* greyscale; expected 3"),
        (NET.replace("channels=3", "channels=4") + HEAD, r"channels: expected .* 3..3, got '4'"),
        (
            NET + "width=96\n" + HEAD,
            r":7: \[net\] width: given twice, '64' on line .* and '96' here",
        ),
        (NET.replace("=64", "=63") + maxpool(2, 2) + HEAD, r"multiple of 2, got 63; try 62 or 64"),
        (NET.replace("batch", "bacth") + HEAD, r":2: \[net\] bacth: .*did you mean 'batch'"),
    ],
)
def test_errors_in_net(text, message):
    with pytest.raises(ModelError, match=message):
        network_settings(parse_darknet_cfg(text))


@pytest.mark.parametrize(
    ("name", "message"),
    [("missing.cfg", "does not exist"), (".", "got a directory"), ("empty.cfg", "0 bytes")],
)
def test_unreadable_files(name, message, tmp_path):
    (tmp_path / "empty.cfg").touch()
    with pytest.raises(ModelError, match=message):
        read_darknet_cfg(tmp_path / name)


def test_reading_a_cfg_loads_no_keras():
    code = (
        "import sys, tracker.models.darknet.cfg, tracker.models.heads, "
        "tracker.models.files.class_names, tracker.models.files.digest, "
        "tracker.models.darknet.weights; "
        "assert not {'keras', 'tensorflow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


LINES = sorted({line for case in CASES.values() for line in case.cfg.split("\n")})
WORDS = ["[", "]", "=", ",", "-", "#", "layers=-9", "from=0", "99999999999", "1e999", "size=\u0664"]


def only_model_errors(text: str) -> None:
    with contextlib.suppress(ModelError):
        network_settings(parse_darknet_cfg(text))


@settings(deadline=None)
@given(st.text())
def test_arbitrary_text_raises_model_errors_only(text):
    only_model_errors(text)


@settings(deadline=None)
@given(st.lists(st.sampled_from(LINES + WORDS) | st.text(max_size=8), max_size=30))
def test_shuffled_lines_raise_model_errors_only(lines):
    only_model_errors("\n".join(["[net]", "height=64", "width=64", *lines]))


@settings(deadline=None)
@given(st.sampled_from(sorted(CASES)), st.data())
def test_damaged_files_raise_model_errors_only(name, data):
    text = CASES[name].cfg
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(start + 12, len(text))))
    only_model_errors(text[:start] + data.draw(st.text(max_size=6)) + text[end:])
