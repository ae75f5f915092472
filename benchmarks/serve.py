"""What viewers of `tracker serve` cost, and how late they see a frame.

    python benchmarks/serve.py SOURCE... [--seconds 20] [--detector nano] [--memory-frames 20000]
    python benchmarks/serve.py --server-frames 108000 --memory-frames 0

Four measurements on this machine:

- CPU seconds of the server's process a second without a viewer, with one and with ten, on one
  source that plays at its own rate; images encoded a frame of the pipeline.
- Frames a second and delay at a viewer beside those of the pipeline. The viewer is a WebSocket
  client in this process that acknowledges each frame, as the page does; the delay of a frame is
  from its capture (`wall_time`) until its image has arrived. Drawing is not in it.
- Memory of a hub over many frames, published as fast as possible with viewers of both images,
  events and a new track every tenth frame.
- Memory of the server's process over many frames (`--server-frames`): a clip of its own, 160x120,
  of a square that walks, processed by `--detector motion` as fast as possible, and again when it
  has ended, with one viewer.
"""

import argparse
import asyncio
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
from websockets.asyncio.client import connect

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Seen:
    """What one viewer saw: frames a second, and delays in seconds."""

    rate: float
    delays_s: list[float]


def cpu_s(pid: int) -> float:
    """Returns the CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_mb(pid: int) -> float:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024


async def watch(address: str, name: str, seconds: float) -> Seen:
    """Views a source for some seconds."""
    delays = []
    url = f"{address.replace('http', 'ws')}ws?source={name}"
    async with connect(url, max_size=None) as socket:
        begin = time.monotonic()
        while time.monotonic() - begin < seconds:
            message = json.loads(await socket.recv())
            if message["kind"] != "frame":
                continue
            if message["image"]:
                await socket.recv()
            delays.append(time.time() - message["wall_time"])
            await socket.send(json.dumps({"ack": message["frame"]}))
    return Seen(len(delays) / seconds, delays)


async def watch_many(address: str, name: str, seconds: float, viewers: int) -> list[Seen]:
    if not viewers:
        await asyncio.sleep(seconds)
        return []
    return list(await asyncio.gather(*(watch(address, name, seconds) for _ in range(viewers))))


def started(sources: list[str], detector: str, *options: str) -> tuple[subprocess.Popen[str], str]:
    """Starts the server; returns it and its address."""
    words = [
        "serve",
        *map(os.path.abspath, sources),
        "--detector",
        detector,
        "--port",
        "0",
        *options,
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "tracker", *words],
        stderr=subprocess.PIPE,
        text=True,
        cwd=tempfile.mkdtemp(),
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    for line in process.stderr:
        if found := re.search(r"http://\S+", line):
            return process, found[0]
    raise SystemExit("the server did not start")


def measure_viewers(sources: list[str], detector: str, seconds: float) -> None:
    process, address = started(sources, detector)
    try:
        client = httpx.Client(base_url=address, timeout=30)
        (entry,) = client.get("api/sources").json()["sources"]
        name = entry["name"]
        print(
            "viewers | CPU s a second | CPU ms a frame | frames a second | encodes a frame", end=""
        )
        print(" | viewer: frames a second | delay p50, p95 ms | pipeline: latency p50, p95 ms")
        for viewers in (0, 1, 10):
            client.post(f"api/sources/{name}/restart")
            while client.get("api/sources").json()["sources"][0]["state"] != "running":
                time.sleep(0.1)
            before, begin = numbers(client), time.monotonic()
            used = cpu_s(process.pid)
            seen = asyncio.run(watch_many(address, name, seconds, viewers))
            passed = time.monotonic() - begin
            used, after = cpu_s(process.pid) - used, numbers(client)
            frames = after[0] - before[0]
            delays = sorted(delay for one in seen for delay in one.delays_s)
            rate = statistics.mean(one.rate for one in seen) if seen else 0.0
            delay = "-"
            if delays:
                p95 = delays[int(0.95 * (len(delays) - 1))]
                delay = f"{1000 * statistics.median(delays):.0f}, {1000 * p95:.0f}"
            encodes = (after[1] - before[1]) / max(frames, 1)
            latency = client.get("api/sources").json()["sources"][0]["latency_ms"]
            cost = f"{used / passed:.2f} | {1000 * used / max(frames, 1):.1f}"
            pace = f"{frames / passed:.1f} | {encodes:.2f} | {rate:.1f} | {delay}"
            print(f"{viewers} | {cost} | {pace} | {latency['p50']:.0f}, {latency['p95']:.0f}")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(10)


def write_walk(path: Path, frames: int) -> None:
    """Writes a clip of a square that walks to the right, again and again."""
    import av
    import numpy as np

    ground = np.random.default_rng(0).integers(60, 110, (120, 160, 3)).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for index in range(frames):
            image = ground.copy()
            x = 5 + 2 * (index % 60)
            image[40:80, x : x + 20] = (240, 200, 40)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


def measure_server_memory(frames: int) -> None:
    """Lets a server process many frames, and prints its memory."""
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "walk.mp4"
        write_walk(clip, 9000)
        process, address = started([str(clip)], "motion", "--as-fast-as-possible")
        try:
            asyncio.run(follow_frames(process.pid, address, frames))
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(10)


async def follow_frames(pid: int, address: str, frames: int) -> None:
    url = f"{address.replace('http', 'ws')}ws?source=walk"
    print("frames of the server | resident MB")
    async with httpx.AsyncClient(base_url=address, timeout=30) as client:
        watching = asyncio.create_task(acknowledge(url))
        shown, step = 0, frames // 12
        while shown < frames:
            await asyncio.sleep(0.2)
            (entry,) = (await client.get("api/sources")).json()["sources"]
            if entry["state"] == "ended":
                await client.post("api/sources/walk/restart")
            if entry["frames"] >= shown:
                print(f"{entry['frames']} | {resident_mb(pid):.0f}", flush=True)
                shown = entry["frames"] // step * step + step
        watching.cancel()


async def acknowledge(url: str) -> None:
    """Views a source without end."""
    async with connect(url, max_size=None) as socket:
        async for message in socket:
            if isinstance(message, str) and (found := json.loads(message))["kind"] == "frame":
                await socket.send(json.dumps({"ack": found["frame"]}))


def numbers(client: httpx.Client) -> tuple[float, float]:
    """Returns processed frames and encoded images so far."""
    text = client.get("metrics").text
    found = [
        re.search(rf"^{name}{{.*?}} (\S+)", text, re.MULTILINE)[1]
        for name in ("tracker_frames_total", "tracker_images_encoded_total")
    ]
    return float(found[0]), float(found[1])


def measure_memory(frames: int) -> None:
    """Publishes many frames to a hub with a viewer."""
    from fractions import Fraction

    import numpy as np

    from tracker.analytics.settings import AnalyticsSettings, Line
    from tracker.detections import Detections
    from tracker.frames import Frame, VideoInfo
    from tracker.serve.hub import Hub
    from tracker.serve.pictures import Encoding, Kind
    from tracker.sinks.draw_style import DrawStyle
    from tracker.tracks import RunInfo, TrackedFrame, Tracks

    info = VideoInfo("memory", 640, 360, Fraction(30), Fraction(1, 30))
    run = RunInfo(info, ("person",))
    zones = AnalyticsSettings(lines=(Line("door", ((320.0, 360.0), (320.0, 0.0))),))
    hub = Hub(zones, style=DrawStyle(), encoding=Encoding())
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (360, 640, 3)).astype(np.uint8) for _ in range(8)]
    print("frames | resident MB")
    with hub.pictures.viewer(Kind.CLEAN), hub.pictures.viewer(Kind.ANNOTATED):
        for index in range(frames):
            ids = np.arange(1 + index // 10, 11 + index // 10)
            left = 60.0 * np.arange(10) + index % 40
            boxes = np.stack([left, left * 0 + 100, left + 30, left * 0 + 200], 1)
            boxes = boxes.astype(np.float32)
            ones, zeros = np.ones(10, np.int32), np.zeros(10, np.int32)
            scores = np.full(10, 0.9, np.float32)
            tracks = Tracks(
                ids=ids,
                boxes=boxes,
                velocities=boxes[:, :2] * 0,
                scores=scores,
                classes=zeros,
                class_scores=scores,
                states=ones.astype(np.uint8),
                ages=ones,
                misses=zeros,
                detection_index=np.arange(10, dtype=np.int32),
            )
            found = Detections.create(boxes, scores, zeros)
            frame = Frame(images[index % 8], index, index / 30, "memory")
            hub.publish(TrackedFrame(frame, found, tracks, {"infer": 0.01}, run, 0, 10))
            if index % 30 == 0:
                hub.tick()
            if index % (frames // 6) == 0:
                print(f"{index} | {resident_mb(os.getpid()):.0f}", flush=True)
    print(f"{frames} | {resident_mb(os.getpid()):.0f}")
    hub.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sources", nargs="*", help="A video, or a recording and its video.")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--detector", default="nano")
    parser.add_argument("--memory-frames", type=int, default=108_000)
    parser.add_argument("--server-frames", type=int, default=0, help="108000 are an hour.")
    options = parser.parse_args()
    if options.server_frames:
        measure_server_memory(options.server_frames)
    if options.sources:
        measure_viewers(options.sources, options.detector, options.seconds)
    if options.memory_frames:
        measure_memory(options.memory_frames)


if __name__ == "__main__":
    main()
