"""Features of the detector as embeddings."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.embedding.test_model_embedder import people
from tracker.config.build import build_embedder
from tracker.config.run import load_config
from tracker.detections import Detections
from tracker.embedding.detector_features import PARTS, DetectorFeatures, described, pooled
from tracker.errors import ConfigError, ModelError
from tracker.evaluation.appearance import appearance_scores
from tracker.frames import Frame
from tracker.models.files.detector_file import DetectorDescription, load_detector, save_detector
from tracker.models.files.digest import file_digest
from tracker.models.files.reid_file import save_reid
from tracker.models.reid import build_reid
from tracker.models.yolo import build_yolo
from tracker.models.yolo_shape import YoloSize

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CHANNELS = 48
"""Of the neck of size nano."""


def columns(height=6, width=8):
    """A channel tells the column, another the row."""
    rows, cells = np.indices((height, width))
    return np.stack([cells, rows], axis=-1).astype(np.float32)


def test_no_box_is_pooled_to_nothing():
    assert pooled(columns(), np.zeros((0, 4))).shape == (0, PARTS, 2)


def test_a_box_of_whole_cells_has_the_mean_of_each_third():
    # Columns 2 to 5, rows 0 to 5 in pairs.
    parts = pooled(columns(), np.array([[2.0, 0, 6, 6]]))
    np.testing.assert_allclose(parts, [[[3.5, 0.5], [3.5, 2.5], [3.5, 4.5]]])


def test_cells_count_by_their_share():
    # A quarter of column 1, columns 2 and 3 whole: (1/4 + 2 + 3) / 2.25.
    parts = pooled(columns(), np.array([[1.75, 0, 4, 6]]))
    np.testing.assert_allclose(parts[0, :, 0], [5.25 / 2.25] * 3, rtol=1e-6)


def test_a_small_box_is_a_cell_around_its_middle():
    # Middle at (4.5, 2.5), the middle of a cell; at (4, 2.5), half of two columns.
    boxes = np.array([[4.4, 2.4, 4.6, 2.6], [3.9, 2.4, 4.1, 2.6]])
    np.testing.assert_allclose(pooled(columns(), boxes)[:, 1], [[4, 2], [3.5, 2]], atol=1e-9)


@pytest.mark.parametrize(
    ("box", "column", "row"),
    [((-9, -9, -5, -5), 0, 0), ((20, 20, 30, 30), 7, 5), ((-1e30, 2, -1e29, 3), 0, 2)],
)
def test_a_box_outside_is_the_nearest_cell(box, column, row):
    part = pooled(columns(), np.array([box], float))[0, 1]
    np.testing.assert_allclose(part, [column, row], atol=1e-6)


def test_what_reaches_out_is_cut():
    boxes = np.array([[-10.0, 0, 4, 6], [0, 0, 4, 6]])
    first, second = pooled(columns(), boxes)
    np.testing.assert_allclose(first, second)


edges = st.floats(-5, 15)


@given(edges, edges, st.floats(0.01, 12), st.floats(0.01, 12))
def test_what_is_everywhere_the_same_is_pooled_to_itself(x, y, width, height):
    parts = pooled(np.full((6, 8, 2), 3, np.float32), np.array([[x, y, x + width, y + height]]))
    np.testing.assert_allclose(parts, np.full((1, PARTS, 2), 3), rtol=1e-6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("features")


@pytest.fixture(scope="module")
def path(folder):
    keras.utils.set_random_seed(0)
    network = build_yolo(YoloSize.NANO, 2)
    save_detector(
        network, folder / "mine.keras", DetectorDescription(YoloSize.NANO, ("a", "b"), 96)
    )
    return folder / "mine.keras"


@pytest.fixture(scope="module")
def embedder(path, folder):
    return DetectorFeatures.load(path, threads=1, cache_dir=folder / "cache")


def noise(height=72, width=96, seed=0):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    return Frame(image=image, index=0, time_s=0.0, source="noise")


@pytest.mark.slow
def test_no_detection_has_no_embedding(embedder):
    found = embedder.embed(noise(), Detections.empty())
    assert found.embeddings.shape == (0, PARTS * CHANNELS)
    assert embedder.dimension == PARTS * CHANNELS


@pytest.mark.slow
def test_vectors_are_means_of_the_networks_own_features(embedder, path):
    frame = noise()
    found = embedder.embed(
        frame, Detections.create([[16, 0, 40, 72], [48, 24, 96, 48]], [0.9, 0.8])
    )
    np.testing.assert_allclose(np.linalg.norm(found.embeddings, axis=1), 1, atol=1e-5)
    # 72x96 at the long side 96 is itself, above 24 rows of grey; 9 of 12 rows of cells are seen.
    pixels = np.full((1, 96, 96, 3), 128, np.uint8)
    pixels[0, :72] = frame.image
    network = load_detector(path)
    features = keras.Model(network.input, network.get_layer("lateral0_relu").output)
    seen = np.asarray(features(pixels.astype(np.float32) / 255))[0, :9]
    thirds = [seen[row : row + 3, 2:5].mean(axis=(0, 1)) for row in (0, 3, 6)]
    expected = np.concatenate(thirds - seen.mean(axis=(0, 1)))
    np.testing.assert_allclose(found.embeddings[0], expected / np.linalg.norm(expected), atol=1e-4)


def test_frames_of_another_size(embedder):
    box = [[10, 10, 60, 60]]
    for height, width in ((72, 96), (300, 200), (33, 500), (72, 96)):
        found = embedder.embed(noise(height, width), Detections.create(box, [0.5]))
        assert found.embeddings.shape == (1, PARTS * CHANNELS)
    again = embedder.embed(noise(72, 96), Detections.create(box, [0.5]))
    np.testing.assert_array_equal(found.embeddings, again.embeddings)


def test_boxes_outside_get_vectors_too(embedder):
    boxes = [[-300, 0, -200, 90], [90, 60, 500, 400], [0, 0, 0.1, 0.1]]
    vectors = embedder.embed(noise(), Detections.create(boxes, [0.9, 0.8, 0.7])).embeddings
    assert np.isfinite(vectors).all()


def test_the_digest_names_the_detector(embedder, path):
    assert embedder.digests == {"mine.keras": file_digest(path)}


def test_a_warm_cache_needs_no_tensorflow(embedder, path, folder):
    program = (
        "import sys\nfrom pathlib import Path\n"
        "from tracker.embedding.detector_features import DetectorFeatures\n"
        f"DetectorFeatures.load({str(path)!r}, cache_dir=Path({str(folder / 'cache')!r}))\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_what_boxes_have_in_common_with_the_frame_is_left_out():
    # Means of the columns are 3.5, of the rows 2.5: differences (-3, -2), (-3, 0), (-3, 2).
    vectors = described(columns(), np.array([[0.0, 0, 2, 2], [0, 0, 2, 6]]))
    np.testing.assert_allclose(vectors[1], np.array([-3, -2, -3, 0, -3, 2]) / 35**0.5, rtol=1e-6)


def test_values_that_are_not_finite():
    features = columns()
    features[2, 3, 1] = np.nan
    with pytest.raises(ModelError, match="expected finite features"):
        described(features, np.array([[0.0, 0, 1, 1]]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threads": 0}, "expected 1 to 1024, got 0"),
        ({"long_side": 100}, "multiple of 32, got 100"),
    ],
)
def test_settings_out_of_range(path, folder, embedder, options, message):
    with pytest.raises(ConfigError, match=message):
        DetectorFeatures.load(path, cache_dir=folder / "cache", **options)


def built(*words):
    return build_embedder(load_config(overrides=["embedder.name=detector", *words]))


def test_the_configuration_names_the_detector(path, folder, embedder):
    made = built(f"detector.name={path}", f"embedder.cache_dir={folder / 'cache'}")
    assert isinstance(made, DetectorFeatures)
    assert made.digests == embedder.digests


@pytest.mark.parametrize(
    "words",
    [
        ["detector.name=motion"],
        ["detector.name=fcn"],
        ["detector.name=yolo.cfg", "detector.weights=yolo.weights"],
        ["detector.name=mine.tflite"],
        ["detector.name=theirs.onnx"],
        ["detector.detections=det.txt"],
    ],
)
def test_other_detectors_have_no_such_features(words):
    with pytest.raises(ConfigError, match="embedder detector: expected a detector of this package"):
        built(*words)


def test_files_that_hold_no_detector(tmp_path: Path):
    with pytest.raises(ModelError, match="does not exist"):
        built(f"detector.name={tmp_path / 'missing.keras'}")
    save_reid(build_reid(), tmp_path / "looks.keras")
    with pytest.raises(ModelError, match="'tracker reid'"):
        built(f"detector.name={tmp_path / 'looks.keras'}")


@pytest.mark.slow
def test_the_builtin_detector_tells_people_apart_better_than_chance(data):
    embedder = built("detector.name=nano")
    vectors, ids = [], []
    for image, found, who in people(data, 80):
        vectors.append(embedder.embed(image, found).embeddings)
        ids.append(who)
    scores = appearance_scores(np.concatenate(vectors), np.concatenate(ids))
    assert scores.same < scores.different
    assert scores.auc > 0.62
