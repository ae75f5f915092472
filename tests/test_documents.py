"""Commands in the documents exist, with all of their options and settings."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from tracker.cli.main import app
from tracker.config.run import load_config

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "CONTRIBUTING.md",
    *(ROOT / folder / "README.md" for folder in (".", "configs", "examples")),
    *sorted((ROOT / "docs").glob("*.md")),
]


def commands_in(page: Path) -> Iterator[str]:
    """Yields the command lines of a page's blocks of code, and those in backquotes."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```([a-z]*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    for block in [content for language, content in blocks if language in {"", "sh"}]:
        lines = block.replace("\\\n", " ").splitlines()
        yield from (line for line in lines if re.search(r"(?:^|[ |/])tracker [a-z]", line))
    yield from re.findall(r"`(tracker [a-z][^`\n.]* -[^`\n]*)`", text)


def words_of(line: str) -> list[str]:
    """Returns the words from the last `tracker` on, up to a comment, a pipe or another command."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;")
    lexer.whitespace_split = True
    words = list(lexer)
    starts = [i for i, word in enumerate(words) if word == "tracker" or word.endswith("/tracker")]
    rest = words[starts[-1] + 1 :] if starts else []
    ends = [i for i, word in enumerate(rest) if set(word) <= set("|&;")]
    return rest[: ends[0]] if ends else rest


def command_of(words: list[str]) -> tuple[Any, list[str]]:
    """Returns the command that words name, and what follows."""
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands") and words and words[0][:1].isalpha():
        assert words[0] in command.commands, f"no command {words[0]}"
        command, words = command.commands[words[0]], words[1:]
    return command, words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_options_exist(page: Path) -> None:
    for line in commands_in(page):
        command, rest = command_of(words_of(line))
        known = {name for param in command.params for name in param.opts} | {"--help", "-h"}
        for word in rest:
            if word.startswith("-") and not re.fullmatch(r"-[0-9.]*", word):
                assert word.partition("=")[0] in known, f"{line}: no option {word}"
        if command.name in {"run", "bench"}:
            overrides = [rest[i + 1] for i, word in enumerate(rest) if word == "--set"]
            load_config(overrides=[word for word in overrides if word.isascii()])


def test_the_pages_have_commands() -> None:
    assert sum(len(list(commands_in(page))) for page in PAGES) > 40


def linked_files(page: Path) -> Iterator[Path]:
    """Yields the files that a page links to."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:|#", target):
            yield page.parent / target.partition("#")[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert [str(path) for path in linked_files(page) if not path.exists()] == []


def test_the_pages_have_links() -> None:
    assert sum(len(list(linked_files(page))) for page in PAGES) > 40


def reliability_tests() -> list[str]:
    """Returns the tests that the table of faults names."""
    table = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    rows = [line for line in table.splitlines() if line.startswith("| ") and "`tests/" in line]
    assert len(rows) > 80
    return sorted({test for row in rows for test in re.findall(r"`(tests/[\w/]+\.py::\w+)`", row)})


@pytest.mark.parametrize("test", reliability_tests())
def test_each_row_of_the_table_of_faults_is_a_test(test: str) -> None:
    path, _, name = test.partition("::")
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_each_row_of_the_table_of_faults_names_a_test() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    tables, _, measured = page.partition("## Faults that are really caused")
    assert "benchmarks/faults.py" in measured
    for line in tables.splitlines():
        if line.startswith("| ") and not line.startswith("| kind of fault"):
            assert "`tests/" in line, line


def test_the_paths_that_contributors_are_sent_to_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(
        re.findall(r"`((?:tracker|tests|docs|scripts|examples)/[\w./-]*|\.ci/run)[` ]", text)
    )
    assert len(named) > 20
    missing = {path for path in named if "NAME" not in path and not (ROOT / path).exists()}
    assert missing == set()
    for path in named:  # a new file goes into a folder that is there
        assert (ROOT / path).parent.is_dir()
