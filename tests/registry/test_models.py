"""The registry: what is in it is true, what is malformed is told, what is damaged is not taken."""

import dataclasses
import hashlib
import re
import typing
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

from tracker.detection.image_input import Fit, ImageInput
from tracker.errors import ConfigError, ModelError
from tracker.inference.network import AxisOrder, ColourOrder
from tracker.models.darknet.cfg import read_darknet_cfg
from tracker.models.darknet.sections import Detection
from tracker.registry.entries import FileEntry, InputEntry, ModelEntry, Task, shown
from tracker.registry.models import (
    CacheState,
    cache_state,
    model_folder,
    read_registry,
    resolve,
)

FILE = {"name": "m.onnx", "address": "https://example.org/m.onnx", "sha256": "a" * 64, "size": 3}
MODEL = {"task": "detector", "files": [FILE], "licence": "MIT", "note": "-", "classes": "coco"}


def registry_file(folder: Path, **models: object) -> Path:
    path = folder / "models.yaml"
    path.write_text(yaml.safe_dump({"models": models}), encoding="utf-8")
    return path


def test_an_empty_registry_has_no_models(tmp_path: Path) -> None:
    registry = read_registry(registry_file(tmp_path))
    assert registry.entries == {}
    with pytest.raises(ConfigError, match=r"no model 'x' in models\.yaml; `tracker models list`"):
        registry.find("x")


def test_one_model(tmp_path: Path) -> None:
    wanted = {"size": [320, 416], "fit": "stretch", "colours": "bgr"}
    tree = {**MODEL, "layout": "yolox", "input": wanted}
    entry = read_registry(registry_file(tmp_path, **{"my-model": tree})).find("my-model")
    assert entry == ModelEntry(
        name="my-model",
        task=Task.DETECTOR,
        files=(FileEntry("m.onnx", "https://example.org/m.onnx", "a" * 64, 3),),
        licence="MIT",
        note="-",
        layout="yolox",
        input=InputEntry(size=(320, 416), fit="stretch", colours="bgr"),
        classes="coco",
    )
    assert entry.size == 3
    assert entry.input.given() == {"size": (320, 416), "fit": "stretch", "colours": "bgr"}
    with pytest.raises(dataclasses.FrozenInstanceError):
        entry.name = "other"  # type: ignore[misc]


def test_two_models_are_told_apart_by_name_and_by_content(tmp_path: Path) -> None:
    other = {**MODEL, "files": [{**FILE, "sha256": "b" * 64}]}
    registry = read_registry(registry_file(tmp_path, one=MODEL, two=other))
    assert list(registry.entries) == ["one", "two"]
    found = registry.holding("b" * 64)
    assert found is not None
    assert found[0].name == "two"
    assert registry.holding("c" * 64) is None


def test_classes_are_a_word_names_a_file_or_one_of_the_files(tmp_path: Path) -> None:
    (tmp_path / "my.names").write_text("cat\n", encoding="utf-8")
    labels = {**FILE, "name": "labels.txt"}
    registry = read_registry(
        registry_file(
            tmp_path,
            word={**MODEL, "classes": "coco91"},
            names={**MODEL, "classes": ["cat", "dog"]},
            path={**MODEL, "classes": "my.names"},
            member={**MODEL, "files": [FILE, labels], "classes": "labels.txt"},
            embedder={**MODEL, "task": "embedder", "classes": None},
        )
    )
    content = b"abc"
    digest = hashlib.sha256(content).hexdigest()
    found = {}
    for name, entry in registry.entries.items():
        files = tuple(dataclasses.replace(f, sha256=digest) for f in entry.files)
        one = {name: dataclasses.replace(entry, files=files)}
        folder = model_folder(name, tmp_path)
        folder.mkdir(parents=True)
        for file in files:
            (folder / file.name).write_bytes(content)
        whole = dataclasses.replace(registry, entries=one)
        found[name] = resolve(name, registry=whole, cache_dir=tmp_path).classes
    assert found == {
        "word": "coco91",
        "names": ("cat", "dog"),
        "path": tmp_path / "my.names",
        "member": tmp_path / "models" / "member" / "labels.txt",
        "embedder": None,
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lisence": "MIT"}, r"models\.m: unknown key lisence; did you mean 'licence'\?"),
        ({"licence": None}, r"models\.m: licence: expected a valid string, got None"),
        ({"task": "detect"}, r"models\.m: task: expected 'detector' or 'embedder', got 'detect'"),
        ({"name": "m"}, "unknown key name"),
        ({"files": []}, "files: expected different ones, at least one"),
        ({"files": [FILE, FILE]}, "files: expected different ones"),
        ({"files": FILE}, "files: expected a list"),
        ({"files": ["m.onnx"]}, r"files\[0\]: expected keys and values, got 'm\.onnx'"),
        ({"files": [{**FILE, "sha265": ""}]}, r"files\[0\]: unknown key sha265; did you mean"),
        ({"files": [{"name": "m.onnx"}]}, r"files\[0\]: key address is missing"),
        ({"files": [{**FILE, "sha256": "A" * 64}]}, "64 hexadecimal digits in lower case"),
        ({"files": [{**FILE, "size": 0}]}, "size: expected at least 1 byte, got 0"),
        ({"files": [{**FILE, "size": "big"}]}, "size: expected a valid integer"),
        ({"files": [{**FILE, "name": "../m.onnx"}]}, "expected the plain name of a file"),
        ({"files": [{**FILE, "name": "m.onnx.part"}]}, "expected the plain name of a file"),
        ({"files": [{**FILE, "name": ".lock"}]}, "expected the plain name of a file"),
        ({"files": [{**FILE, "address": "ftp://h/f"}]}, "expected http:// or https://, got ftp:"),
        ({"files": [{**FILE, "address": "file:///etc/x"}]}, "expected http:// or https://"),
        ({"files": [{**FILE, "address": "https://h:port/f"}]}, "expected http:// or https://"),
        ({"files": [{**FILE, "address": "https://h/a b"}]}, "expected http:// or https://"),
        ({"files": [{**FILE, "address": "https:///f"}]}, "expected http:// or https://"),
        ({"input": {"colors": "rgb"}}, r"unknown key input\.colors; did you mean 'colours'\?"),
        ({"input": {"fit": "cover"}}, r"input\.fit: expected 'letterbox', 'corner' or 'stretch'"),
        (
            {"measured": {"person_ap50": 1, "ms": [1.0, 0.0]}},
            r"measured\.ms: expected above 0, got \[1\.0, 0\.0\]",
        ),
        ({"measured": {"person_ap50": 1, "map50": 101}}, r"measured\.map50: expected 0 to 100"),
        ({"measured": {"map50": 50}}, r"measured\.person_ap50"),
        ({"layout": "YOLO v5"}, "layout: expected a word such as nanodet"),
        ({"layout": "darknet"}, "darknet needs a .cfg, then a .weights"),
        ({"classes": "coco92"}, "the path of a file that exists, got 'coco92'; did you mean 'coco"),
        ({"classes": None}, "classes: expected for a detector, and for no embedder"),
        ({"classes": ["a", "a"]}, "classes: expected different names"),
        ({"task": "embedder"}, "classes: expected for a detector, and for no embedder"),
    ],
)
def test_what_is_malformed_is_named(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as told:
        read_registry(registry_file(tmp_path, m={**MODEL, **change}))
    assert "\n" not in str(told.value)


def test_a_darknet_network_defines_its_input_itself(tmp_path: Path) -> None:
    files = [{**FILE, "name": "m.cfg"}, {**FILE, "name": "m.weights"}]
    tree = {**MODEL, "layout": "darknet", "files": files}
    assert read_registry(registry_file(tmp_path, m=tree)).find("m").layout == "darknet"
    with pytest.raises(ConfigError, match=r"the \.cfg of darknet defines the input"):
        read_registry(registry_file(tmp_path, m={**tree, "input": {"size": [320, 320]}}))


@pytest.mark.parametrize("name", ["My-Model", "a/b", "..", "", "small", "builtin"])
def test_names_are_plain_and_not_taken(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"name: "):
        read_registry(registry_file(tmp_path, **{name: MODEL}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: {}", "unknown key model; did you mean 'models'"),
        ("models: [a]", "models: expected names with keys below them"),
        ("", "models: expected names with keys below them, got None"),
        ("models: {a: 1}", r"models\.a: expected keys and values, got 1"),
    ],
)
def test_a_file_of_another_form(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        read_registry(path)


def test_the_input_has_the_keys_and_words_of_what_it_becomes() -> None:
    names = [field.name for field in dataclasses.fields(InputEntry)]
    assert names == [field.name for field in dataclasses.fields(ImageInput)]
    hints = typing.get_type_hints(InputEntry)
    for key, words in (("fit", Fit), ("colours", ColourOrder), ("axes", AxisOrder)):
        literal, _ = typing.get_args(hints[key])
        assert set(typing.get_args(literal)) == {word.value for word in words}


def test_every_entry_of_this_package_has_an_input_that_can_be_made() -> None:
    registry = read_registry()
    assert len(registry.entries) >= 6
    for entry in registry.entries.values():
        made = TypeAdapter(ImageInput).validate_python(entry.input.given())
        if entry.task is Task.DETECTOR and entry.layout not in {"darknet", "rtmdet"}:
            assert made.size or made.native_size
        assert all(file.address.startswith("https://") for file in entry.files)


def test_the_entries_of_this_package_are_of_the_files_that_exist(data: Path) -> None:
    known = {
        hashlib.sha256(path.read_bytes()).hexdigest(): path
        for path in (data / "weights").rglob("*")
        if path.is_file()
    }
    for entry in read_registry().entries.values():
        for file in entry.files:
            assert file.sha256 in known, f"{entry.name}: {file.name}"
            assert known[file.sha256].stat().st_size == file.size
            assert known[file.sha256].suffix == Path(file.name).suffix
        if entry.layout == "darknet":
            cfg = read_darknet_cfg(known[entry.files[0].sha256])
            counts = {
                layer.head.class_count for layer in cfg.layers if isinstance(layer, Detection)
            }
            assert counts == {80 if entry.classes == "coco" else 1}


def test_detectors_of_cocos_classes_were_measured_on_all_of_them() -> None:
    measured = [entry for entry in read_registry().entries.values() if entry.measured is not None]
    assert len(measured) >= 5
    for entry in measured:
        assert entry.measured is not None
        assert entry.task is Task.DETECTOR
        assert (entry.measured.map50 is not None) == (entry.classes in {"coco", "coco91"})


def test_addresses_on_github_name_a_commit_and_the_published_file() -> None:
    place = re.compile(
        r"https://raw\.githubusercontent\.com/[^/]+/[^/]+/([^/]+)/(?:[^/]+/)*([^/]+)"
    )
    seen = 0
    for entry in read_registry().entries.values():
        for file in entry.files:
            found = place.fullmatch(file.address)
            if found is None or entry.name == "fastestdet":  # of a branch, as its note says
                continue
            seen += 1
            assert re.fullmatch("[0-9a-f]{40}", found[1]), file.address
            assert found[2] == file.name
    assert seen >= 20


def test_a_model_that_is_not_in_the_cache_is_not_fetched(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"`tracker models pull fastestdet` downloads it, 1\.0 MB"):
        resolve("fastestdet", cache_dir=tmp_path)
    with pytest.raises(ConfigError, match="did you mean 'fastestdet'"):
        resolve("fastedet", cache_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_not_taken(tmp_path: Path) -> None:
    content = b"network"
    file = {**FILE, "sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    registry = read_registry(registry_file(tmp_path, m={**MODEL, "files": [file]}))
    entry = registry.find("m")
    path = model_folder("m", tmp_path) / "m.onnx"
    assert cache_state(entry, tmp_path) is CacheState.ABSENT
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert cache_state(entry, tmp_path) is CacheState.PRESENT
    assert resolve("m", registry=registry, cache_dir=tmp_path).paths == (path,)
    path.write_bytes(b"netwark")  # of the same size
    with pytest.raises(ModelError, match=r"expected sha256 .*; `tracker models pull m`"):
        resolve("m", registry=registry, cache_dir=tmp_path)
    path.write_bytes(b"net")
    assert cache_state(entry, tmp_path) is CacheState.DAMAGED
    with pytest.raises(ModelError, match="expected 7 bytes, got 3"):
        resolve("m", registry=registry, cache_dir=tmp_path)


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("https://h/f", "https://h/f"),
        ("https://me:s3@h:8/f?t=s3#s3", "https://h:8/f"),
        ("https://me:s3@h?t=s3", "https://h"),
        ("https://me:s@3@h/f", "https://h/f"),
        ("me:s3@h/f?t=s3", "'h/f'"),
        ("ftp://me:s3@h/f", "ftp://h/f"),
    ],
)
def test_addresses_are_shown_without_secrets(address: str, text: str) -> None:
    assert shown(address) == text
