"""Words to detectors: every kind of word, and every option beside the wrong one."""

import hashlib
import json
import logging
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import write_clip
from tests.detection.block_forms import write_onnx, write_saved_model, write_tflite
from tests.detection.conftest import CFG, block_convolution
from tests.published_forms import write_ssd
from tracker.cli.main import main
from tracker.config.build import build_pipeline
from tracker.config.build_detector import build_detector, prepare_detector
from tracker.config.run import load_config
from tracker.detection.class_filter import FilteredDetector
from tracker.detection.default_names import COCO_NAMES, COCO_PAPER_NAMES, VOC_NAMES
from tracker.detection.function_detector import FunctionDetector
from tracker.detection.image_input import Fit
from tracker.detection.model_detector import ModelDetector
from tracker.detection.motion import MotionDetector
from tracker.detection.sliced import SlicedDetector
from tracker.detection.yolo_detector import YoloDetector
from tracker.detections import Detector
from tracker.errors import ConfigError, ModelError
from tracker.inference.network import AxisOrder, ColourOrder
from tracker.registry.builtin import DETECTORS, detector_files
from tracker.registry.models import read_registry
from tracker.testing import ScriptedSource

NAMES = ("red", "green")
DECLARED = "layout: yolov8\nnames: [red, green]\n"


def built(name: object, *words: str) -> Detector:
    """Returns the detector of a name and of words such as `detector.network.iou=0.5`."""
    return build_detector(load_config(overrides=[f"detector.name={name}", *words]))


def refused(error: type[Exception], message: str, name: object, *words: str) -> str:
    """Returns the one line of a detector that must be refused."""
    with pytest.raises(error, match=message) as caught:
        built(name, *words)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(scope="session")
def blocks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of somebody else, with the file beside it that says what it is."""
    pytest.importorskip("onnx", reason="making ONNX files needs the package onnx")
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    folder = tmp_path_factory.mktemp("blocks")
    (folder / "blocks.yaml").write_text(DECLARED)
    return write_onnx(folder / "blocks.onnx")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of pulled models, empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "tracker" / "models"


def pulled(cache: Path, data: Path, name: str, *files: str) -> None:
    """Puts the files of a model where `tracker models pull` would."""
    entry = read_registry().entries[name]
    (cache / name).mkdir(parents=True)
    for file, source in zip(entry.files, files, strict=True):
        if not (data / "weights" / source).is_file():
            pytest.skip(f"{source} is not in shared/data")
        shutil.copy(data / "weights" / source, cache / name / file.name)


@pytest.mark.parametrize("name", DETECTORS)
def test_a_built_in_name(name: str) -> None:
    detector = built(name)
    assert isinstance(detector, YoloDetector)
    assert detector.class_names == COCO_NAMES
    assert list(detector.digests) == [f"detector-{name}.tflite"]


def test_motion() -> None:
    assert isinstance(built("motion"), MotionDetector)


def test_a_keras_and_a_tflite_of_this_package(tmp_path: Path) -> None:
    files = detector_files("nano")
    assert files.keras is not None
    for source, name in ((files.keras, "mine.KERAS"), (files.exported, "mine.TFLite")):
        detector = built(shutil.copy(source, tmp_path / name))
        assert isinstance(detector, YoloDetector)
        assert detector.class_names == COCO_NAMES
        assert list(detector.digests) == [name]


def test_a_darknet_network(tmp_path: Path) -> None:
    kernel, bias = block_convolution()
    numbers = np.concatenate([bias, kernel.transpose(3, 2, 0, 1).ravel()])
    (tmp_path / "a.cfg").write_text(CFG)
    header = np.array([0, 2, 5, 0, 0], "<i4").tobytes()
    (tmp_path / "a.weights").write_bytes(header + numbers.astype("<f4").tobytes())
    (tmp_path / "a.names").write_text("red\ngreen\n")
    weights = f"detector.weights={tmp_path / 'a.weights'}"
    assert built(tmp_path / "a.cfg", weights).class_names == ("class_0", "class_1")
    names = f"detector.names={tmp_path / 'a.names'}"
    assert built(tmp_path / "a.cfg", weights, names).class_names == NAMES
    assert built(tmp_path / "a.cfg").class_names == ("class_0", "class_1")
    (tmp_path / "a.weights").rename(tmp_path / "b.weights")
    both = f"of the same name, but {tmp_path / 'a.weights'} does"
    refused(ModelError, both, tmp_path / "a.cfg")


def test_an_onnx_and_the_file_beside_it(blocks: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        detector = built(blocks)
    assert isinstance(detector, ModelDetector)
    assert (detector.layout_name, detector.class_names) == ("yolov8", NAMES)
    assert detector.digests == {"blocks.onnx": hashlib.sha256(blocks.read_bytes()).hexdigest()}
    (line,) = (record.getMessage() for record in caplog.records)
    assert line.startswith(f"{blocks}: layout yolov8 (as asked), input 96x64 letterbox rgb nchw")


def test_what_the_user_says_counts_more_than_the_file_beside_it(
    blocks: Path, tmp_path: Path
) -> None:
    (tmp_path / "my.names").write_text("rot\ngruen\n")
    detector = built(
        blocks,
        f"detector.names={tmp_path / 'my.names'}",
        "detector.model.input={colours: bgr, fit: stretch}",
    )
    assert isinstance(detector, ModelDetector)
    assert detector.class_names == ("rot", "gruen")
    assert detector.image_input.colours is ColourOrder.BGR
    assert detector.image_input.fit is Fit.STRETCH
    refused(ModelError, "the layout fastestdet needs", blocks, "detector.model.layout=fastestdet")
    refused(ConfigError, "did you mean 'yolov8'", blocks, "detector.model.layout=yolo8")
    refused(ConfigError, "size: the network takes", blocks, "detector.model.input.size=[32, 32]")


def test_a_tflite_with_labels_behind_it_is_not_of_this_package_and_has_these_names(
    tmp_path: Path,
) -> None:
    plain, labelled = (write_ssd(tmp_path / f"{name}.tflite") for name in "ab")
    # TensorFlow Lite's metadata puts label files into an archive behind the graph.
    with zipfile.ZipFile(labelled, "a") as archive:
        archive.writestr("labelmap.txt", "\n".join(VOC_NAMES))
    for path, names in ((plain, COCO_PAPER_NAMES), (labelled, VOC_NAMES)):
        detector = built(path)
        assert isinstance(detector, ModelDetector)
        assert detector.layout_name == "tflite-detection"
        assert detector.class_names == names


@pytest.mark.slow
def test_a_tflite_and_a_folder_of_others(tmp_path: Path) -> None:
    write_tflite(tmp_path / "a.tflite")
    write_saved_model(tmp_path / "b")
    for name in ("a.tflite", "b"):
        (tmp_path / f"{name.removesuffix('.tflite')}.yaml").write_text(
            "layout: yolov8-normalised\nnames: [red, green]\n"
        )
        detector = built(tmp_path / name)
        assert isinstance(detector, ModelDetector)
        assert detector.layout_name == "yolov8-normalised"
        assert (detector.class_names, list(detector.digests)) == (NAMES, [name])


def test_a_folder_that_holds_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (str(tmp_path), "/", "."):
        refused(ModelError, "the folder of a SavedModel .* got another folder", name)
    # A word stays a word where a folder is called like it.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fastestdet").mkdir()
    (tmp_path / "nano").mkdir()
    refused(ModelError, "got another folder", "./fastestdet")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    refused(ModelError, "tracker models pull fastestdet", "fastestdet")
    assert isinstance(built("nano"), YoloDetector)


@pytest.mark.parametrize("name", list(read_registry().entries))
def test_a_registered_name_that_was_not_pulled(cache: Path, name: str) -> None:
    message = refused(ModelError, f"`tracker models pull {name}` downloads it", name)
    assert str(cache) in message
    assert not cache.exists()


def test_registered_networks_know_their_input(cache: Path, data: Path) -> None:
    pulled(cache, data, "nanodet-m-416", "nanodet/nanodet_m.onnx")
    pulled(cache, data, "fastestdet", "fastestdet/FastestDet.onnx")
    pulled(cache, data, "ssd-mobilenet-v1", "ssd_mobilenet_v1/detect.tflite")
    nanodet, fastestdet, ssd = map(built, ("nanodet-m-416", "fastestdet", "ssd-mobilenet-v1"))
    for detector in (nanodet, fastestdet, ssd):
        assert isinstance(detector, ModelDetector)
    assert (nanodet.layout_name, nanodet.class_names) == ("nanodet", COCO_NAMES)
    wanted = nanodet.image_input
    assert (wanted.fit, wanted.colours, wanted.axes) == (
        Fit.LETTERBOX, ColourOrder.BGR, AxisOrder.NCHW,
    )  # fmt: skip
    assert fastestdet.image_input.fit is Fit.STRETCH
    assert (ssd.layout_name, ssd.class_names) == ("tflite-detection", COCO_PAPER_NAMES)
    words = ["detector.model.input.fit=letterbox", "detector.network.classes=[person]"]
    other = built("fastestdet", *words)
    assert isinstance(other, ModelDetector)
    assert other.image_input.fit is Fit.LETTERBOX
    refused(
        ConfigError, "contains its weights and class names", "fastestdet", "detector.names=x.txt"
    )
    (cache / "fastestdet" / "FastestDet.onnx").write_bytes(b"else")
    refused(ModelError, "expected 998169 bytes, got 4; .tracker models pull fast", "fastestdet")


def test_registered_networks_of_any_size_have_that_of_their_training(
    cache: Path, data: Path
) -> None:
    pulled(cache, data, "rtmdet-nano-person", "rtmdet_nano/rtmdet_nano_person.onnx")
    pulled(cache, data, "picodet-xs-416", "picodet/picodet_xs_416_processed.onnx")
    pulled(cache, data, "deimv2-atto", "deimv2/deimv2_hgnetv2_atto_coco.onnx")
    rtmdet = built("rtmdet-nano-person")
    assert isinstance(rtmdet, ModelDetector)
    assert (rtmdet.layout_name, rtmdet.class_names) == ("rtmdet", ("person",))
    assert rtmdet.image_input.size_for((480, 640)) == (256, 320)
    for name, layout, size in (
        ("picodet-xs-416", "picodet", (416, 416)),
        ("deimv2-atto", "detr-deploy", (320, 320)),
    ):
        detector = built(name)
        assert isinstance(detector, ModelDetector)
        assert (detector.layout_name, detector.class_names) == (layout, COCO_NAMES)
        assert detector.image_input.size == size


@pytest.mark.slow
def test_a_registered_ncnn_network_of_two_files(cache: Path, data: Path) -> None:
    files = [f"nanodet_plus/nanodet-plus-m_320.{end}" for end in ("param", "bin")]
    pulled(cache, data, "nanodet-plus-m-320", *files)
    detector = built("nanodet-plus-m-320")
    assert isinstance(detector, ModelDetector)
    assert (detector.layout_name, detector.class_names) == ("nanodet-plus", COCO_NAMES)
    assert detector.image_input.size_for((480, 640)) == (320, 320)
    (cache / "nanodet-plus-m-320" / "nanodet-plus-m_320.bin").write_bytes(b"else")
    refused(ModelError, "expected 2397184 bytes, got 4", "nanodet-plus-m-320")


def test_a_registered_darknet_network(cache: Path, data: Path) -> None:
    files = [f"yolo-fastest/yolo-fastest-1.1_coco/yolo-fastest-1.1.{end}" for end in _ENDS]
    pulled(cache, data, "yolo-fastest-1.1", *files)
    detector = built("yolo-fastest-1.1")
    assert isinstance(detector, YoloDetector)
    assert detector.class_names == COCO_NAMES
    refused(
        ConfigError,
        "has a fixed layout and preprocessing",
        "yolo-fastest-1.1",
        "detector.model.layout=yolox",
    )


_ENDS = ("cfg", "weights")


def test_unknown_words() -> None:
    assert "did you mean 'motion'?" in refused(ConfigError, "unknown detector 'motoin'", "motoin")
    assert "did you mean 'fastestdet'?" in refused(ConfigError, "'fastest'", "fastest")
    for name in ("x.pt", "''", "resnet"):
        message = refused(ConfigError, "unknown detector", name)
        for word in ("'small'", "tracker models list", ".onnx", "SavedModel", "https://"):
            assert word in message


def test_files_that_are_not_there() -> None:
    for name in ("none.keras", "none.tflite", "none.onnx"):
        refused(ModelError, f"{name}: does not exist", name)


@pytest.mark.parametrize("name", ["small", "motion", "fcn"])
def test_what_a_network_of_others_expects_belongs_to_no_detector_of_this_package(name: str) -> None:
    for word in ("layout=yolox", "input.fit=stretch", "input.scale=2"):
        refused(ConfigError, "detector.model .*has a fixed layout", name, f"detector.model.{word}")


def test_options_that_do_not_belong_to_a_network_of_others(blocks: Path) -> None:
    for words, message in (
        (["detector.weights=x.weights"], "--weights x.weights: .* contains its weights"),
        (["detector.scales=[1, 0.5]"], "only detector 'fcn' has several scales"),
        (["detector.network.runtime=xla"], "runtime xla: .* leave --runtime out"),
        (["detector.network.input_size=64"], "takes 96x64 only; leave --imgsz out"),
        (["detector.network.classes=[rde]"], "does not know 'rde'; did you mean 'red'"),
        (["detector.model.input.fit=squeeze"], "input.fit: expected .*letterbox"),
        (["detector.model.layuot=yolox"], "layuot; did you mean 'layout'"),
    ):
        refused(ConfigError, message, blocks, *words)


@pytest.mark.parametrize("word", ["2x2", "auto"])
def test_a_detector_in_tiles(word: str) -> None:
    words = (f"detector.slices={word}", "detector.slice_overlap=0.3")
    detector = built("small", *words)
    assert isinstance(detector, SlicedDetector)
    assert isinstance(detector.detector, YoloDetector)
    pipeline = build_pipeline(load_config(overrides=[*words, "embedder.name=none"]))
    recorded = next(pipeline.run(ScriptedSource(1))).run.config["detector"]
    assert (recorded["slices"], recorded["slice_overlap"]) == (word, 0.3)
    assert recorded["network"]["confidence"] == detector.detector.confidence


@pytest.mark.parametrize("text", ["off", "'off'", "false"])
def test_slices_that_are_off(text: str) -> None:
    assert isinstance(
        built("small", "detector.slices=2x2", f"detector.slices={text}"), YoloDetector
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [("motion", "learns the background of whole frames"), ("fcn", "slides over frames")],
)
def test_detectors_that_cannot_be_sliced(name: str, reason: str) -> None:
    refused(ConfigError, f"detector.slices 2x2: .*{reason}", name, "detector.slices=2x2")


def test_replayed_detections_cannot_be_sliced() -> None:
    words = ("detector.detections=det.txt", "detector.slices=2x2")
    refused(ConfigError, "detector.slices 2x2: detections are replayed", "small", *words)


def test_a_given_detector_in_tiles() -> None:
    config = load_config(overrides=["detector.slices=1x2"])
    classes = load_config(overrides=["detector.slices=1x2", "detector.network.classes=[object]"])
    function = FunctionDetector(lambda image: ([], [], []))
    assert isinstance(prepare_detector(config, function), SlicedDetector)
    assert isinstance(prepare_detector(classes, function), FilteredDetector)
    with pytest.raises(ConfigError, match=r"detector\.slices 1x2: .*learns the background"):
        prepare_detector(config, MotionDetector())


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("slices=3", "detector.slices: expected a valid string, got 3"),
        ("slices=3x", "detector.slices: expected ROWSxCOLUMNS such as 2x2, auto or off, got '3x'"),
        ("slice_overlap=0.7", r"detector.slice_overlap: expected a share in \[0, 0.5\], got 0.7"),
        ("network.input_size=large", "input_size: expected a valid integer, got 'large'"),
    ],
)
def test_wrong_sizes_and_slices(word: str, message: str) -> None:
    refused(ConfigError, message, "small", f"detector.{word}")


def test_an_automatic_input_size_is_none() -> None:
    words = ["detector.network.input_size=640", "detector.network.input_size=auto"]
    assert load_config(overrides=words).detector.network.input_size is None


def test_wrong_files_beside_a_network(blocks: Path, tmp_path: Path) -> None:
    path = shutil.copy(blocks, tmp_path / "net.onnx")
    for text, error, message in (
        ("layuot: yolov8\n", ModelError, r"net\.yaml: unknown key layuot; did you mean 'layout'"),
        ("layout: yolo8\n", ConfigError, "did you mean 'yolov8'"),
        (DECLARED.replace("green", "green, blue"), ModelError, "expected 2 .*, got 3"),
    ):
        (tmp_path / "net.yaml").write_text(text)
        refused(error, message, path)


def test_a_handle_is_not_downloaded_where_that_is_forbidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    handle = "https://tfhub.dev/tensorflow/ssd_mobilenet_v2/2"
    refused(ModelError, "TFHUB_CACHE_DIR", handle, "detector.offline=true")
    assert list(tmp_path.iterdir()) == []


def test_a_tflite_of_this_package_that_was_cut_short(tmp_path: Path) -> None:
    whole = detector_files("nano").exported.read_bytes()
    path = tmp_path / "mine.tflite"
    end = whole.rindex(b"PK\x03\x04")
    for count in (100, len(whole) // 2, end - 1000, end + 50, len(whole) - 30, len(whole) - 1):
        path.write_bytes(whole[:count])
        refused(ModelError, "mine.tflite: .*cut short", path)


def test_a_keras_that_is_not_of_this_package(tmp_path: Path) -> None:
    path = tmp_path / "net.keras"
    # The members that Keras writes, without ours.
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("metadata.json", "config.json", "model.weights.h5"):
            archive.writestr(name, "{}")
    message = refused(ModelError, "got another Keras model; export it as a SavedModel", path)
    assert "ONNX" in message
    path.write_text("no archive")
    refused(ModelError, "expected a .keras archive, got something else", path)


def test_a_run_with_a_network_of_others(blocks: Path, tmp_path: Path) -> None:
    images = []
    for index in range(12):
        image = np.zeros((60, 96, 3), np.uint8)
        image[14:22, 16 + 2 * index : 24 + 2 * index, 0] = 255
        images.append(image)
    clip, out = write_clip(tmp_path / "red.mp4", images), tmp_path / "out.jsonl"
    with pytest.raises(SystemExit) as done:
        main(["run", str(clip), "--detector", str(blocks), "--json", str(out)])
    assert not done.value.code
    header, *frames, footer = map(json.loads, out.read_text().splitlines())
    assert header["models"]["blocks.onnx"] == hashlib.sha256(blocks.read_bytes()).hexdigest()
    assert header["class_names"] == list(NAMES)
    assert header["config"]["detector"]["model"]["layout"] is None
    assert len(frames) == 12
    assert footer["ids"] >= 1
    names = {track["class"] for frame in frames for track in frame["tracks"]}
    assert names == {"red"}
