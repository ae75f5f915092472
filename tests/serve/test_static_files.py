"""The files of the page fit together, and need nothing from elsewhere."""

import fnmatch
import re
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tracker.sinks.palette import PALETTE

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "tracker" / "serve" / "static"
MODULES = sorted(STATIC.glob("*.js"))
MOST_LINES = 300


class Page(HTMLParser):
    """Elements of a document: tags with their attributes, and the ids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.ids = [found["id"] for _, found in self.tags if "id" in found]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def page() -> Page:
    return Page((STATIC / "index.html").read_text(encoding="utf-8"))


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def imports_of(path: Path) -> dict[str, list[str]]:
    """Returns the names that a module imports, by the file that it imports them from."""
    found = re.findall(r"import \{([^}]*)\} from \"\./([^\"]+)\"", text_of(path), re.DOTALL)
    return {
        file: [name.strip() for name in names.split(",") if name.strip()] for names, file in found
    }


def exports_of(path: Path) -> set[str]:
    pattern = r"^export (?:async )?(?:function|class|const) (\w+)"
    return set(re.findall(pattern, text_of(path), re.MULTILINE))


def test_every_file_is_used_by_the_page() -> None:
    used = {
        str(value).split("#")[0].removeprefix("static/")
        for _, found in page().tags
        for name, value in found.items()
        if name in {"href", "src"} and str(value).startswith("static/")
    }
    waiting = [name for name in used if name.endswith(".js")]
    while waiting:
        new = set(imports_of(STATIC / waiting.pop())) - used
        used |= new
        waiting += new
    assert used | {"index.html"} == {path.name for path in STATIC.iterdir()}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_modules_import_names_that_exist(path: Path) -> None:
    for file, names in imports_of(path).items():
        assert set(names) <= exports_of(STATIC / file), f"{path.name} imports from {file}"
        rest = re.sub(r"^import .*?;$", "", text_of(path), flags=re.MULTILINE | re.DOTALL)
        for name in names:
            assert re.search(rf"\b{name}\b", rest), f"{path.name}: {name} is imported, not used"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_modules_find_their_elements_and_icons(path: Path) -> None:
    ids, symbols = set(page().ids), symbols_of_icons()
    for wanted in re.findall(r"byId\(\"([^\"]+)\"\)", text_of(path)):
        assert wanted in ids, f"{path.name}: no element has the id {wanted}"
    for wanted in re.findall(r"icon\(\"([^\"]+)\"\)", text_of(path)):
        assert wanted in symbols, f"{path.name}: icons.svg has no {wanted}"


def symbols_of_icons() -> set[str | None]:
    return {symbol.get("id") for symbol in ElementTree.parse(STATIC / "icons.svg").getroot()}


def test_the_document_has_unique_ids_and_names_its_controls() -> None:
    ids = page().ids
    assert len(ids) == len(set(ids))
    for tag, found in page().tags:
        for name in ("aria-labelledby", "for"):
            assert name not in found or found[name] in ids, (tag, found)
        href = found.get("href") or ""
        if "icons.svg#" in href:
            assert href.split("#")[1] in symbols_of_icons()


def test_the_security_policy_has_nothing_to_refuse() -> None:
    for tag, found in page().tags:
        assert tag != "style"
        assert tag != "script" or found.get("src"), "an inline script"
        assert "style" not in found, (tag, found)
        assert not [name for name in found if name.startswith("on")], (tag, found)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_modules_set_text_and_never_html(path: Path) -> None:
    unsafe = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc"
    assert not re.search(unsafe, text_of(path))
    assert 'setAttribute("style"' not in text_of(path)
    assert len(text_of(path).splitlines()) <= MOST_LINES


@pytest.mark.parametrize("path", sorted(STATIC.iterdir()), ids=lambda path: path.name)
def test_nothing_is_fetched_from_elsewhere(path: Path) -> None:
    addresses = re.findall(r"(?:https?:)?//[\w.]+\.\w+[^\s\"')]*", text_of(path))
    assert set(addresses) <= {"http://www.w3.org/2000/svg"}
    assert "@import" not in text_of(path)


def test_tracks_have_the_colours_that_they_have_in_videos() -> None:
    listed = re.search(r"PALETTE = \[\n(.*?)\n\];", text_of(STATIC / "palette.js"), re.DOTALL)
    assert listed
    colors = re.findall(r"\[(\d+), (\d+), (\d+)\]", listed[1])
    assert tuple(tuple(int(value) for value in color) for color in colors) == PALETTE


def test_the_wheel_has_all_files() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = settings["tool"]["setuptools"]["package-data"]["tracker"]
    for path in STATIC.iterdir():
        name = path.relative_to(ROOT / "tracker").as_posix()
        assert any(fnmatch.fnmatch(name, pattern) for pattern in patterns), name
