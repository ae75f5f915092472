"""What the configurations of all trainings share: checks, YAML, values by dotted key."""

from dataclasses import dataclass, field
from enum import Enum

import pytest

from tracker.cli.train.shared_config import (
    NetworkConfig,
    check_classes,
    check_seed_and_freezing,
    config_values,
    config_yaml,
)
from tracker.errors import ConfigError


class Colour(Enum):
    RED = "red"


@dataclass(frozen=True)
class Inner:
    sides: tuple[float, float] = (0.5, 2.0)
    colour: Colour = Colour.RED


@dataclass(frozen=True)
class Outer:
    seed: int = 3
    name: str | None = None
    inner: Inner = field(default_factory=Inner)


def test_values_are_plain_and_keyed_by_their_path() -> None:
    assert config_values(Outer()) == {
        "seed": 3,
        "name": None,
        "inner.sides": [0.5, 2.0],
        "inner.colour": "red",
    }


def test_yaml_keeps_the_order_of_the_fields_and_letters_as_they_are() -> None:
    assert config_yaml(Outer(name="Büro")) == (
        "seed: 3\nname: Büro\ninner:\n  sides:\n  - 0.5\n  - 2.0\n  colour: red\n"
    )


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize(
    ("network", "freeze_epochs"),
    [
        (NetworkConfig(), 0),
        (NetworkConfig(weights="a.keras"), 2),
        (NetworkConfig(backbone="mobilenetv2", backbone_weights="b.h5"), 2),
    ],
)
def test_a_backbone_with_trained_weights_may_be_frozen(
    seed: int, network: NetworkConfig, freeze_epochs: int
) -> None:
    check_seed_and_freezing(seed, freeze_epochs, network.choice())


def test_a_backbone_with_random_weights_may_not_be_frozen() -> None:
    with pytest.raises(ConfigError, match="random weights cannot be frozen"):
        check_seed_and_freezing(0, 1, NetworkConfig().choice())
    with pytest.raises(ConfigError, match="seed: expected at least 0, got -1"):
        check_seed_and_freezing(-1, 0, NetworkConfig().choice())


def test_classes_are_different_names() -> None:
    check_classes(None)
    check_classes(("a", "b"))
    for classes in ((), ("a", "a")):
        with pytest.raises(ConfigError, match="classes: expected different names"):
            check_classes(classes)
