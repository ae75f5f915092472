"""`scripts/package`: what it compares; builds and installations are too slow for a test."""

import io
import sys
import tarfile
from collections.abc import Mapping
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def package() -> Any:
    loader = SourceFileLoader("package", str(ROOT / "scripts" / "package"))
    spec = spec_from_loader("package", loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def sdist(path: Path, files: Mapping[str, bytes], *, time: int) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(content), time
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize(
    ("second", "different"),
    [
        ({"a": b"1", "b": b"2"}, []),
        ({"b": b"2", "a": b"1"}, []),  # another order
        ({"a": b"1", "b": b"3"}, ["b"]),
        ({"a": b"1"}, ["b"]),
        ({"a": b"1", "b": b"2", "c": b""}, ["c"]),
    ],
)
def test_sdists_are_compared_by_content_not_by_time(
    package: Any, tmp_path: Path, second: dict[str, bytes], different: list[str]
) -> None:
    one = sdist(tmp_path / "one.tar.gz", {"a": b"1", "b": b"2"}, time=1)
    two = sdist(tmp_path / "two.tar.gz", second, time=2)
    assert package.different_files(one, two) == different


def test_a_command_that_fails_ends_the_script_with_its_messages(package: Any) -> None:
    program = "import sys; print('out'); sys.exit('what is wrong')"
    with pytest.raises(SystemExit, match=r"exit code 1\nout\nwhat is wrong"):
        package.run(sys.executable, "-c", program)
    assert package.run(sys.executable, "-c", "print('out')") == "out\n"


def test_the_tests_for_the_lowest_versions_exist(package: Any) -> None:
    for name in package.LOWEST_TESTS:
        assert (ROOT / "tests" / name).exists()
