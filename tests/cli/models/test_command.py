"""`tracker models`: list, info and pull; one line for every error."""

import hashlib
import re
import zipfile
from pathlib import Path

import pytest
import yaml

from tests.file_server import Answer, FileServer
from tests.published_forms import write_nanodet, write_ssd
from tracker.cli.main import main
from tracker.models.files.segmenter_file import SEGMENTER_FILE, SegmenterDescription
from tracker.models.files.tflite import MEMBER
from tracker.registry.builtin import (
    DETECTORS,
    SEGMENTER,
    detector_files,
    embedder_files,
    segmenter_files,
)
from tracker.registry.models import FILE, read_registry

CONTENT = b"network" * 1000
EXAMPLE = Path(__file__).parents[3] / "configs" / "models.yaml"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def models(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> "Runner":
    return Runner(capsys, tmp_path / "cache")


class Runner:
    """Runs `tracker models` with its own cache."""

    def __init__(self, capsys: pytest.CaptureFixture[str], cache: Path) -> None:
        self.capsys, self.cache = capsys, cache

    def __call__(self, *words: object) -> list[str]:
        """Returns the lines of stdout of a command that must succeed."""
        code, out, err = self._run(*words)
        assert code == 0, err
        return out.splitlines()

    def failure(self, *words: object, code: int = 2) -> str:
        """Returns the one line of a command that must fail with this exit code."""
        given, out, err = self._run(*words)
        assert (given, out) == (code, "")
        assert err.startswith("tracker: error: ")
        assert err.count("\n") == 1
        return err

    def _run(self, *words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as done:
            main(["models", *map(str, words), "--cache-dir", str(self.cache)])
        output = self.capsys.readouterr()
        return int(done.value.code or 0), output.out, output.err


def registry_at(folder: Path, address: str, content: bytes = CONTENT) -> Path:
    file = {
        "name": "net.onnx",
        "address": address,
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
    }
    entry = {
        "task": "detector",
        "files": [file],
        "licence": "MIT",
        "note": "made for a test",
        "layout": "yolox",
        "input": {"size": [320, 416], "mean": [1, 2, 3]},
        "classes": ["cat", "dog"],
        "measured": {"person_ap50": 70.5, "ms": [41.2, 27.5]},
    }
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump({"models": {"mine": entry}}), encoding="utf-8")
    return path


def test_without_arguments_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["models"])
    text = capsys.readouterr().out
    assert all(word in text for word in ("list", "info", "pull"))


def test_list_has_built_in_and_downloadable_models(models: Runner) -> None:
    header, *rows = models("list")
    columns = ["name", "task", "classes", "input", "size", "person", "mAP50", "ms", "licence"]
    assert header.split() == [*columns, "here"]
    names = [row.split()[0] for row in rows]
    assert names == [*DETECTORS, "builtin", SEGMENTER, *read_registry().entries]
    cells = {row.split()[0]: row for row in rows}
    assert cells["nano"].endswith("built-in")
    assert "80 names" in cells["nano"]
    assert cells["builtin"].split()[1:4] == ["embedder", "-", "64x128"]
    assert cells[SEGMENTER].split()[1:4] == ["segmenter", "person", "128x128"]
    measured = read_registry().entries["deimv2-atto"].measured
    assert measured is not None
    assert cells["deimv2-atto"].split()[1:] == [
        *("detector", "coco", "320x320", "2.2", "MB"),
        *(f"{measured.person_ap50:.1f}", f"{measured.map50:.1f}"),
        "-" if measured.ms is None else f"{measured.ms[0]:.0f}/{measured.ms[1]:.0f}",
        *("Apache-2.0", "no"),
    ]
    assert cells["yolo-fastest-1.1-body"].split()[2:4] == ["person", ".cfg"]
    assert len({row.index("detector") for row in rows if "detector" in row}) == 1


def test_pull_prints_the_path_that_list_and_info_show(models: Runner, tmp_path: Path) -> None:
    with FileServer(CONTENT) as server:
        registry = registry_at(tmp_path, server.address)
        words = ("--registry", registry)
        assert models("list", *words)[-1].split()[-1] == "no"
        assert "here      no; `tracker models pull mine`" in "\n".join(
            models("info", "mine", *words)
        )
        (printed,) = models("pull", "mine", *words)
    path = models.cache / "models" / "mine" / "net.onnx"
    assert printed == str(path)
    assert path.read_bytes() == CONTENT
    row = models("list", *words)[-1]
    assert row.split() == (
        [
            "mine",
            "detector",
            "2",
            "names",
            "416x320",
            "0.0",
            "MB",
            "70.5",
            "-",
            "41/28",
            "MIT",
            "yes",
        ]
    )
    facts = models("info", "mine", *words)
    assert f"here      {path}: complete" in facts
    assert "classes   cat, dog" in facts
    assert "input     size [320, 416], mean [1.0, 2.0, 3.0]" in facts
    assert "layout    yolox" in facts
    assert "measured  person AP50 70.5 %, 41.2 ms on one thread, 27.5 ms on two" in facts
    path.write_bytes(b"x")
    assert models("list", *words)[-1].split()[-1] == "damaged"
    assert f"here      {path}: expected 7000 bytes, got 1" in models("info", "mine", *words)


def test_a_model_of_two_files_is_pulled_and_damage_in_either_is_refused(
    models: Runner, tmp_path: Path, data: Path
) -> None:
    text = FILE.read_text(encoding="utf-8")
    entry = read_registry().entries["nanodet-plus-m-416"]
    contents = [
        (data / "weights" / "nanodet_plus" / file.name).read_bytes() for file in entry.files
    ]
    registry = tmp_path / "registry.yaml"
    answers = [Answer(content=content) for content in contents]
    with FileServer(b"", answers) as web:
        raw = "https://raw.githubusercontent.com"
        registry.write_text(text.replace(raw, f"http://{web.place}"), encoding="utf-8")
        paths = models("pull", entry.name, "--registry", registry)
    assert [path for path, _ in web.requests] == [f.address.removeprefix(raw) for f in entry.files]
    assert [Path(path).read_bytes() for path in paths] == contents
    assert [Path(path).name for path in paths] == [
        "nanodet-plus-m_416.param",
        "nanodet-plus-m_416.bin",
    ]
    Path(paths[1]).write_bytes(bytes(len(contents[1])))
    assert "nanodet-plus-m_416.bin: expected sha256" in models.failure(
        "pull", entry.name, "--offline"
    )
    shorter = [answers[0], Answer(content=contents[1][:-1])]
    with FileServer(b"", shorter[1:]) as web:
        registry.write_text(text.replace(raw, f"http://{web.place}"), encoding="utf-8")
        message = models.failure("pull", entry.name, "--registry", registry, code=1)
    assert f"expected {len(contents[1])} bytes, the server has {len(contents[1]) - 1}" in message


def test_offline_makes_no_connection(models: Runner, tmp_path: Path) -> None:
    with FileServer(CONTENT) as server:
        words = ("pull", "mine", "--registry", registry_at(tmp_path, server.address))
        assert "`tracker models pull mine` downloads it" in models.failure(*words, "--offline")
        assert server.requests == []
        first = models(*words)
        assert models(*words, "--offline") == first
        assert len(server.requests) == 1


def test_a_failed_pull_is_one_line(models: Runner, tmp_path: Path) -> None:
    with FileServer(CONTENT, [Answer(status=404)]) as server:
        registry = registry_at(tmp_path, server.address.replace("//", "//me:s3cret@"))
        message = models.failure("pull", "mine", "--registry", registry, code=1)
        assert f"{server.address}: the server answers 404 Not Found" in message
        assert "s3cret" not in message
        assert "s3cret" not in "".join(models("info", "mine", "--registry", registry))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["pull", "fastedet"], "no model 'fastedet' in registry.yaml; did you mean 'fastestdet'?"),
        (["pull", "qqq"], "no model 'qqq' in registry.yaml; `tracker models list` shows"),
        (["pull", "nano"], "no model 'nano' in registry.yaml"),
        (["info", "fastedet"], "fastedet: expected a name from `tracker models list`, or the path"),
        (["info", "smal"], "did you mean 'small'?"),
        (["info", "none.onnx"], "there is no such file"),
        (["list", "--registry", "none.yaml"], "none.yaml: does not exist"),
    ],
)
def test_wrong_use(models: Runner, words: list[str], message: str) -> None:
    assert message in models.failure(*words)


@pytest.mark.parametrize("name", [*DETECTORS, "builtin", SEGMENTER])
def test_info_of_the_models_of_this_package(models: Runner, name: str) -> None:
    facts = models("info", name)
    others = {"builtin": embedder_files, SEGMENTER: segmenter_files}
    files = others[name]() if name in others else detector_files(name)
    has_accuracy = any(line.startswith("measured  person AP50 ") for line in facts)
    assert has_accuracy == (name not in others)
    for file in (files.keras, files.exported):
        assert any(re.match(rf"file +{re.escape(str(file))} \(", line) for line in facts)
        lines = models("info", file)
        # The integer detectors are exported from the same .keras.
        owner = name.removesuffix("-int8") if file.suffix == ".keras" else name
        assert f"known as  {file.name} of {owner}, of this package" in lines
        if name == "builtin":
            assert "output    128 values" in lines
        elif name == SEGMENTER:
            assert "classes   background, person" in lines
            assert "input     long side 128 px" in lines
        else:
            text = "classes   person, bicycle, car, motorcycle, airplane, bus"
            assert any(line.startswith(text) for line in lines)
            assert "input     long side 416 px" in lines


def test_info_of_an_unknown_file(models: Runner, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"abc")
    assert models("info", path) == [
        f"file      {path}",
        "kind      text",
        "size      3 bytes",
        "sha256    ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",  # FIPS 180-2
        "known as  no published model",
    ]
    for name, what in (("a.keras", "a .keras archive"), ("a.tflite", "not opened"), ("b.onnx", "")):
        path = tmp_path / name
        path.write_bytes(b"abc")
        assert any(line.startswith("holds     ") and what in line for line in models("info", path))
    (tmp_path / "empty.onnx").write_bytes(b"")
    assert "0 bytes" in models.failure("info", tmp_path / "empty.onnx")


def test_info_of_a_segmenter(models: Runner, tmp_path: Path) -> None:
    description = SegmenterDescription(("background", "person"), 320, "shufflenet-v2-1x")
    path = tmp_path / "people.keras"
    with zipfile.ZipFile(path, "w") as archive:  # the members that a description reader reads
        archive.writestr("model.weights.h5", b"")
        archive.writestr(MEMBER, SEGMENTER_FILE.text(description))
    facts = models("info", path)
    assert "kind      Keras archive" in facts
    assert facts[-3:] == [
        "holds     a segmenter of this package, fcn-8s on shufflenet-v2-1x",
        "classes   background, person",
        "input     long side 320 px",
    ]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.weights.h5", b"")
        archive.writestr(MEMBER, SEGMENTER_FILE.text(description).replace("segmenter", "poem"))
    assert models("info", path)[-1].startswith(
        "holds     no detector, appearance network or segmenter of this package: detector "
    )


def test_info_of_foreign_networks(models: Runner, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    path = write_nanodet(tmp_path / "other.onnx")
    registry = registry_at(tmp_path, "https://example.org/net.onnx", path.read_bytes())
    facts = models("info", path, "--registry", registry)
    assert "known as  net.onnx of mine (MIT)" in facts
    assert "input     images (1, 3, 64, 96) float32" in facts
    # 8x12 cells: 64x96 px at a stride of 8.
    assert "output    scores_8 (1, 96, 80) float32" in facts
    facts = models("info", write_ssd(tmp_path / "ssd.tflite"), "--registry", registry)
    assert "known as  no published model" in facts
    assert "input     image (1, 96, 96, 3) uint8" in facts


def test_example_registry(models: Runner, tmp_path: Path) -> None:
    content = write_ssd(tmp_path / "ssd.tflite").read_bytes()
    (entry,) = read_registry(EXAMPLE).entries.values()
    (file,) = entry.files
    (published,) = read_registry().entries["ssd-mobilenet-v1"].files
    assert (file.sha256, file.size) == (published.sha256, published.size)
    text = EXAMPLE.read_text(encoding="utf-8")
    text = text.replace(file.sha256, hashlib.sha256(content).hexdigest())
    text = text.replace(f"size: {file.size}", f"size: {len(content)}")
    registry = tmp_path / "models.yaml"
    # GitHub redirects to the file.
    with FileServer(content, [Answer(status=302, location="/raw/detect.tflite"), Answer()]) as web:
        registry.write_text(text.replace("https://github.com", f"http://{web.place}"))
        (path,) = models("pull", entry.name, "--registry", registry)
    assert web.requests[0][0] == file.address.removeprefix("https://github.com")
    assert Path(path).read_bytes() == content
    known = f"known as  detect.tflite of {entry.name} (Apache-2.0)"
    assert known in models("info", path, "--registry", registry)
    assert "known as  no published model" in models("info", path)


def test_file_copied_into_the_cache_counts_as_downloaded(models: Runner, tmp_path: Path) -> None:
    words = ("pull", "mine", "--offline", "--registry")
    registry = registry_at(tmp_path, "https://example.org/net.onnx")
    folder = models.cache / "models" / "mine"
    folder.mkdir(parents=True)
    (folder / "net.onnx").write_bytes(CONTENT)
    assert models(*words, registry) == [str(folder / "net.onnx")]
    (folder / "net.onnx").write_bytes(CONTENT[::-1])
    assert "expected sha256" in models.failure(*words, registry)
