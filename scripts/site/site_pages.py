"""Hook of MkDocs: generated pages, and links to files of the repository outside docs/.

Pages link to each other and to files of the repository as on its own pages. In the site a file that
is linked gets a page of its own below `repository/`: text as it is, code in a block.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from reference_pages import command_page, python_page, settings_page

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = {
    **{".py": "python", ".sh": "bash", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml"},
    **{"Dockerfile": "docker", "run": "bash", ".txt": "text", ".conf": "text"},
}
"""Highlighting of files by the end of their names."""

_BLOCK = re.compile(r"(^```.*?^```)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[([^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*)\]\(([^)\s]+)\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Makes anchors as the pages of a repository have them."""
    config.mdx_configs.setdefault("toc", {})["slugify"] = anchor
    return config


def anchor(text: str, separator: str) -> str:
    """Returns the anchor of a heading.

    Example:
        >>> anchor("How to add ...", "-")
        'how-to-add-'
    """
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", separator)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the generated pages, and those of linked files."""
    made = {
        "reference/commands.md": command_page(),
        "reference/settings.md": settings_page(),
        "reference/python.md": python_page(),
        "decisions/index.md": decisions_page(),
    }
    for name, content in made.items():
        files.append(File.generated(config, name, content=content))
    for path in sorted(linked_files()):
        place = site_path(path)
        if place is not None and files.get_file_from_path(place) is None:
            files.append(File.generated(config, place, content=page_of(path)))
    return files


def on_page_markdown(markdown: str, page: Any, config: MkDocsConfig, files: Files) -> str:
    """Returns the text of a page, with its links to places of the site."""
    name = page.file.src_uri
    origin = name.removeprefix("repository/") if name.startswith("repository/") else f"docs/{name}"
    if origin.startswith("docs/reference/") or not (ROOT / origin).is_file():
        return markdown

    def placed(match: re.Match[str]) -> str:
        text, target = match.groups()
        path, hash_, section = target.partition("#")
        if not path or re.match(r"[a-z]+:", target):
            return match.group(0)
        linked = posixpath.normpath(posixpath.join(posixpath.dirname(origin), path))
        place = site_path(linked)
        if place is None:
            return text
        if re.fullmatch(r"[\w./-]+\.md", text):  # the name of a file says little in a site
            text = title_of(linked)
        return f"[{text}]({posixpath.relpath(place, posixpath.dirname(name))}{hash_}{section})"

    parts = _BLOCK.split(markdown)  # odd parts are blocks of code
    parts[::2] = [_LINK.sub(placed, part) for part in parts[::2]]
    return "".join(parts)


def title_of(path: str) -> str:
    """Returns the first heading of a page of the repository."""
    lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
    return next(line.removeprefix("# ") for line in lines if line.startswith("# "))


def linked_files() -> set[str]:
    """Returns the files outside docs/ that pages link to, directly or over another page."""
    pages = [f"docs/{path.relative_to(ROOT / 'docs')}" for path in (ROOT / "docs").rglob("*.md")]
    todo, found = [*pages, "CONTRIBUTING.md", "CHANGELOG.md"], {"CONTRIBUTING.md", "CHANGELOG.md"}
    while todo:
        page = todo.pop()
        text = _BLOCK.sub("", (ROOT / page).read_text(encoding="utf-8"))
        for _, target in _LINK.findall(text):
            path = target.partition("#")[0]
            if not path or re.match(r"[a-z]+:", target):
                continue
            path = posixpath.normpath(posixpath.join(posixpath.dirname(page), path))
            path += "/README.md" if (ROOT / path / "README.md").is_file() else ""
            if not path.startswith("docs/") and (ROOT / path).is_file() and path not in found:
                found.add(path)
                todo += [path] if path.endswith(".md") else []
    return found


def site_path(path: str) -> str | None:
    """Returns where a file of the repository is in the site; `None` of a folder without a page.

    Example:
        >>> site_path("docs/live.md"), site_path("tracker/boxes.py"), site_path("tracker")
        ('live.md', 'repository/tracker/boxes.py.md', None)
    """
    if path == "docs/decisions":
        return "decisions/index.md"
    if (ROOT / path).is_dir():
        return f"repository/{path}/README.md" if (ROOT / path / "README.md").is_file() else None
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return f"repository/{path}" if path.endswith(".md") else f"repository/{path}.md"


def page_of(path: str) -> str:
    """Returns the page of a file outside docs/."""
    text = (ROOT / path).read_text(encoding="utf-8")
    if path.endswith(".md"):
        return text
    language = next((name for end, name in LANGUAGES.items() if path.endswith(end)), "text")
    if path.endswith(".ipynb"):
        return f"# {path}\n\nA notebook: open it in Jupyter, in a clone of the repository.\n"
    heading = f"---\nsearch: {{exclude: true}}\n---\n# {path}\n\n"
    return f"{heading}``````{language}\n{text}\n``````\n"


def decisions_page() -> str:
    """Returns the list of design decisions."""
    lines = ["# Design decisions", ""]
    for path in sorted((ROOT / "docs" / "decisions").glob("0*.md")):
        title = path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
        lines.append(f"- [{title}]({path.name})")
    return "\n".join([*lines, ""])
