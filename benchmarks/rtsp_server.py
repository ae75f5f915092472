"""A simulated RTSP camera that loops a video file in real time, on this machine only.

    python3 benchmarks/rtsp_server.py VIDEO --port 8554

Serves `rtsp://127.0.0.1:PORT/stream` as H.264 without B-frames, with a key frame every second. It
behaves as a camera does: its clock runs without clients too, all clients see the same moment, and
one that connects late waits for the next key frame. Frame `n` is sent at `--origin` plus `n`
frame intervals, so a server that is killed and started again with the same origin shows what the
camera would show by then. The clip is encoded once, before the server listens; after that serving
costs next to nothing.

Prints the address on the first line of stdout, and for each stream `sent N from FIRST` when it
ends, both counted in frames.

It needs the system's Python with GStreamer's bindings (Debian: gir1.2-gst-rtsp-server-1.0,
python3-gi, gstreamer1.0-plugins-base, -good, -bad, -ugly and gstreamer1.0-libav), which a virtual
environment does not have; `ServerProcess` starts it from one.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Self

HOST = "127.0.0.1"
MOUNT = "/stream"
DEBIAN = (
    "gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-base gstreamer1.0-plugins-good "
    "gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav"
)

ONE_SLICE = "sliced-threads=0:slices=1:scenecut=0"
"""For x264: an image of several slices can reach a viewer as several images."""

NEEDS = """
import gi
gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer
Gst.init(None)
names = ("x264enc", "h264parse", "rtph264pay", "decodebin", "capssetter")
missing = [name for name in names if not Gst.ElementFactory.find(name)]
raise SystemExit(f"no {missing}" if missing else 0)
"""


@cache
def server_python() -> str | None:
    """Returns the system's Python if it can serve RTSP, else `None`."""
    python = shutil.which("python3", path=os.defpath)
    if python is None:
        return None
    tried = subprocess.run([python, "-c", NEEDS], capture_output=True, check=False, timeout=60)
    return python if tried.returncode == 0 else None


class ServerProcess:
    """This script in a process of its own, ended with the block.

    Args:
        video: What to serve.
        words: More words of the command line; with `--wait` it listens once `listen` is called.

    Raises:
        RuntimeError: The server cannot run on this machine.
    """

    def __init__(self, video: Path, *words: str) -> None:
        python = server_python()
        if python is None:
            raise RuntimeError(f"no RTSP server on this machine; Debian: apt-get install {DEBIAN}")
        self._process = subprocess.Popen(
            [python, __file__, str(video), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout

    @cached_property
    def address(self) -> str:
        """Where to look; waits until the server listens.

        Raises:
            RuntimeError: It did not come up.
        """
        return self._line()

    @property
    def port(self) -> str:
        """The port of the address."""
        return self.address.rsplit(":", 1)[1].removesuffix(MOUNT)

    def wait_until_ready(self) -> None:
        """Waits until a server with `--wait` has encoded its clip.

        Raises:
            RuntimeError: It could not.
        """
        self._line()

    def listen(self) -> None:
        """Tells a server with `--wait` to listen."""
        self._input.write("listen\n")
        self._input.flush()

    def _line(self) -> str:
        line = self._output.readline().strip()
        if not line:
            raise RuntimeError(f"the RTSP server ended with {self._process.wait()}; see above")
        return line

    def kill(self) -> None:
        """Ends the server at once, without a word to its viewers."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> list[tuple[int, int]]:
        """Ends the server; returns how many frames each stream was sent, and its first one."""
        if self._output.closed:
            return []
        self._process.terminate()
        text = self._output.read()
        self._process.wait()
        self._output.close()
        self._input.close()
        lines = [line.split() for line in text.splitlines() if line.startswith("sent ")]
        return [(int(words[1]), int(words[3])) for words in lines]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()


@dataclass(frozen=True)
class Clip:
    """Encoded frames, to be sent one after the other, over and over.

    Attributes:
        units: An H.264 access unit (byte stream) a frame.
        keys: Whether each is a key frame.
        caps: GStreamer's description of them.
        fps: Frames a second.
    """

    units: list[bytes]
    keys: list[bool]
    caps: str
    fps: float


def encode(video: str, fps: float | None, key_interval_s: float, gst: Any) -> Clip:
    """Returns the clip of a file, encoded; `fps` plays it faster or slower.

    Raises:
        SystemExit: The file cannot be decoded.
    """
    rate = fps or _rate(video, gst)
    exact = Fraction(rate).limit_denominator(1001)
    every = max(1, round(rate * key_interval_s))
    pipeline = gst.parse_launch(
        "filesrc name=file ! decodebin ! videoconvert ! "
        f"capssetter caps=video/x-raw,framerate={exact.numerator}/{exact.denominator} ! "
        "video/x-raw,format=I420 ! "
        f"x264enc tune=zerolatency speed-preset=ultrafast quantizer=23 pass=quant bframes=0 "
        f"key-int-max={every} option-string={ONE_SLICE} ! "
        "video/x-h264,stream-format=byte-stream,alignment=au ! appsink name=sink sync=false"
    )
    pipeline.get_by_name("file").set_property("location", video)
    units, keys, caps = [], [], ""
    for sample in _samples(pipeline, gst):
        buffer = sample.get_buffer()
        units.append(buffer.extract_dup(0, buffer.get_size()))
        keys.append(not buffer.has_flags(gst.BufferFlags.DELTA_UNIT))
        caps = caps or sample.get_caps().to_string()
    if not units or not keys[0]:
        sys.exit(f"{video}: no frames could be decoded")
    return Clip(units, keys, caps, rate)


def _rate(video: str, gst: Any) -> float:
    pipeline = gst.parse_launch(
        "filesrc name=file ! decodebin ! video/x-raw ! appsink name=sink sync=false"
    )
    pipeline.get_by_name("file").set_property("location", video)
    sample = next(_samples(pipeline, gst), None)
    if sample is None:
        sys.exit(f"{video}: no frames could be decoded")
    found, above, below = sample.get_caps().get_structure(0).get_fraction("framerate")
    if not found or not above:
        sys.exit(f"{video}: tells no frame rate; give one with --fps")
    return above / below


def _samples(pipeline: Any, gst: Any) -> Any:
    """Yields what arrives at the pipeline's sink, until its end."""
    sink = pipeline.get_by_name("sink")
    pipeline.set_state(gst.State.PLAYING)
    try:
        while (sample := sink.emit("pull-sample")) is not None:
            yield sample
        error = pipeline.get_bus().pop_filtered(gst.MessageType.ERROR)
        if error is not None:
            sys.exit(f"cannot decode: {error.parse_error()[0].message}")
    finally:
        pipeline.set_state(gst.State.NULL)


class Camera:
    """Sends a clip's frames in real time to all connected clients.

    Args:
        clip: What the camera sees.
        origin_s: Unix time of its first frame.
        gst: GStreamer.
    """

    def __init__(self, clip: Clip, origin_s: float, gst: Any) -> None:
        self._clip, self._gst = clip, gst
        # Unix time may be set while we run; only the start is taken from it.
        self._origin = time.monotonic() + (origin_s - time.time())
        self._sent: dict[int, tuple[int, int]] = {}

    def connect(self, factory: Any, media: Any) -> None:
        """Begins to feed a new stream; called by GStreamer."""
        source = media.get_element().get_by_name("camera")
        threading.Thread(target=self._feed, args=(source, len(self._sent)), daemon=True).start()

    def report(self) -> None:
        """Prints how many frames each stream was sent."""
        for sent, first in self._sent.values():
            print(f"sent {sent} from {first}", flush=True)

    def _feed(self, source: Any, stream: int) -> None:
        clip, gst, length = self._clip, self._gst, len(self._clip.units)
        number = max(0, int((time.monotonic() - self._origin) * clip.fps) + 1)
        while not clip.keys[number % length]:
            number += 1
        first = number
        while True:
            time.sleep(max(0.0, self._origin + number / clip.fps - time.monotonic()))
            buffer = gst.Buffer.new_wrapped(clip.units[number % length])
            buffer.pts = buffer.dts = int((number - first) / clip.fps * gst.SECOND)
            buffer.duration = int(gst.SECOND / clip.fps)
            if source.emit("push-buffer", buffer) != gst.FlowReturn.OK:
                return  # the last viewer has left
            number += 1
            self._sent[stream] = (number - first, first)


def serve(camera: Camera, clip: Clip, words: argparse.Namespace, server_library: Any) -> Any:
    """Returns a server that listens; it answers while GLib's main loop runs."""
    factory = server_library.RTSPMediaFactory()
    factory.set_launch(
        f'( appsrc name=camera is-live=true format=time caps="{_escaped(clip.caps)}" ! '
        "h264parse ! rtph264pay name=pay0 pt=96 config-interval=0 )"
    )
    factory.set_shared(True)
    factory.connect("media-configure", camera.connect)
    server = server_library.RTSPServer()
    server.set_address(HOST)
    server.set_service(str(words.port))
    if words.user is not None:
        _lock(server, factory, words, server_library)
    server.get_mount_points().add_factory(MOUNT, factory)
    if not server.attach(None):
        sys.exit(f"cannot listen on {HOST}:{words.port}: is the port in use?")
    return server


def _escaped(caps: str) -> str:
    return caps.replace('"', '\\"')


def _lock(server: Any, factory: Any, words: argparse.Namespace, server_library: Any) -> None:
    """Checks a client's user name and password."""
    from gi.repository import Gst, GstRtsp

    name, _, password = words.user.partition(":")
    token = server_library.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth = server_library.RTSPAuth()
    if words.auth == "digest":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(name, password, token)
    else:
        auth.add_basic(server_library.RTSPAuth.make_basic(name, password), token)
    server.set_auth(auth)
    role = "viewer, media.factory.access=(boolean)true, media.factory.construct=(boolean)true"
    factory.add_role_from_structure(Gst.Structure.new_from_string(role))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--fps", type=float, help="play faster or slower than the file says")
    parser.add_argument("--key-interval-s", type=float, default=1.0, help="between key frames")
    parser.add_argument("--origin", type=float, default=time.time(), help="Unix time of frame 0")
    parser.add_argument("--wait", action="store_true", help="listen when a line comes on stdin")
    parser.add_argument(
        "--user", metavar="NAME:PASSWORD", help="credentials that clients need; none by default"
    )
    parser.add_argument("--auth", choices=["basic", "digest"], default="basic")
    words = parser.parse_args()

    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtspServer

    Gst.init(None)
    clip = encode(words.video, words.fps, words.key_interval_s, Gst)
    if words.wait:
        print("ready", flush=True)
        sys.stdin.readline()
    camera = Camera(clip, words.origin, Gst)
    server = serve(camera, clip, words, GstRtspServer)
    loop = GLib.MainLoop()
    for number in (signal.SIGINT, signal.SIGTERM):
        GLib.unix_signal_add(GLib.PRIORITY_HIGH, number, loop.quit)
    print(f"rtsp://{HOST}:{server.get_bound_port()}{MOUNT}", flush=True)
    loop.run()
    camera.report()


if __name__ == "__main__":
    main()
