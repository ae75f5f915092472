"""All targets by name."""

from tests.fuzz import address_targets, file_targets, model_targets, tracker_targets
from tests.fuzz.engine import Target

TARGETS: dict[str, Target] = {
    target.name: target
    for module in (tracker_targets, file_targets, model_targets, address_targets)
    for target in module.TARGETS
}
