"""An RTSP camera in Python: H.264 over the RTSP connection (TCP), a grey level a frame."""

import base64
import socket
import struct
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from typing import Self

import av

from tests.loopback_server import LoopbackServer
from tests.rtsp_proxy import header, items
from tests.sources.clips import LEVELS, grey_frame, level
from tests.stream_server import SIZE

_CLOCK_HZ = 90_000


class RtspCamera(LoopbackServer):
    """Answers any number of viewers; its clock runs from the start, also without viewers.

    Frame `n` is shown `n` intervals after the start and has the grey level `level(n)`. A viewer
    gets the frames from the next key frame on.

    Args:
        size: Width and height.
        fps: Frames per second.
        gop: Frames from one key frame to the next; a divisor of 104.
    """

    def __init__(self, *, size: tuple[int, int] = SIZE, fps: int = 40, gop: int = 8) -> None:
        super().__init__()
        self._fps, self._gop = fps, gop
        self._frames = _encoded(size, fps, gop)

    @property
    def address(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/stream"

    def __enter__(self) -> Self:
        self._start_s = time.monotonic()
        return super().__enter__()

    def _accept(self) -> None:
        while not self._closing.is_set():
            with suppress(TimeoutError):
                client, _ = self._listener.accept()
                self._open.append(client)
                threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        with suppress(OSError, ValueError):
            for request in items(client.makefile("rb")):
                if request.startswith(b"$"):
                    continue
                method = request.split(b" ", 1)[0]
                client.sendall(self._response(method, header(request, b"cseq") or b"0"))
                if method == b"PLAY":
                    threading.Thread(target=self._send, args=(client,), daemon=True).start()

    def _response(self, method: bytes, cseq: bytes) -> bytes:
        lines = {
            b"OPTIONS": b"Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n",
            b"DESCRIBE": b"Content-Type: application/sdp\r\n",
            b"SETUP": b"Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n",
        }.get(method, b"Session: 1\r\n")
        body = self._description() if method == b"DESCRIBE" else b""
        length = b"Content-Length: %d\r\n" % len(body) if body else b""
        return b"RTSP/1.0 200 OK\r\nCSeq: %s\r\n%s%s\r\n%s" % (cseq, lines, length, body)

    def _description(self) -> bytes:
        sets = [unit for unit in self._frames[0] if unit[0] & 31 in {7, 8}]
        text = b",".join(map(base64.b64encode, sets))
        lines = [
            *(b"v=0", b"o=- 0 0 IN IP4 127.0.0.1", b"s=camera", b"t=0 0"),
            *(b"m=video 0 RTP/AVP 96", b"a=rtpmap:96 H264/90000"),
            b"a=fmtp:96 packetization-mode=1;sprop-parameter-sets=" + text,
            *(b"a=control:track1", b""),
        ]
        return b"\r\n".join(lines)

    def _send(self, client: socket.socket) -> None:
        number = int((time.monotonic() - self._start_s) * self._fps) + 1
        number += -number % self._gop
        sequence = 0
        with suppress(OSError):
            while not self._closing.wait(max(self._due_s(number) - time.monotonic(), 0)):
                units = self._frames[number % len(self._frames)]
                for unit in units:
                    client.sendall(self._packet(unit, number, sequence, is_last=unit is units[-1]))
                    sequence += 1
                number += 1

    def _due_s(self, number: int) -> float:
        return self._start_s + number / self._fps

    def _packet(self, unit: bytes, number: int, sequence: int, *, is_last: bool) -> bytes:
        stamp = number * _CLOCK_HZ // self._fps
        kind = 96 | (0x80 if is_last else 0)
        rtp = struct.pack(">BBHII", 0x80, kind, sequence & 0xFFFF, stamp & 0xFFFFFFFF, 1) + unit
        return b"$\0" + struct.pack(">H", len(rtp)) + rtp


def _encoded(size: tuple[int, int], fps: int, gop: int) -> Sequence[Sequence[bytes]]:
    """Returns the units (NAL) of each frame; after the last one the first can follow."""
    options = {"tune": "zerolatency", "preset": "ultrafast", "qp": "10", "x264-params": "slices=1"}
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = *size, "yuv420p"
    encoder.framerate, encoder.time_base = Fraction(fps), Fraction(1, fps)
    encoder.gop_size, encoder.options = gop, options
    frames = []
    for number in range(len(LEVELS)):
        frame = grey_frame(level(number), size)
        frame.pts, frame.time_base = number, Fraction(1, fps)
        (packet,) = encoder.encode(frame)
        frames.append(_units(bytes(packet)))
    return frames


def _units(data: bytes) -> Sequence[bytes]:
    """Returns the units between the start codes of a byte stream (ITU-T H.264, annex B)."""
    parts = data.split(b"\0\0\1")[1:]
    return [part.rstrip(b"\0") for part in parts]
