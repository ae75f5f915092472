"""A real Ray on this machine: a worker that is killed, a node that joins, one that is lost."""

import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import moving_square, write_clip
from tracker.cli.batch.jobs import Job, Wanted, jobs_of
from tracker.cli.batch.local import Pool
from tracker.cli.batch.ray_cluster import RayOptions, connect, fitting
from tracker.cli.batch.ray_engine import RayPool
from tracker.cli.batch.ray_worker import Share, Surroundings, cores_of, difference
from tracker.cli.batch.work import Outcome, Progress, State
from tracker.cli.batch.workers import ray_options
from tracker.config.run import load_config
from tracker.errors import ConfigError, ModelError
from tracker.version import __version__

SETTINGS = ("detector.name=motion", "embedder.name=none", "run.checkpoint_s=0.01")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """One node with one processor; its `add_node` starts others on this machine."""
    pytest.importorskip("ray")
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    import ray
    from ray.cluster_utils import Cluster

    store = {"object_store_memory": 100_000_000, "include_dashboard": False}
    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, **store})
    ray.init(address=found.address, logging_level="error", log_to_driver=False)
    yield found
    ray.shutdown()
    found.shutdown()


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    for name, count in (("a.mp4", 60), ("b.mp4", 600), ("c.mp4", 600)):
        write_clip(folder / name, moving_square(count))
    (folder / "broken.mp4").write_bytes(b"\0" * 1000)
    return folder


def outcomes_of(
    jobs: list[Job], out: Path, report: Callable[[Progress], None] = lambda _: None, **options: Any
) -> dict[str, Outcome]:
    pool = RayPool(load_config(None, SETTINGS), Wanted(), str(out), RayOptions(**options))
    with pool:
        return {Path(one.source).name: one for one in pool.run(jobs, report, threading.Event())}


def local_results(videos: Path, out: Path) -> dict[str, bytes]:
    jobs = jobs_of([str(videos)], str(out))
    list(Pool(load_config(None, SETTINGS), Wanted(), 1).run(jobs, print, threading.Event()))
    return recordings(out)


def recordings(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.glob("*.jsonl")}


@pytest.mark.slow
def test_a_lost_node_costs_no_result_and_a_new_one_is_used(
    cluster: Any, videos: Path, tmp_path: Path
) -> None:
    """One worker runs; a node joins, and is lost with its worker once that has a checkpoint."""
    node, busy = [], set()
    out = tmp_path / "out"

    def report(progress: Progress) -> None:
        busy.add(Path(progress.source).name)
        if not node:
            node.append(cluster.add_node(num_cpus=1, object_store_memory=100_000_000))
        saved = out / f"{Path(progress.source).name}.jsonl.checkpoint"
        if len(busy) == 2 and len(node) == 1 and saved.exists() and saved.stat().st_size:
            cluster.remove_node(node[0], allow_graceful=False)
            node.append(None)

    slow = [Path(path) for path in (videos / "b.mp4", videos / "c.mp4")]
    jobs = jobs_of([str(path) for path in slow], str(out))
    outcomes = outcomes_of(jobs, out, report)
    assert {one.state for one in outcomes.values()} == {State.DONE}
    assert node, "no progress was reported: the videos are too short"
    expected = local_results(videos, tmp_path / "local")
    assert recordings(out) == {name: expected[name] for name in ("b.mp4.jsonl", "c.mp4.jsonl")}


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_a_broken_video_stops_nothing(
    cluster: Any, videos: Path, tmp_path: Path
) -> None:
    import ray

    out, killed = tmp_path / "out", []
    pool = RayPool(load_config(None, SETTINGS), Wanted(), str(out), RayOptions(workers=1))

    def kill_once(progress: Progress) -> None:
        saved = out / "b.mp4.jsonl.checkpoint"
        deadline = time.monotonic() + 20
        while not killed and progress.source.endswith("b.mp4") and time.monotonic() < deadline:
            if saved.exists() and saved.stat().st_size:
                (worker,) = pool._workers
                killed.append(ray.get(worker.actor.__ray_call__.remote(lambda _: os.getpid())))
                os.kill(killed[0], signal.SIGKILL)

    jobs = jobs_of([str(videos)], str(out))
    with pool:
        outcomes = list(pool.run(jobs, kill_once, threading.Event()))
    states = {Path(one.source).name: one.state for one in outcomes}
    done = dict.fromkeys(("a.mp4", "b.mp4", "c.mp4"), State.DONE)
    assert states == done | {"broken.mp4": State.FAILED}
    assert recordings(out) == local_results(videos, tmp_path / "local")
    again = outcomes_of(jobs_of([str(videos / "a.mp4")], str(out)), out, workers=1)
    assert again["a.mp4"].state is State.SKIPPED
    assert not list(out.glob(".shared-*"))


def test_workers_that_fit_a_cluster() -> None:
    nodes = [
        {"Alive": True, "Resources": {"CPU": 8.0, "memory": 16e9, "GPU": 2.0}},
        {"Alive": True, "Resources": {"CPU": 3.0, "memory": 3e9}},
        {"Alive": False, "Resources": {"CPU": 64.0}},
    ]
    assert fitting(nodes, RayOptions().demand()) == 11
    assert fitting(nodes, RayOptions(memory_gb=2).demand()) == 8 + 1
    assert fitting(nodes, RayOptions(cpus=2, gpus=0.5).demand()) == 4
    assert fitting([], RayOptions().demand()) == 0


class FakeRay:
    """A library whose cluster is there, not there, or broken."""

    def __init__(self, *answers: Exception | None) -> None:
        self._answers = list(answers)
        self.addresses: list[str] = []

    def init(self, *, address: str, **_: object) -> None:
        self.addresses.append(address)
        answer = self._answers.pop(0)
        if answer is not None:
            raise answer


def test_a_cluster_that_was_there_is_not_one_that_was_started() -> None:
    found, none = FakeRay(None), FakeRay(ConnectionError("none here"), None)
    assert (connect(found, None), found.addresses) == (False, ["auto"])
    assert (connect(none, None), none.addresses) == (True, ["auto", "local"])
    with pytest.raises(ConfigError, match="no Ray there: RuntimeError"):
        connect(FakeRay(RuntimeError("")), "head:6379")


def test_workers_of_a_node_have_processors_of_their_own() -> None:
    cores = [0, 2, 4, 6, 8]
    shares = [cores_of(Share(2, 0, number), cores) for number in range(3)]
    assert shares == [[0, 2], [4, 6], [8]]
    assert cores_of(Share(2, 0, 3), cores) == cores  # Ray has promised more than there is.
    assert [cores_of(Share(0.5, 0, n), cores) for n in range(3)] == [[0], [0], [2]]


def test_a_node_has_to_see_the_folder_of_the_results(tmp_path: Path) -> None:
    token = str(tmp_path / "token")
    assert "expected tracker-pipeline 0.0" in str(difference(Surroundings("0.0", None, None)))
    assert "a disk that all nodes share" in str(difference(Surroundings(__version__, None, token)))
    missing = str(tmp_path / "missing")
    assert "no folder" in str(difference(Surroundings(__version__, missing, None)))
    assert difference(Surroundings(__version__, None, str(tmp_path))) is None


@pytest.mark.parametrize(
    ("given", "words", "is_ray", "message"),
    [
        ({"gpus": 1.0}, (), False, "--gpus-per-worker: expected --engine ray"),
        ({"cpus": 1.5}, (), True, "--cpus-per-worker: expected a number above 0, whole"),
        ({"gpus": -1.0}, (), True, "--gpus-per-worker: expected"),
        ({"gpus": math.inf}, (), True, "--gpus-per-worker: expected 0 or more"),
        ({"memory_gb": 0.0}, (), True, "--memory-per-worker: expected GB, a number above 0, got 0"),
        ({"memory_gb": math.inf}, (), True, "--memory-per-worker: expected GB"),
        ({"address": "ray://head:10001"}, (), True, "expected auto or HOST:PORT"),
        ({}, ("detector.network.device=gpu",), True, "add --gpus-per-worker 1"),
    ],
)
def test_options_that_do_not_fit(
    given: dict[str, Any], words: tuple[str, ...], is_ray: bool, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        ray_options(given, load_config(None, words), is_ray=is_ray)


def test_without_options_there_is_no_cluster() -> None:
    assert ray_options({"workers": 3, "cpus": None}, load_config(), is_ray=False) is None
    assert ray_options({"workers": 3}, load_config(), is_ray=True) == RayOptions(workers=3)


@pytest.mark.slow
def test_a_pipeline_that_cannot_be_built_ends_at_once(
    cluster: Any, videos: Path, tmp_path: Path
) -> None:
    settings = load_config(None, ["detector.name=missing.onnx"])
    jobs = jobs_of([str(videos)], str(tmp_path))
    pool = RayPool(settings, Wanted(), str(tmp_path), RayOptions(workers=1))
    with pytest.raises(ModelError, match=r"missing\.onnx"), pool:
        list(pool.run(jobs, print, threading.Event()))
