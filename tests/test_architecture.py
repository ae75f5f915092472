"""Imports flow one way, heavy libraries stay out of the way, and the public names exist."""

import ast
import builtins
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tracker
from tracker import errors

PACKAGE = Path(tracker.__file__).parent

# Packages and the modules at the root; each may import those of earlier ranks (listed above).
RANKS = [
    ["errors", "version"],
    ["util"],
    ["boxes", "frames", "inference"],
    ["masks", "models", "registry", "sources"],
    ["detections", "segmentation", "track_files"],
    ["tracks", "embedding", "evaluation", "testing"],
    ["analytics"],
    ["detection", "linking", "tracking", "plots", "sinks"],
    ["doctor", "pipeline", "training"],
    ["config"],
    ["api", "serve"],
    ["cli"],
]
RANK = {name: rank for rank, names in enumerate(RANKS) for name in names}
ROOT = {
    *("__init__", "__main__", "api", "errors", "testing", "version"),
    *("frames", "detections", "tracks", "boxes", "masks"),
}


def package_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0].removesuffix(".py").replace("__main__", "cli")


def imported_packages(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        modules = []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            modules = [node.module or ""]
            if node.module == "tracker":
                modules = [f"tracker.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        found |= {m.split(".")[1] for m in modules if m.startswith("tracker.")}
    return found


def modules() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_flow_one_way(path: Path) -> None:
    here = package_of(path)
    assert here in RANK, f"{here} has no rank"
    for other in imported_packages(path):
        assert here == other or RANK[other] < RANK[here], f"{here} imports {other}"


def test_the_root_holds_data_errors_and_the_one_call_api() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py")} == ROOT


@pytest.mark.parametrize("code", ["import tracker", "import tracker.cli.main", "tracker --help"])
def test_starting_loads_no_heavy_library(code: str) -> None:
    if code == "tracker --help":
        code = "import sys; sys.argv = ['tracker', '--help']; from tracker.cli.main import main\n"
        code += "try: main()\nexcept SystemExit: pass"
    heavy = "'tensorflow', 'keras', 'cv2', 'av', 'scipy', 'numpy', 'pydantic'"
    program = f"{code}\nimport sys\nprint(sorted(set(sys.modules) & {{{heavy}}}), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"


def test_the_models_of_this_package_need_no_tensorflow_and_little_of_scipy(
    clip: Path, tmp_path: Path
) -> None:
    """A whole run with all built-in networks, by what it left loaded."""
    words = ["run", str(clip), "--json", str(tmp_path / "out.jsonl"), "--no-progress"]
    words += ["--background", "remove", "--video", str(tmp_path / "out.mp4")]
    program = (
        "import sys\nfrom tracker.cli.main import main\n"
        f"try: main({[*words, '--max-frames', '3']!r})\n"
        "except SystemExit as done: code = done.code\n"
        "libraries = {'tensorflow', 'keras', 'ai_edge_litert', 'scipy.optimize', 'scipy.sparse'}\n"
        "loaded = libraries & set(sys.modules)\n"
        "print(code, sorted(loaded))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "0 ['ai_edge_litert']"
    header = json.loads((tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert len(header["models"]) == 2


def test_a_plain_run_loads_only_what_it_uses(clip: Path, tmp_path: Path) -> None:
    """What other options need costs start-up time and memory; see docs/performance.md."""
    words = ["run", str(clip), "--json", "-", "--no-progress", "--max-frames", "3"]
    others = {
        *("yaml", "numpy.ma", "rich", "scipy.optimize", "scipy.sparse", "statistics"),
        *("tracker.cli.tools", "tracker.cli.train.options", "tracker.cli.run.many"),
        *("tracker.cli.run.resume", "tracker.cli.run.checkpoints", "tracker.config.zones"),
        *("tracker.inference.keras_runner", "tracker.linking.online", "tracker.pipeline.multi"),
        *("tracker.pipeline.stateful", "tracker.segmentation.segmenter", "tracker.sinks.blur"),
        *("tracker.sinks.background", "tracker.sinks.csv_table", "tracker.sinks.event_file"),
    }
    program = (
        "import sys\nfrom tracker.cli.main import main\n"
        f"try: main({words!r})\nexcept SystemExit as done: code = done.code\n"
        "from tracker.config import run\n"
        f"print(code, sorted({others!r} & set(sys.modules)), run._adapter.cache_info().misses)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.splitlines()[-1] == "0 [] 0"


def test_the_public_names_are_these() -> None:
    assert set(tracker.__all__) == {*tracker._MODULES, "__version__"}
    for name in tracker.__all__:
        assert getattr(tracker, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        tracker.nothing  # noqa: B018
    assert set(dir(tracker)) == set(tracker.__all__)


def test_a_star_import_gives_every_public_name_and_loads_no_tensorflow() -> None:
    program = (
        "import sys\nfrom tracker import *\n"
        "import tracker\n"
        "missing = set(dir(tracker)) - set(globals())\n"
        "print(sorted(missing), sorted({'tensorflow', 'keras'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[] []\n"


def test_every_error_is_public_and_drawn_in_the_tree() -> None:
    tree = (errors.__doc__ or "").split("TrackerError\n")[1].split("Each class")[0]
    drawn = re.findall(r"[|`]-- (\w+) +(\w+Error)?", tree)
    classes = [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, errors.TrackerError)
    ]
    assert {name for name, _ in drawn} == {c.__name__ for c in classes} - {"TrackerError"}
    for name, built_in in drawn:
        assert issubclass(getattr(errors, name), getattr(builtins, built_in or "OSError"))
    assert {c.__name__ for c in classes} <= set(tracker.__all__)


def test_modules_stay_small() -> None:
    too_long = {
        str(path.relative_to(PACKAGE)): lines
        for path in modules()
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert not too_long


def test_one_module_prints() -> None:
    """Elsewhere, text of files and models would reach a terminal with its control characters."""
    printing = set()
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {
                *("print", "typer.echo", "typer.secho", "click.echo"),
                *("sys.stdout.write", "sys.stderr.write"),
            }:
                printing.add(str(path.relative_to(PACKAGE)))
    assert printing == {"util/terminal.py"}
