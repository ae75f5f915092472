"""Presets of KerasHub as detectors: small ones of this package against KerasHub's own prediction.

Where KerasHub is not installed, what needs it is skipped; what it costs to be without is tested.
"""

import hashlib
import json
import logging
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tracker.cli.main import main
from tracker.config.build_detector import build_detector
from tracker.config.run import load_config
from tracker.detection.keras_hub.detector import load_keras_hub_detector
from tracker.detection.keras_hub.preset import cached_folder, preset_digest
from tracker.detection.nms import NmsMode
from tracker.detection.yolo_detector import DetectorSettings
from tracker.errors import ConfigError, DataError, DependencyError, ModelError
from tracker.frames import Frame, VideoInfo
from tracker.inference.runtime_kind import RuntimeKind
from tracker.util.stopwatch import Stopwatch

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

RETINA_SIZE = (64, 96)
DFINE_SIZE = (64, 64)
NAMES = ("cup", "plate", "fork", "knife")


@pytest.fixture(scope="module")
def hub():
    """The module `keras_hub`."""
    pytest.importorskip("keras_hub", reason="needs keras-hub: pip install -e '.[kerashub]'")
    from tracker.detection.keras_hub.preset import load_keras_hub

    return load_keras_hub()


def retinanet(hub, *, box_format="yxyx", **converter):
    """A RetinaNet on a small ResNet: scores spread widely, boxes stay near their anchors."""
    import keras

    keras.utils.set_random_seed(1)
    encoder = hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64] * 4,
        stackwise_num_blocks=[1] * 4,
        stackwise_num_strides=[1, 2, 2, 2],
        block_type="basic_block",
        image_shape=(None, None, 3),
    )
    backbone = hub.models.RetinaNetBackbone(encoder, min_level=3, max_level=5, use_p5=False)
    scaled = hub.layers.RetinaNetImageConverter(
        **{"image_size": RETINA_SIZE, "pad_to_aspect_ratio": True, **converter},
        crop_to_aspect_ratio=False,
        scale=[1 / 60, 1 / 50, 1 / 70],
        offset=[-2.0, -1.5, -1.0],
    )
    task = hub.models.RetinaNetObjectDetector(
        backbone,
        num_classes=len(NAMES),
        bounding_box_format=box_format,
        preprocessor=hub.models.RetinaNetObjectDetectorPreprocessor(image_converter=scaled),
        pre_logits_num_conv_layers=1,
    )
    outputs = task(task.preprocessor(noise(RETINA_SIZE)[None].astype("float32")))
    spreads = {task.classification_head: ("cls_logits", 2), task.box_head: ("bbox_regression", 0.3)}
    for head, (name, spread) in spreads.items():
        kernel = head.prediction_layer.kernel
        kernel.assign(kernel * (spread / np.std(np.asarray(outputs[name]))))
    # KerasHub starts it where scores would begin, which takes all boxes out of the image.
    bias = task.box_head.prediction_layer.bias
    bias.assign(np.zeros(bias.shape))
    return task


def dfine(hub):
    """A D-FINE on a small HGNetV2, with weights as chance made them."""
    import keras

    keras.utils.set_random_seed(2)
    encoder = hub.models.HGNetV2Backbone(
        stem_channels=[3, 8, 8],
        stackwise_stage_filters=[
            [8, 8, 16, 1, 1, 3],
            [16, 8, 32, 1, 1, 3],
            [32, 16, 64, 1, 1, 5],
            [64, 16, 128, 1, 1, 5],
        ],
        apply_downsample=[False, True, True, True],
        use_lightweight_conv_block=[False, False, True, True],
        depths=[1] * 4,
        hidden_sizes=[16, 32, 64, 128],
        embedding_size=8,
        use_learnable_affine_block=True,
        hidden_act="relu",
        image_shape=(None, None, 3),
        out_features=["stage3", "stage4"],
    )
    backbone = hub.models.DFineBackbone(
        encoder,
        decoder_in_channels=[16, 16],
        encoder_hidden_dim=16,
        num_labels=len(NAMES),
        num_denoising=0,
        learn_initial_query=False,
        num_queries=20,
        anchor_image_size=DFINE_SIZE,
        feat_strides=[16, 32],
        num_feature_levels=2,
        hidden_dim=16,
        encoder_in_channels=[64, 128],
        encode_proj_layers=[1],
        num_attention_heads=2,
        encoder_ffn_dim=16,
        num_encoder_layers=1,
        hidden_expansion=0.34,
        depth_multiplier=0.5,
        eval_idx=-1,
        num_decoder_layers=2,
        decoder_attention_heads=2,
        decoder_ffn_dim=16,
        decoder_n_points=[2, 2],
        lqe_hidden_dim=8,
        num_lqe_layers=2,
        out_features=["stage3", "stage4"],
    )
    scaled = hub.layers.DFineImageConverter(image_size=DFINE_SIZE, scale=1 / 255)
    task = hub.models.DFineObjectDetector(
        backbone,
        num_classes=len(NAMES),
        preprocessor=hub.models.DFineObjectDetectorPreprocessor(image_converter=scaled),
    )
    generator = np.random.default_rng(3)
    for weight in task.weights:
        if "kernel" in weight.path:
            weight.assign(np.asarray(weight) + generator.normal(0, 0.1, weight.shape))
    return task


def noise(size):
    """An image of random blocks."""
    small = np.random.default_rng(0).integers(0, 256, (size[0] // 8, size[1] // 8, 3))
    return small.astype(np.uint8).repeat(8, 0).repeat(8, 1)


@pytest.fixture(scope="module")
def retina_preset(hub, tmp_path_factory):
    folder = tmp_path_factory.mktemp("presets") / "retina"
    retinanet(hub).save_to_preset(str(folder))
    return folder


@pytest.fixture(scope="module")
def dfine_preset(hub, tmp_path_factory):
    folder = tmp_path_factory.mktemp("presets") / "dfine"
    dfine(hub).save_to_preset(str(folder))
    return folder


def predicted(hub, preset, image, *, keep):
    """KerasHub's own boxes xyxy cut to the image, scores and labels, and the threshold.

    The threshold lies in the middle of the widest gap that leaves about `keep` candidates.
    """
    task = hub.models.ObjectDetector.from_preset(str(preset))
    pixels = image[None].astype("float32")
    outputs = task(task.preprocessor(pixels))
    logits = np.asarray(outputs["cls_logits" if "cls_logits" in outputs else "logits"])[0]
    scores = np.sort(1 / (1 + np.exp(-logits.max(axis=1))))[::-1]
    cut = keep - 3 + int(np.argmax(-np.diff(scores[keep - 3 : keep + 4])))
    threshold = float((scores[cut] + scores[cut + 1]) / 2)
    task.prediction_decoder = hub.layers.NonMaxSuppression(
        task.bounding_box_format, True, confidence_threshold=threshold, iou_threshold=0.5
    )
    found = task.predict(pixels, verbose=0)
    count = int(found["num_detections"][0])
    boxes = found["boxes"][0, :count]
    if task.bounding_box_format == "yxyx":
        boxes = boxes[:, [1, 0, 3, 2]]
    height, width = image.shape[:2]
    return (
        np.clip(boxes, 0, [width, height, width, height]),
        found["confidence"][0, :count],
        found["labels"][0, :count],
        threshold,
    )


def like_keras_hub(threshold, **settings):
    """Settings that suppress as KerasHub's layer does by default."""
    return DetectorSettings(
        **{
            "confidence": threshold,
            "iou": 0.5,
            "nms_mode": NmsMode.AGNOSTIC,
            "max_detections": 100,
            "device": "cpu",
            **settings,
        }
    )


def started(preset, size, **settings):
    detector = load_keras_hub_detector(preset, names=NAMES, settings=like_keras_hub(**settings))
    detector.start(info(size))
    return detector


def info(size):
    return VideoInfo("test", size[1], size[0], fps=Fraction(25), time_base=Fraction(1, 25))


def frame(image):
    return Frame(image, index=0, time_s=0.0, source="test")


def detect(detector, *images):
    return detector.detect([frame(image) for image in images], Stopwatch())


def one_line(error):
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


# Without KerasHub.


def test_without_keras_hub_one_line_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(DependencyError, match="not installed") as error:
        load_keras_hub_detector(tmp_path)
    assert "pip install 'tracker-pipeline[kerashub]'" in one_line(error)


def test_the_command_says_so_too(monkeypatch, clip, capsys):
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    monkeypatch.setattr(sys, "argv", ["tracker", "run", str(clip), "--detector", "kerashub:x"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "pip install 'tracker-pipeline[kerashub]'" in lines[0]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (DetectorSettings(runtime=RuntimeKind.LITERT), "--runtime"),
        (DetectorSettings(cache_dir=Path("cache")), "KAGGLEHUB_CACHE"),
        (DetectorSettings(threads=0), "threads"),
    ],
    ids=["runtime", "cache", "threads"],
)
def test_settings_that_would_do_nothing_are_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        load_keras_hub_detector("dfine_small_coco", settings=settings)


def test_no_weights_beside_a_preset():
    config = load_config(None, ["detector.name=kerashub:x", "detector.weights=y"])
    with pytest.raises(ConfigError, match="contains its weights"):
        build_detector(config)


def test_digest_of_a_folder_is_that_of_the_files_that_decide(tmp_path):
    (tmp_path / "config.json").write_text("c")
    (tmp_path / "model.weights.h5").write_text("m")
    (tmp_path / "metadata.json").write_text("a date")
    lines = "".join(
        f"{hashlib.sha256(text.encode()).hexdigest()}  {name}\n"
        for name, text in (("config.json", "c"), ("model.weights.h5", "m"))
    )
    assert preset_digest(tmp_path) == hashlib.sha256(lines.encode()).hexdigest()


def test_cache_has_the_version_of_the_handle_or_the_latest(monkeypatch, tmp_path):
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    folder = tmp_path / "models" / "keras" / "d-fine" / "keras" / "dfine_small_coco"
    for version in ("2", "10", "11"):
        (folder / version).mkdir(parents=True)
    for version in ("2", "10"):  # 11 holds nothing yet.
        (folder / version / "config.json").write_text("{}")
    handle = "kaggle://keras/d-fine/keras/dfine_small_coco"
    assert cached_folder(handle, handle) == folder / "10"
    assert cached_folder(f"{handle}/2", handle) == folder / "2"
    with pytest.raises(ModelError, match="got nothing there") as error:
        cached_folder(f"{handle}/11", "dfine_small_coco")
    assert str(tmp_path) in one_line(error)


def test_offline_knows_no_other_cache():
    with pytest.raises(ModelError, match="offline, expected a folder"):
        cached_folder("hf://keras/dfine_small_coco", "hf://keras/dfine_small_coco")


# With KerasHub.


@pytest.mark.slow
@pytest.mark.parametrize("box_format", ["yxyx", "xyxy"])
def test_retinanet_finds_what_keras_hub_predicts(hub, retina_preset, tmp_path, box_format):
    preset = retina_preset
    if box_format != "yxyx":
        preset = tmp_path / "other"
        retinanet(hub, box_format=box_format).save_to_preset(str(preset))
    image = noise(RETINA_SIZE)
    boxes, scores, labels, threshold = predicted(hub, preset, image, keep=60)
    (found,) = detect(started(preset, RETINA_SIZE, threshold=threshold), image)
    assert 5 <= len(found) < 60  # Something is found, and something suppressed.
    assert len(set(labels.tolist())) > 1
    np.testing.assert_allclose(found.boxes, boxes, atol=1e-3)
    np.testing.assert_allclose(found.scores, scores, atol=1e-5)
    np.testing.assert_array_equal(found.classes, labels)


@pytest.mark.slow
def test_dfine_finds_what_keras_hub_predicts(hub, dfine_preset):
    image = noise(DFINE_SIZE)
    boxes, scores, labels, threshold = predicted(hub, dfine_preset, image, keep=12)
    detector = started(dfine_preset, DFINE_SIZE, threshold=threshold)
    (found,) = detect(detector, image)
    assert len(found) >= 2
    np.testing.assert_allclose(found.boxes, boxes, atol=1e-3)
    np.testing.assert_allclose(found.scores, scores, atol=1e-5)
    np.testing.assert_array_equal(found.classes, labels)
    # A frame of twice the width is stretched to the same input: boxes are as much wider.
    (wide,) = detect(detector, image.repeat(2, 1))
    np.testing.assert_allclose(wide.boxes, found.boxes * [2, 1, 2, 1], atol=1e-2)
    with pytest.raises(ConfigError, match="takes 64x64 only"):
        load_keras_hub_detector(dfine_preset, settings=DetectorSettings(input_size=96))


@pytest.fixture(scope="module")
def retina(retina_preset):
    return started(retina_preset, RETINA_SIZE, threshold=0.6)


@pytest.mark.slow
def test_no_frames_and_no_start(retina, retina_preset):
    assert detect(retina) == []
    with pytest.raises(DataError, match="start"):
        detect(load_keras_hub_detector(retina_preset), noise(RETINA_SIZE))


@pytest.mark.slow
def test_several_frames_are_found_as_one_by_one(retina):
    first, second = noise(RETINA_SIZE), noise(RETINA_SIZE)[::-1]
    watch = Stopwatch()
    both = retina.detect([frame(first), frame(second)], watch)
    assert list(watch.seconds) == ["preprocess", "infer", "nms"]
    for image, found in zip((first, second), both, strict=True):
        (alone,) = detect(retina, image)
        assert len(alone) > 0
        np.testing.assert_allclose(found.boxes, alone.boxes, atol=1e-3)


@pytest.mark.slow
def test_boxes_are_in_pixels_of_the_frame(retina):
    image = noise(RETINA_SIZE)
    (found,) = detect(retina, image)
    # Halving an image whose pixels are doubled gives it back, exactly.
    (large,) = detect(retina, image.repeat(2, 0).repeat(2, 1))
    np.testing.assert_allclose(large.boxes, found.boxes * 2, atol=1e-3)
    # Black above and below is what letterboxing adds to a frame without it.
    bars = image.copy()
    bars[:8] = bars[-8:] = 0
    (seen,) = detect(retina, bars)
    (cut,) = detect(retina, bars[8:-8])
    inside = seen.boxes - [0, 8, 0, 8]
    inside[:, 1::2] = np.clip(inside[:, 1::2], 0, 48)
    kept = inside[:, 3] > inside[:, 1]
    assert min(len(cut), kept.sum()) > 20
    np.testing.assert_allclose(cut.boxes[:20], inside[kept][:20], atol=1e-3)


@pytest.mark.slow
def test_settings_decide_classes_and_number(retina, retina_preset):
    image = noise(RETINA_SIZE)
    (all_of_them,) = detect(retina, image)
    (two,) = detect(started(retina_preset, RETINA_SIZE, threshold=0.6, max_detections=2), image)
    np.testing.assert_allclose(two.boxes, all_of_them.boxes[:2], atol=1e-3)
    chosen = NAMES[int(all_of_them.classes[0])]
    only = started(retina_preset, RETINA_SIZE, threshold=0.6, classes=(chosen,))
    (found,) = detect(only, image)
    assert {NAMES[index] for index in found.classes} == {chosen}
    larger = started(retina_preset, RETINA_SIZE, threshold=0.6, input_size=192)
    assert larger.input_size == (128, 192)
    assert retina.input_size == RETINA_SIZE


@pytest.mark.slow
def test_a_preset_that_stretches_is_given_its_own_size(hub, tmp_path):
    task = retinanet(hub, pad_to_aspect_ratio=False)
    task.save_to_preset(str(tmp_path / "stretched"))
    detector = load_keras_hub_detector(tmp_path / "stretched")
    assert detector.image_input.size == RETINA_SIZE
    assert str(detector.image_input.fit) == "stretch"
    assert detector.class_names == ("class_0", "class_1", "class_2", "class_3")


@pytest.mark.slow
def test_what_is_not_finite_is_left_out(retina_preset, tmp_path, caplog):
    import h5py

    folder = tmp_path / "damaged"
    shutil.copytree(retina_preset, folder)
    with h5py.File(folder / "task.weights.h5", "r+") as file:
        names = []
        file.visititems(lambda name, item: names.append((name, item)))
        for _, item in names:
            if isinstance(item, h5py.Dataset) and item.shape == (9 * 4,):
                item[...] = np.nan
    with caplog.at_level(logging.WARNING):
        detector = started(folder, RETINA_SIZE, threshold=0.6)
        assert [len(found) for found in detect(detector, *[noise(RETINA_SIZE)] * 2)] == [0, 0]
    assert len([text for text in caplog.messages if "is NaN" in text]) == 1
    assert "not finite" not in caplog.text


@pytest.mark.slow
def test_offline_takes_what_the_cache_of_kagglehub_holds(retina_preset, monkeypatch, tmp_path):
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    name = "retinanet_resnet50_fpn_coco"
    with pytest.raises(ModelError, match="got nothing there") as error:
        load_keras_hub_detector(name, offline=True)
    one_line(error)
    place = tmp_path / "models" / "keras" / "retinanet" / "keras" / name / "4"
    shutil.copytree(retina_preset, place)
    detector = load_keras_hub_detector(name, offline=True)
    assert dict(detector.digests) == {name: preset_digest(retina_preset)}


@pytest.mark.slow
def test_a_download_that_fails_is_one_line(hub, monkeypatch, tmp_path):
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(ModelError, match=r"dfine_nano_coco: cannot be downloaded") as error:
        load_keras_hub_detector("dfine_nano_coco")
    one_line(error)


@pytest.mark.slow
def test_what_is_no_object_detector_is_one_line(hub, retina_preset, tmp_path):
    encoder = hub.models.Backbone.from_preset(str(retina_preset)).image_encoder
    classifier = hub.models.ResNetImageClassifier(encoder, num_classes=2)
    classifier.save_to_preset(str(tmp_path / "classifier"))
    headless = tmp_path / "headless"
    shutil.copytree(retina_preset, headless)
    (headless / "task.weights.h5").unlink()
    (tmp_path / "empty").mkdir()
    damaged = tmp_path / "damaged"
    shutil.copytree(retina_preset, damaged)
    (damaged / "model.weights.h5").write_bytes(b"no weights")
    for folder, words in {
        "classifier": "compatible with ResNetBackbone",
        "headless": "expected task.weights.h5",
        "empty": "has no config.json",
        "damaged": "cannot be loaded as an object detector",
        "nothing": "expected a folder, kaggle://",
    }.items():
        with pytest.raises(ModelError, match=words) as error:
            load_keras_hub_detector(tmp_path / folder)
        one_line(error)
    with pytest.raises(ModelError, match="did you mean 'dfine_small_coco'"):
        load_keras_hub_detector("dfine_smal_coco")
    with pytest.raises(ModelError, match="expected 4 as the network has, got 2"):
        load_keras_hub_detector(retina_preset, names=["a", "b"])
    with pytest.raises(ConfigError, match="does not know 'spoon'"):
        load_keras_hub_detector(
            retina_preset, names=NAMES, settings=DetectorSettings(classes=("spoon",))
        )


@pytest.mark.slow
def test_nothing_is_printed(retina_preset):
    program = (
        "import sys\nfrom fractions import Fraction\n"
        "from tracker.detection.keras_hub.detector import load_keras_hub_detector\n"
        "from tracker.frames import VideoInfo\n"
        "detector = load_keras_hub_detector(sys.argv[1])\n"
        "detector.start(VideoInfo('x', 96, 64, fps=Fraction(25), time_base=Fraction(1, 25)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(retina_preset)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.slow
def test_the_command_tracks_with_a_preset(retina_preset, clip, tmp_path, monkeypatch):
    out = tmp_path / "tracks.jsonl"
    words = [
        *("run", clip, "--detector", f"kerashub:{retina_preset}", "--embedder", "none"),
        *("--max-frames", 3, "--conf", "0.5", "--json", out),
    ]
    monkeypatch.setattr(sys, "argv", ["tracker", *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert preset_digest(retina_preset) in json.dumps(lines[0])
    assert len(lines) == 1 + 3 + 1
