"""The site of the documentation: every page is in it, and its own code does what it says."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
SITE = ROOT / "scripts" / "site"
GENERATED = {
    *(f"reference/{name}.md" for name in ("commands", "settings", "python")),
    *("decisions/index.md", "repository/CONTRIBUTING.md", "repository/CHANGELOG.md"),
}


def configuration() -> dict[str, Any]:
    loaded = yaml.safe_load((SITE / "mkdocs.yml").read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def pages_of(entry: Any) -> Iterator[str]:
    if isinstance(entry, str):
        yield entry
    else:
        for below in entry.values() if isinstance(entry, dict) else entry:
            yield from pages_of(below)


@pytest.fixture
def site_modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The modules that generate pages; they are no package."""
    monkeypatch.syspath_prepend(str(SITE))
    import reference_pages

    yield reference_pages
    del sys.modules["reference_pages"]


def test_every_page_is_in_the_navigation_once() -> None:
    pages = list(pages_of(configuration()["nav"]))
    assert len(pages) == len(set(pages))
    written = {path.name for path in (ROOT / "docs").glob("*.md")}
    assert set(pages) - GENERATED == written
    assert set(pages) >= GENERATED


def test_nothing_is_loaded_from_another_server() -> None:
    content = configuration()
    assert content["theme"]["font"] is False
    for name in ("extra_css", "extra_javascript"):
        assert all("//" not in str(path) for path in content.get(name, ()))
    for script in content["extra"]["polyfills"]:
        assert (SITE / "theme" / script).is_file()


def test_every_image_of_a_page_exists_and_has_a_description() -> None:
    count = 0
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for text, target in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", page.read_text("utf-8")):
            assert len(text) > 10, f"{page.name}: {target} has no description"
            assert (page.parent / target).is_file(), f"{page.name}: {target}"
            count += 1
    assert count > 10


def test_images_are_small() -> None:
    sizes = {path.name: path.stat().st_size for path in (ROOT / "docs" / "images").iterdir()}
    assert sum(sizes.values()) < 3e6
    assert max(sizes.values()) < 2e6


def test_the_page_of_commands_has_each_command_and_option(site_modules: Any) -> None:
    page = site_modules.command_page()
    for command in ("run", "serve", "batch", "train detector", "models pull", "config explain"):
        assert f"## tracker {command}\n" in page
    options = ("--detector", "--zones", "--json", "--token-file", "--backbone", "--max-gap-s")
    assert [option for option in options if option not in page] == []
    assert "| `--trail" in page
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert all(re.search(r"(?<!\\)\|$", row) for row in rows)


def test_the_page_of_settings_has_each_key_with_its_default(site_modules: Any) -> None:
    from tracker.config.describe import setting_keys

    page = site_modules.settings_page()
    assert re.search(r"^\| `tracking\.max_age_s` \| `2\.0` \| \w", page, re.MULTILINE)
    # Entries of lists (zones and lines) have no keys of their own.
    keys = [key for key in setting_keys() if not key.startswith("analytics.")]
    assert [key for key in keys if f"`{key}`" not in page and f"## {key}\n" not in page] == []


def test_the_page_of_python_has_every_public_name(site_modules: Any) -> None:
    import tracker

    page = site_modules.python_page()
    named = re.findall(r"^::: [\w.]+\.(\w+)$", page, re.MULTILINE)
    assert set(named) == {name for name in tracker.__all__ if not name.startswith("__")}


@pytest.mark.slow
def test_the_figures_show_what_the_tour_says(tmp_path: Path) -> None:
    script = str(SITE / "draw_figures.py")
    subprocess.run([sys.executable, script, "--out", str(tmp_path)], check=True, cwd=ROOT)
    drawn = {path.name for path in tmp_path.iterdir()}
    tour = (ROOT / "docs" / "tour.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\]\(images/([^)]+)\)", tour)) == drawn
    assert drawn <= {path.name for path in (ROOT / "docs" / "images").iterdir()}
