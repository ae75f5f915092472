"""No attribute of a class with a state is forgotten in checkpoints."""

import ast
import importlib
from pathlib import Path

import pytest

import tracker
from tracker.analytics.stateful import ANALYTICS
from tracker.pipeline.stateful import TRACKING
from tracker.sinks.stateful import SINKS
from tracker.util.plain_state import Kinds

PACKAGE = Path(tracker.__file__).parent
ALL = TRACKING | SINKS | ANALYTICS
ELSEWHERE = {
    # Their sinks cannot be continued, which `resumable.why_not_resumable` says.
    *("ClipSink", "CropSink", "OutputFolder", "_Best", "CropFolder"),
    # Open files, encoders, queues, windows and locks of the process.
    *(
        "Disk",
        "Recording",
        "EncoderThread",
        "_Progress",
        "YuvConverter",
        "Sound",
        "_JoinedSound",
        "_Copy",
        "_Encode",
        "Place",
        "EventQueue",
        "OpenCvScreen",
    ),
    *("WebhookSender", "MqttSender", "_Answers", "FragmentCount", "SharedFinder"),
    # The results that wait are `LateResult`s of the snapshot.
    "LaggedResults",
    # Its analyser has the state, and `RunAnalysis.state` returns that.
    "RunAnalysis",
}


def classes() -> list[tuple[type, ast.ClassDef]]:
    """Classes of the packages that follow a run, with their source."""
    found = []
    paths = [
        p for name in ("analytics", "sinks", "tracking") for p in (PACKAGE / name).rglob("*.py")
    ]
    paths += [PACKAGE / "pipeline/lag.py", PACKAGE / "pipeline/source_state.py"]
    paths += [PACKAGE / "linking/online.py"]
    for path in sorted(paths):
        module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not module.endswith("__init__"):
                found.append((getattr(importlib.import_module(module), node.name), node))
    return found


def changed_attributes(node: ast.ClassDef) -> set[str]:
    """Attributes of `self` that methods other than `__init__` assign, or change in place."""
    names = set()
    for method in node.body:
        if not isinstance(method, ast.FunctionDef) or method.name == "__init__":
            continue
        for part in ast.walk(method):
            targets = []
            if isinstance(part, ast.Assign):
                targets = part.targets
            elif isinstance(part, ast.AugAssign | ast.AnnAssign):
                targets = [part.target]
            names |= {name for target in targets for name in _of_self(target)}
    return names


def _of_self(target: ast.expr) -> list[str]:
    """Attributes of `self` that an assignment to the target changes."""
    if isinstance(target, ast.Tuple):
        return [name for one in target.elts for name in _of_self(one)]
    while isinstance(target, ast.Subscript):
        target = target.value
    is_own = isinstance(target, ast.Attribute) and ast.unparse(target.value) == "self"
    return [target.attr] if is_own else []


@pytest.mark.parametrize(("kind", "node"), classes(), ids=lambda one: getattr(one, "name", ""))
def test_every_class_that_changes_has_a_declared_state(kind: type, node: ast.ClassDef) -> None:
    if not changed_attributes(node) or kind.__name__ in ELSEWHERE:
        return
    assert kind in ALL.parts or kind in ALL.values, f"{kind.__name__}: declare its state"


PROCESS = {
    # Files, caches of the last result, and what the first result of a run sets again.
    "RecordFile": {"failure", "_file", "_is_lost", "_is_continued"},
    "JsonLinesSink": {"_run", "_counts"},
    "JsonRecordSink": {"_run", "_counts"},
    "JsonSink": {"_run", "_counts"},
    "EventFileSink": {"_is_begun"},
    "EventPushSink": {"_source", "_wall_offset_s"},
    "VideoSink": {"_file", "_status", "_failure", "_earlier", "_copied"},
    "WindowSink": {"_stop"},
    "Blur": {"_last"},
    "Backdrop": {"_last", "_scene"},
}


@pytest.mark.parametrize(("kind", "node"), classes(), ids=lambda one: getattr(one, "name", ""))
def test_what_is_no_state_does_not_change(kind: type, node: ast.ClassDef) -> None:
    constants = ALL.parts.get(kind, frozenset())
    own = changed_attributes(node) - PROCESS.get(kind.__name__, set())
    # `DeepSort.reset` and its like make the object anew.
    assert not constants & own, f"{kind.__name__}: {constants & own} changes and is declared fixed"


@pytest.mark.parametrize("kinds", [TRACKING, SINKS, ANALYTICS], ids=["tracking", "sinks", "zones"])
def test_declared_attributes_exist(kinds: Kinds) -> None:
    sources = {kind: ast.dump(node) for kind, node in classes()}
    for kind, constants in kinds.parts.items():
        for name in constants if kind in sources else ():
            source = "".join(sources.get(base, "") for base in kind.__mro__)
            assert repr(name) in source, f"{kind.__name__} has no {name}"
