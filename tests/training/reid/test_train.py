"""Learning appearance: losses by hand, it learns, it goes on where it was killed."""

import csv
import math

import keras
import numpy as np
import pytest

from tracker.errors import ConfigError, DataError, ModelError, OutputError
from tracker.evaluation.appearance import appearance_scores
from tracker.models.files.reid_file import load_reid
from tracker.models.reid import build_reid
from tracker.training.checkpoints import CHECKPOINT
from tracker.training.reid.augment import NO_CHANGE
from tracker.training.reid.batches import ReidBatches
from tracker.training.reid.data import CropSet
from tracker.training.reid.learner import embed_crops
from tracker.training.reid.losses import contrastive_loss, regression_loss, relation_loss
from tracker.training.reid.settings import ReidTrainSettings
from tracker.training.reid.train import BEST, LAST, LOG, train_reid
from tracker.training.settings import MixedPrecision

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

X, Y, MINUS_X = [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]


def rows(*vectors):
    return np.array(vectors, np.float32)


def unclear(count, *pairs):
    mask = np.zeros((count, count), bool)
    for i, j in pairs:
        mask[i, j] = mask[j, i] = True
    return mask


def test_regression_is_the_mean_cosine_distance():
    assert float(regression_loss(rows(X, X, X), rows(X, Y, MINUS_X))) == pytest.approx(1.0)
    assert float(regression_loss(rows(X, Y), rows(X, Y))) == pytest.approx(0.0)


def test_relation_compares_similarities_not_directions():
    # The teacher's vectors have another dimension, and are turned: only dot products count.
    assert float(relation_loss(rows(X, Y), rows([0, 0, 1], [0, 1, 0]))) == pytest.approx(0.0)
    # Off the diagonal: 0 against 1, twice of two places.
    assert float(relation_loss(rows(X, Y), rows(X, X))) == pytest.approx(1.0)
    # Six places; x.y = 0 against 1 twice, x.-x = -1 against 0 twice, y.-x = 0 against 0.
    loss = relation_loss(rows(X, Y, MINUS_X), rows(X, X, Y))
    assert float(loss) == pytest.approx(4 / 6)


def contrast(vectors, groups, mask=None, temperature=0.5):
    mask = unclear(len(vectors)) if mask is None else mask
    loss = contrastive_loss(rows(*vectors), np.array(groups), mask, temperature=temperature)
    return float(loss)


def test_contrast_by_hand():
    # Each x sees the other x (logit 2) and y (logit 0): -log(e2 / (e2 + 1)). y is alone.
    assert contrast([X, X, Y], [7, 7, 8]) == pytest.approx(math.log(1 + math.exp(-2)), rel=1e-5)


def test_contrast_with_two_of_the_same():
    # Of one group all: every one sees two others, each with half of the softmax.
    assert contrast([X, X, X], [1, 1, 1]) == pytest.approx(math.log(2), rel=1e-5)


def test_contrast_leaves_unclear_pairs_out():
    mask = unclear(3, (0, 2))
    # The first x does not see y any more: its loss is 0; the second one's is as before.
    expected = math.log(1 + math.exp(-2)) / 2
    assert contrast([X, X, Y], [7, 7, 8], mask) == pytest.approx(expected, rel=1e-5)
    # What is known to be the same stays, however alike the teacher finds it.
    assert contrast([X, X, Y], [7, 7, 8], unclear(3, (0, 1))) == pytest.approx(
        contrast([X, X, Y], [7, 7, 8])
    )


def test_contrast_of_strangers_is_nothing():
    assert contrast([X, Y, MINUS_X], [1, 2, 3]) == 0.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs: expected at least 1, got 0"),
        ({"learning_rate": 0}, "learning_rate: expected above 0"),
        ({"temperature": float("nan")}, "temperature"),
        ({"contrast": -1}, "contrast: expected at least 0"),
        ({"freeze_epochs": -1}, "freeze_epochs: expected at least 0"),
        ({"average_decay": 1}, "average_decay"),
        ({"regression": 0, "relation": 0, "contrast": 0}, "expected one above 0"),
    ],
)
def test_wrong_settings(change, message):
    with pytest.raises(ConfigError, match=message):
        ReidTrainSettings(**change)


def people(targets=0, times=1):
    """Six people in clothes of two colours each, two noisy crops of each, all so many times."""
    rng = np.random.default_rng(0)
    crops = np.empty((12, 128, 64, 3), np.uint8)
    for person in range(6):
        colours = rng.integers(0, 256, (2, 3))
        for row in (2 * person, 2 * person + 1):
            image = np.repeat(colours, 64, axis=0)[:, None] + rng.normal(0, 40, (128, 64, 3))
            crops[row] = np.clip(image, 0, 255)
    vectors = np.repeat(rng.normal(size=(6, targets)), 2, axis=0)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    index = np.tile(np.arange(12), times)
    return CropSet(crops, np.repeat(np.arange(6), 2), vectors.astype(np.float32)).select(index)


def train(out, data, *, epochs, judge=None, **settings):
    keras.utils.set_random_seed(0)
    network = build_reid(16)
    batches = ReidBatches(data, batch=12, augment=NO_CHANGE, seed=0)
    options = {"learning_rate": 3e-3, "average_decay": 0.9, **settings}
    result = train_reid(
        network,
        batches,
        ReidTrainSettings(epochs=epochs, **options),
        out,
        judge=judge or (lambda network: 0.5),
    )
    return network, result


@pytest.mark.slow
def test_it_learns_few_crops_by_heart(tmp_path):
    data = people(targets=16, times=10)

    def judge(network):
        return appearance_scores(embed_crops(network, shown.crops), shown.groups).auc

    shown = people(targets=16)
    network, result = train(tmp_path, data, epochs=4, judge=judge)
    assert result.steps == 80
    vectors = embed_crops(network, shown.crops)
    assert (vectors * shown.targets).sum(axis=1).mean() > 0.9
    scores = appearance_scores(vectors, shown.groups)
    assert scores.rank1 == 1.0
    assert result.best >= scores.auc > 0.99
    best = load_reid(tmp_path / BEST)
    assert judge(best) == pytest.approx(result.best)
    np.testing.assert_allclose(
        embed_crops(load_reid(tmp_path / LAST), shown.crops), vectors, atol=1e-6
    )
    lines = list(csv.DictReader((tmp_path / LOG).read_text().splitlines()))
    assert [line["score"] != "" for line in lines[-2:]] == [False, True]
    assert float(lines[0]["regression"]) > 2 * float(lines[-2]["regression"])


@pytest.mark.slow
def test_a_training_without_a_teacher_goes_on_where_it_stopped(tmp_path):
    data = people()
    settings = {"regression": 0.0, "relation": 0.0, "contrast": 1.0}
    network, result = train(tmp_path / "a", data, epochs=3, **settings)

    class KilledError(Exception):
        pass

    calls = []

    def judge(network):
        calls.append(network)
        if len(calls) == 3:
            raise KilledError
        return 0.5

    with pytest.raises(KilledError):
        train(tmp_path / "b", data, epochs=3, judge=judge, **settings)
    again, resumed = train(tmp_path / "b", data, epochs=3, **settings)
    assert (resumed.steps, result.steps) == (6, 6)
    for left, right in zip(network.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(left, right, atol=1e-5)


@pytest.mark.slow
def test_a_frozen_backbone_learns_when_it_is_let(tmp_path):
    """One epoch frozen with 16 bits, then one free; what never learns stays."""
    keras.utils.set_random_seed(0)
    network = build_reid(16)
    network.get_layer("stage_0_0_conv").trainable = False
    before = {
        name: network.get_layer(name).get_weights()[0]
        for name in ("stem_conv", "stage_0_0_conv", "project")
    }
    batches = ReidBatches(people(), batch=12, augment=NO_CHANGE, seed=0)
    seen, dtypes = [], []

    def judge(network):
        changed = [
            name
            for name, old in before.items()
            if not np.array_equal(network.get_layer(name).get_weights()[0], old)
        ]
        seen.append(changed)
        dtypes.append(network.get_layer("stem_conv").compute_dtype)
        return 0.5

    settings = ReidTrainSettings(
        epochs=2,
        freeze_epochs=1,
        average_decay=0.0,
        regression=0.0,
        relation=0.0,
        contrast=1.0,
        mixed_precision=MixedPrecision.ON,
    )
    train_reid(network, batches, settings, tmp_path, judge=judge)
    assert seen == [["project"], ["stem_conv", "project"]]
    assert dtypes == ["float32", "float32"]
    assert not network.get_layer("stage_0_0_conv").trainable
    assert load_reid(tmp_path / LAST).output_shape == (None, 16)


@pytest.mark.slow
def test_patience_ends_it(tmp_path):
    scores = iter([0.5, 0.6, 0.6, 0.1, 0.9])
    _, result = train(tmp_path, people(), epochs=9, patience=2, judge=lambda _: next(scores))
    assert (result.steps, result.best, result.stopped_early) == (8, 0.6, True)


@pytest.mark.slow
def test_what_goes_wrong(tmp_path):
    with pytest.raises(DataError, match="expected a finite loss at step 0"):
        train(tmp_path / "nan", people(), epochs=1, contrast=3e38)
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OutputError, match="cannot be made"):
        train(tmp_path / "file", people(), epochs=1)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / CHECKPOINT).write_bytes(b"no checkpoint")
    with pytest.raises(ModelError, match="expected a checkpoint"):
        train(tmp_path / "bad", people(), epochs=1)
