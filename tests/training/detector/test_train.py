"""Training: it learns, it goes on where it was killed, it stops when it should."""

import csv
import subprocess
import sys

import keras
import numpy as np
import pytest

from tracker.errors import ConfigError, DataError, ModelError, OutputError
from tracker.models.yolo import build_yolo
from tracker.models.yolo_shape import YoloSize
from tracker.training.checkpoints import (
    CHECKPOINT,
    Checkpoint,
    Progress,
    read_checkpoint,
    write_checkpoint,
)
from tracker.training.detector.batches import Batch
from tracker.training.detector.learner import detector_learner, train_on
from tracker.training.detector.train import (
    BEST,
    LAST,
    LOG,
    train_detector,
)
from tracker.training.learner import AverageWeights, compile_learner, make_optimizer
from tracker.training.loop import LoopResult
from tracker.training.schedule import Schedule, average_decay
from tracker.training.settings import TrainSettings
from tracker.training.training_log import TrainingLog

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SIDE = 64


def _batch(seed, count=2):
    """Grey noise with one bright square each; red ones are class 0, green ones class 1."""
    rng = np.random.default_rng(seed)
    images = rng.integers(90, 110, (count, SIDE, SIDE, 3)).astype(np.uint8)
    boxes, classes = np.zeros((count, 3, 4), np.float32), np.zeros((count, 3), np.int32)
    for row in range(count):
        x, y = rng.integers(0, SIDE - 24, 2)
        classes[row, 0] = rng.integers(2)
        images[row, y : y + 24, x : x + 24, classes[row, 0]] = 250
        boxes[row, 0] = [x, y, x + 24, y + 24]
    valid = np.zeros((count, 3), bool)
    valid[:, 0] = True
    return Batch(images, boxes, classes, np.zeros((count, 3), bool), valid, np.float32(valid))


class Squares:
    """Two batches an epoch; a fixed set, or another one in each epoch."""

    def __init__(self, *, fresh=False, count=2):
        self.fresh, self.count = fresh, count
        self.asked = []

    def __len__(self):
        return 2

    def epoch(self, number, *, start=0):
        for index in range(start, 2):
            self.asked.append((number, index))
            yield _batch(10 * number * self.fresh + index, self.count)


class Killed(Exception):  # noqa: N818 - stands for a signal
    """Ends a training from outside."""


class KilledSquares(Squares):
    """The process dies when this batch is asked for."""

    def __init__(self, at):
        super().__init__(fresh=True)
        self.at = at

    def epoch(self, number, *, start=0):
        for batch in super().epoch(number, start=start):
            if self.asked[-1] == self.at:
                raise Killed
            yield batch


def _network(seed=0):
    """Three maps by one convolution each: made and traced in a moment."""
    keras.utils.set_random_seed(seed)
    x = image = keras.Input((None, None, 3))
    maps = []
    for stride in (8, 2, 2):
        x = keras.layers.Conv2D(16, stride, strides=stride, use_bias=False)(x)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(x))
        maps.append(keras.layers.Conv2D(6, 1, bias_initializer="ones")(x))
    return keras.Model(image, maps, name="tiny")


def _settings(**changes):
    base = {"epochs": 2, "warmup_steps": 1, "log_steps": 1, "checkpoint_minutes": 0.0}
    return TrainSettings(**(base | changes))


def _log(folder):
    with (folder / LOG).open(newline="") as file:
        return list(csv.DictReader(file))


def test_schedule_rises_and_falls():
    plan = Schedule(0.4, 10, warmup_steps=2, final_share=0.5)
    rates = [plan.learning_rate(step) for step in range(12)]
    assert rates[:3] == [0.2, 0.4, 0.4]
    assert rates[6] == pytest.approx(0.3)
    assert rates[10] == rates[11] == pytest.approx(0.2)
    assert rates[2:] == sorted(rates[2:], reverse=True)


def test_average_decay_rises():
    assert average_decay(0, 0.9) == 0.1
    assert average_decay(10**6, 0.9) == 0.9


def test_average_of_weights_by_hand():
    image = keras.Input((1,))
    network = keras.Model(image, keras.layers.Dense(1)(image))
    network.set_weights([np.array([[1.0]]), np.array([2.0])])
    averages = AverageWeights(network)
    network.set_weights([np.array([[3.0]]), np.array([2.0])])
    averages.update(network, 0.75)
    assert [float(a.squeeze()) for a in averages.values] == [1.5, 2.0]


def test_biases_and_norms_do_not_decay():
    """With gradients of 0 only decay is left, and it moves kernels alone."""
    image = keras.Input((4, 4, 1))
    x = keras.layers.Conv2D(1, 1)(image)
    network = keras.Model(image, keras.layers.BatchNormalization()(x))
    before = [np.full(w.shape, 0.5, np.float32) for w in network.trainable_weights]
    for weight, value in zip(network.trainable_weights, before, strict=True):
        weight.assign(value)
    optimizer = make_optimizer(weight_decay=0.1, clip_norm=1.0)
    optimizer.build(network.trainable_variables)
    optimizer.learning_rate = 0.5
    optimizer.apply([w * 0.0 for w in network.trainable_weights])
    changed = {w.name for w in network.trainable_weights if not np.allclose(np.asarray(w), 0.5)}
    assert changed == {"kernel"}


@pytest.mark.slow
def test_one_run_writes_all_files(tmp_path):
    network, batches = _network(), Squares()
    settings = _settings(epochs=1)
    result = train_detector(network, batches, settings, tmp_path, validation=[_batch(5)])
    assert result.steps == 2
    assert 0 <= result.best <= 1
    assert not result.stopped_early
    assert {CHECKPOINT, BEST, LAST, LOG} <= {path.name for path in tmp_path.iterdir()}
    lines = _log(tmp_path)
    assert [line["step"] for line in lines] == ["1", "2", "2"]
    assert float(lines[0]["learning_rate"]) == pytest.approx(settings.learning_rate)
    assert float(lines[2]["ap50"]) == pytest.approx(result.best, abs=1e-5)
    last = keras.models.load_model(tmp_path / LAST)
    for have, want in zip(
        last.get_weights(), read_checkpoint(tmp_path / CHECKPOINT).averages, strict=True
    ):
        np.testing.assert_array_equal(have, want)


@pytest.mark.slow
def test_killed_and_resumed_equals_one_run(tmp_path):
    """The kill comes in the middle of the second epoch; a checkpoint was written at every step."""
    whole = Squares(fresh=True)
    train_detector(_network(), whole, _settings(), tmp_path / "whole")
    killed = KilledSquares(at=(1, 1))
    with pytest.raises(Killed):
        train_detector(_network(), killed, _settings(), tmp_path / "parts")
    rest = Squares(fresh=True)
    result = train_detector(_network(seed=9), rest, _settings(), tmp_path / "parts")
    assert rest.asked == [(1, 1)]
    assert result.steps == 4
    one, two = (read_checkpoint(tmp_path / name / CHECKPOINT) for name in ("whole", "parts"))
    for group in ("weights", "averages", "optimizer"):
        for have, want in zip(getattr(two, group), getattr(one, group), strict=True):
            np.testing.assert_allclose(have, want, rtol=1e-3, atol=1e-4)
    logs = [_log(tmp_path / name) for name in ("whole", "parts")]
    assert [[line["step"] for line in log] for log in logs] == [["1", "2", "3", "4"]] * 2
    rates = [[line["learning_rate"] for line in log] for log in logs]
    assert rates[0] == rates[1]


@pytest.mark.slow
def test_patience_ends_a_training(tmp_path):
    """Validation images show other classes than the network can learn: AP50 stays at 0."""
    blind = _batch(5)
    blind = Batch(
        blind.images * 0, blind.boxes, blind.classes, blind.ignore, blind.valid, blind.scores
    )
    settings = _settings(epochs=9, patience=2, learning_rate=1e-6)
    result = train_detector(_network(), Squares(), settings, tmp_path, validation=[blind])
    assert result.stopped_early
    assert result.steps == 6  # the first validation is the best, two more are not better


@pytest.mark.slow
def test_a_few_images_are_learned_by_heart(tmp_path):
    keras.utils.set_random_seed(0)
    settings = _settings(
        epochs=90, warmup_steps=10, average_decay=0.9, validate_epochs=90, checkpoint_minutes=9.0
    )
    truth = [_batch(0, 8), _batch(1, 8)]
    network = build_yolo(YoloSize.NANO, 2)
    result = train_detector(network, Squares(count=8), settings, tmp_path, validation=truth)
    assert result.best > 0.95


@pytest.mark.slow
def test_ignored_object_gives_no_box_loss():
    batch = _batch(0)
    ignored = Batch(
        batch.images, batch.boxes, batch.classes, batch.valid, batch.valid, batch.scores
    )
    learner = detector_learner(_network(), TrainSettings(box_weight=1.0))
    optimizer = make_optimizer(weight_decay=0.0, clip_norm=1.0)
    compile_learner(learner, optimizer, image_size=(SIDE, SIDE))
    optimizer.learning_rate = 0.0
    losses = train_on(learner, ignored)
    assert losses["box_loss"] == 0
    assert losses["loss"] == pytest.approx(losses["score_loss"])
    assert train_on(learner, batch)["box_loss"] > 0


def test_log_forgets_what_will_come_again(tmp_path):
    with TrainingLog(tmp_path / LOG) as log:
        for step in (1, 2, 3):
            log.write(step, 0, {"loss": step / 2})
    with (tmp_path / LOG).open("a") as file:
        file.write("4,0,0.")  # a line that a kill cut short
    with TrainingLog(tmp_path / LOG) as log:
        log.forget_after(2)
        log.write(3, 0, {"ap50": 0.5}, {0: 0.25, 2: 0.75})
    lines = _log(tmp_path)
    assert [line["step"] for line in lines] == ["1", "2", "3"]
    assert [line["loss"] for line in lines] == ["0.5", "1", ""]
    assert lines[2]["ap50_by_class"] == "0=0.2500 2=0.7500"


def test_checkpoint_comes_back(tmp_path):
    path = tmp_path / CHECKPOINT
    arrays = [np.arange(4, dtype=np.float32).reshape(2, 2), np.float32(3), np.array(7)]
    write_checkpoint(path, Checkpoint(Progress(5, 0.25, 1), arrays, arrays[:1], arrays[1:]))
    back = read_checkpoint(path)
    assert back.progress == Progress(5, 0.25, 1)
    assert [len(g) for g in (back.weights, back.averages, back.optimizer)] == [3, 1, 2]
    for have, want in zip(back.weights, arrays, strict=True):
        np.testing.assert_array_equal(have, want)
        assert have.dtype == want.dtype
    assert [p.name for p in tmp_path.iterdir()] == [CHECKPOINT]


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04"])
def test_bad_checkpoint(tmp_path, content):
    (tmp_path / CHECKPOINT).write_bytes(content)
    with pytest.raises(ModelError, match="remove it to train from the start"):
        read_checkpoint(tmp_path / CHECKPOINT)


def test_checkpoint_of_another_network(tmp_path):
    few = [np.zeros(3, np.float32)]
    write_checkpoint(tmp_path / CHECKPOINT, Checkpoint(Progress(1), few, few, few))
    with pytest.raises(ModelError, match="another network"):
        train_detector(_network(), Squares(), _settings(), tmp_path)


@pytest.mark.slow
def test_loss_that_is_not_finite(tmp_path):
    network = _network()
    network.set_weights([w * np.nan for w in network.get_weights()])
    with pytest.raises(DataError, match="finite loss at step 0"):
        train_detector(network, Squares(), _settings(), tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"epochs": 0},
        {"log_steps": 0},
        {"validate_epochs": 0},
        {"patience": 0},
        {"clip_norm": 0.0},
        {"box_weight": -1.0},
        {"weight_decay": -0.1},
        {"average_decay": 1.0},
        {"freeze_epochs": -1},
        {"learning_rate": 0.0},
        {"warmup_steps": -1},
        {"final_share": 2.0},
    ],
)
def test_bad_settings(changes):
    with pytest.raises(ConfigError, match=next(iter(changes))):
        _settings(**changes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"peak": 0.0}, "learning rate"),
        ({"total_steps": 0}, "total_steps"),
        ({"warmup_steps": 10}, "0 to 9"),
        ({"final_share": 2.0}, "final_share"),
    ],
)
def test_bad_schedule(arguments, message):
    with pytest.raises(ConfigError, match=message):
        Schedule(**({"peak": 1.0, "total_steps": 10} | arguments))


def test_run_time_code_does_not_import_training():
    program = (
        "import sys, tracker.detection.yolo_detector, tracker.models.heads\n"
        "assert not any(name.startswith('tracker.training') for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


class Watcher:
    """Remembers what it is told."""

    def __init__(self):
        self.begun, self.steps, self.epochs = None, [], []

    def begin(self, step, total):
        self.begun = (step, total)

    def step(self, step, loss):
        self.steps.append(step)
        assert loss > 0

    def epoch(self, report):
        self.epochs.append(report)


def _backbone(network):
    return [np.array(w) for w in network.get_layer("stem").get_weights()]


def _network_with_backbone():
    """Like `_network`, one layer of it named as a backbone's."""
    keras.utils.set_random_seed(0)
    x = image = keras.Input((None, None, 3))
    maps = []
    for stride, name in ((8, "stem"), (2, "lateral1"), (2, "lateral2")):
        x = keras.layers.Conv2D(8, stride, strides=stride, activation="relu", name=name)(x)
        last = keras.layers.Conv2D(6, 1, bias_initializer="ones", name=f"map_{len(maps)}")
        maps.append(last(x))
    return keras.Model(image, maps, name="tiny")


@pytest.mark.slow
def test_frozen_epochs_keep_the_backbone(tmp_path):
    """The first epoch leaves it as it was, a restart after it lets it learn."""
    network, watcher = _network_with_backbone(), Watcher()
    before = _backbone(network)
    settings = _settings(epochs=1, freeze_epochs=1, warmup_steps=0, average_decay=0.0)
    train_detector(network, Squares(), settings, tmp_path, observer=watcher)
    for have, want in zip(_backbone(network), before, strict=True):
        np.testing.assert_array_equal(have, want)
    assert watcher.begun == (0, 2)
    assert watcher.steps == [1, 2]
    assert [(r.epoch, r.step, r.score) for r in watcher.epochs] == [(0, 2, None)]
    assert watcher.epochs[0].loss > 0

    settings, watcher = _settings(epochs=2, freeze_epochs=1, warmup_steps=0), Watcher()
    network = _network_with_backbone()
    saved = []
    train_detector(
        network,
        Squares(),
        settings,
        tmp_path,
        observer=watcher,
        save=lambda _, path: saved.append(path.name),
    )
    assert saved == [LAST]
    assert watcher.begun == (2, 4)
    assert watcher.steps == [3, 4]
    changed = [not np.array_equal(*pair) for pair in zip(_backbone(network), before, strict=True)]
    assert any(changed)
    assert network.get_layer("stem").trainable


@pytest.mark.slow
def test_what_never_learns_stays_when_the_rest_goes_on(tmp_path):
    """Both epochs leave it alone; afterwards the network is as it was given."""
    network = _network_with_backbone()
    network.get_layer("stem").trainable = False
    before, neck = _backbone(network), network.get_layer("lateral1").get_weights()
    settings = _settings(epochs=2, freeze_epochs=1, warmup_steps=0, average_decay=0.0)
    train_detector(network, Squares(), settings, tmp_path)
    for have, want in zip(_backbone(network), before, strict=True):
        np.testing.assert_array_equal(have, want)
    assert not np.array_equal(network.get_layer("lateral1").get_weights()[0], neck[0])
    assert not network.get_layer("stem").trainable
    assert network.get_layer("lateral1").trainable


def test_counters_are_followed_not_averaged():
    image = keras.Input((4, 4, 3))
    network = keras.Model(image, keras.layers.Normalization()(image))  # mean, variance, count
    averages = AverageWeights(network)
    network.set_weights([np.full(3, 2.0), np.full(3, 4.0), np.array(7)])
    averages.update(network, 0.5)
    assert [a.tolist() for a in averages.values] == [[1.0] * 3, [2.5] * 3, 7]


def test_a_training_that_stopped_early_stays_stopped(tmp_path):
    few = [np.asarray(w) for w in _network().weights]
    network = _network()
    optimizer = make_optimizer(weight_decay=0.0, clip_norm=1.0)
    optimizer.build(network.trainable_variables)
    state = [np.asarray(v) for v in optimizer.variables]
    write_checkpoint(tmp_path / CHECKPOINT, Checkpoint(Progress(2, 0.5, 3), few, few, state))
    squares = Squares()
    result = train_detector(network, squares, _settings(patience=3), tmp_path)
    assert result == LoopResult(2, 0.5, stopped_early=True)
    assert squares.asked == []
    assert (tmp_path / LAST).exists()


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be made"):
        train_detector(_network(), Squares(), _settings(), tmp_path / "file" / "out")


def test_warm_up_is_a_tenth_of_short_trainings():
    assert TrainSettings(epochs=10).schedule(10).warmup_steps == 10
    assert TrainSettings(epochs=100).schedule(100).warmup_steps == 200
    assert TrainSettings(epochs=1).schedule(1).warmup_steps == 0
    with pytest.raises(ConfigError, match="0 to 9"):
        TrainSettings(epochs=10, warmup_steps=10).schedule(1)
