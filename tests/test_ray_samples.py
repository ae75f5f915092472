"""The samples for clusters: they load, and the commands in them exist with all of their options."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from tracker.cli.main import app

FOLDER = Path(__file__).parents[1] / "examples" / "ray"


@pytest.fixture(params=["cluster.yaml", "kubernetes.yaml"])
def sample(request: pytest.FixtureRequest) -> Path:
    return FOLDER / str(request.param)


def test_commands_exist(sample: Path) -> None:
    text = re.sub(r"\n\s+--", " --", sample.read_text(encoding="utf-8"))
    lines = re.findall(r"tracker batch '[^\"\n]*", text)
    assert lines
    batch = typer.main.get_command(app).commands["batch"]  # type: ignore[attr-defined]
    known = {name for param in batch.params for name in param.opts}
    for line in lines:
        words = shlex.split(line)
        assert words[words.index("--engine") + 1] == "ray"
        assert {word for word in words if word.startswith("--")} <= known


def test_files_that_a_sample_names_exist(sample: Path) -> None:
    text = sample.read_text(encoding="utf-8")
    for name in re.findall(r"examples/[\w./]+", text):
        assert (FOLDER.parents[1] / name).exists(), name


def test_the_cluster_of_machines() -> None:
    tree = yaml.safe_load((FOLDER / "cluster.yaml").read_text(encoding="utf-8"))
    assert tree["head_node_type"] in tree["available_node_types"]
    assert all("ray start" in tree[f"{who}_start_ray_commands"][-1] for who in ("head", "worker"))
    assert tree["available_node_types"]["head"]["resources"] == {"CPU": 0}


def test_the_job_on_kubernetes() -> None:
    tree: Any = yaml.safe_load((FOLDER / "kubernetes.yaml").read_text(encoding="utf-8"))
    assert (tree["apiVersion"], tree["kind"]) == ("ray.io/v1", "RayJob")
    spec = tree["spec"]["rayClusterSpec"]
    groups = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    for pod in (group["template"]["spec"] for group in groups):
        volumes = {one["name"] for one in pod["volumes"]}
        for container in pod["containers"]:
            assert {one["name"] for one in container["volumeMounts"]} <= volumes
            assert container["resources"]["limits"] == container["resources"]["requests"]
