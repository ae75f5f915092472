"""The embedder of a network of this package, on LiteRT."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from tracker.config.build import build_embedder
from tracker.config.run import load_config
from tracker.detections import Detections
from tracker.embedding.crop_embedder import CropEmbedder
from tracker.embedding.crops import cut_crops
from tracker.errors import ConfigError, ModelError
from tracker.frames import Frame
from tracker.models.files.digest import file_digest
from tracker.models.files.reid_file import load_reid, save_reid
from tracker.models.reid import build_reid
from tracker.pipeline.single import NoEmbedder

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("reid")


@pytest.fixture(scope="module")
def path(folder):
    keras.utils.set_random_seed(0)
    save_reid(build_reid(), folder / "mine.keras")
    return folder / "mine.keras"


@pytest.fixture(scope="module")
def embedder(path, folder):
    return CropEmbedder.load(path, threads=1, cache_dir=folder / "cache")


@pytest.fixture(scope="module")
def reference(path):
    return load_reid(path)


@pytest.fixture(scope="module")
def frame():
    image = np.random.default_rng(0).integers(0, 256, (120, 200, 3)).astype(np.uint8)
    return Frame(image=image, index=0, time_s=0.0, source="noise")


def people(count, seed=0):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 80, (count, 2))
    boxes = np.hstack([corner, corner + rng.uniform(10, 60, (count, 2))])
    return Detections.create(boxes, np.linspace(0.9, 0.1, count))


def test_no_detection_has_no_embedding_of_128_values(embedder, frame):
    result = embedder.embed(frame, Detections.empty())
    assert result.embeddings.shape == (0, 128)
    assert embedder.dimension == 128


@pytest.mark.parametrize("count", [1, 2, 3, 13, 70, 133])
def test_each_detection_gets_the_unit_vector_of_its_own_crop(embedder, frame, reference, count):
    detections = people(count)
    result = embedder.embed(frame, detections)
    assert result.embeddings.shape == (count, 128)
    assert result.embeddings.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(result.embeddings, axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(result.boxes, detections.boxes)
    np.testing.assert_array_equal(result.scores, detections.scores)
    crops = cut_crops(frame.image, detections.boxes, height=128, width=64)
    expected = np.asarray(reference(crops.astype(np.float32) / 255))
    np.testing.assert_allclose(result.embeddings, expected, atol=1e-4)


def test_equal_scores_keep_their_order(embedder, frame):
    several = people(9)
    equal = Detections.create(several.boxes, np.full(9, 0.5))
    together = embedder.embed(frame, equal).embeddings
    for row, box in enumerate(several.boxes):
        alone = embedder.embed(frame, Detections.create([box], [0.5])).embeddings[0]
        np.testing.assert_allclose(together[row], alone, atol=1e-5)


def test_boxes_outside_of_the_image_get_unit_vectors_too(embedder, frame):
    boxes = [[-300, 0, -200, 90], [190, 100, 500, 400], [0, 0, 0.1, 0.1]]
    vectors = embedder.embed(frame, Detections.create(boxes, [0.9, 0.8, 0.7])).embeddings
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_the_digest_names_the_file(embedder, path):
    assert embedder.digests == {"mine.keras": file_digest(path)}


def test_a_warm_cache_needs_no_tensorflow(embedder, path, folder):
    program = (
        "import sys\nfrom pathlib import Path\n"
        "from tracker.embedding.crop_embedder import CropEmbedder\n"
        f"CropEmbedder.load({str(path)!r}, threads=1, cache_dir=Path({str(folder / 'cache')!r}))\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_zero_threads_are_refused(path, folder):
    with pytest.raises(ConfigError, match=r"embedder\.threads: expected 1 to 1024, got 0"):
        CropEmbedder.load(path, threads=0, cache_dir=folder / "cache")


def test_the_configuration_names_the_file(path, folder):
    words = [f"embedder.name={path}", f"embedder.cache_dir={folder / 'cache'}"]
    built = build_embedder(load_config(overrides=words))
    assert isinstance(built, CropEmbedder)
    assert built.digests
    assert isinstance(build_embedder(load_config(overrides=["embedder.name=none"])), NoEmbedder)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("nome", ConfigError, "did you mean 'none'"),
        ("resnet50", ConfigError, r"expected 'auto', 'builtin', 'detector', 'none', or a network"),
        ("missing.keras", ModelError, "does not exist"),
        (".keras", ModelError, "does not exist"),
    ],
)
def test_a_wrong_name(name, error, message):
    with pytest.raises(error, match=message):
        build_embedder(load_config(overrides=[f"embedder.name={name}"]))


def test_a_damaged_file(tmp_path: Path):
    (tmp_path / "x.keras").write_bytes(b"PK no archive")
    with pytest.raises(ModelError, match="cut short or damaged"):
        build_embedder(load_config(overrides=[f"embedder.name={tmp_path / 'x.keras'}"]))
