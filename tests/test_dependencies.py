"""Licences of all that an installation brings, and that each dependency is explained."""

import subprocess
import sys
import tomllib
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WANTED = [Requirement(text) for text in PROJECT["dependencies"]]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "dependencies"), *words],
        capture_output=True,
        text=True,
        check=False,
    )


def test_no_licence_is_copyleft_or_unknown() -> None:
    done = run("--check")
    assert done.stderr == ""
    assert done.returncode == 0
    names = {line.split("|")[1].strip() for line in done.stdout.splitlines()[2:] if "|" in line}
    assert {wanted.name for wanted in WANTED} < names


def test_a_missing_package_and_a_copyleft_licence_are_found() -> None:
    loader = SourceFileLoader("dependencies", str(ROOT / "scripts" / "dependencies"))
    spec = spec_from_loader("dependencies", loader)
    assert spec is not None
    module: Any = module_from_spec(spec)
    sys.modules["dependencies"] = module
    loader.exec_module(module)
    found: dict[str, Any] = {}
    texts = ("no-such-package-anywhere>=1", "six; extra == 'other'", "six")
    missing = [name for text in texts for name in module.walk(text, "-", frozenset(), found)]
    assert missing == ["no-such-package-anywhere"]
    assert list(found) == ["six"]
    six = found["six"]
    assert not module.refused(six)
    for licence in ("", "AGPL-3.0", "GNU Lesser General Public License v3"):
        six.licence = licence
        assert module.refused(six), licence


@pytest.mark.parametrize("name", [wanted.name for wanted in WANTED])
def test_each_dependency_is_explained(name: str) -> None:
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    assert any(f"`{name}`" in row for row in rows)


def test_constraints_fit_the_lower_bounds_and_name_no_address() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert not any("/" in line or "@" in line for line in lines if not line.startswith("#"))
    for wanted in WANTED:
        assert wanted.specifier.contains(pinned[wanted.name]), wanted.name
