"""A TCP proxy before an RTSP camera, whose connections break as a test says.

It reads what passes as RTSP over TCP does (RFC 2326, 10.12): messages of text, and packets of RTP
with four bytes before each. So it can answer a request itself, and end a connection within a frame.
"""

import random
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import BinaryIO

from tests.loopback_server import LoopbackServer

_RTP_HEADER = 4 + 12
"""Bytes before the payload: those of the interleaving, and those of RTP without extensions."""
_RESET = b"\x01\0\0\0\0\0\0\0"
"""For SO_LINGER: a connection that is closed sends RST."""


class Then(StrEnum):
    """What follows the frames of a connection that are passed on."""

    CLOSE = "close"
    RESET = "reset"  # within a packet of the next frame
    STALL = "stall"
    NOISE = "noise"  # once, then the stream goes on


@dataclass(frozen=True)
class Script:
    """What happens to one connection; without arguments, everything is passed on.

    Attributes:
        answers: By method, what is answered in place of the camera, with `{cseq}`; nothing: the
            connection is closed.
        frames: Frames that are passed on before `then`; `None` for all.
        then: What follows.
        away_s: Seconds after the end of the connection in which new ones are refused.
        flips: Share of RTP packets in which a bit of the payload is flipped.
        port: The camera's port; `None` for that of the proxy.
        closes: Whether the connection is closed after the first of the answers.
    """

    answers: Mapping[str, bytes] = field(default_factory=dict)
    frames: int | None = None
    then: Then = Then.CLOSE
    away_s: float = 0.0
    flips: float = 0.0
    port: int | None = None
    closes: bool = False


class RtspProxy(LoopbackServer):
    """Passes connections on to a camera; the n-th by the n-th script, later ones by the last.

    Args:
        camera_port: Port of the camera on this machine.
        scripts: What happens to each connection.
        seed: Chooses the bits that are flipped.

    Attributes:
        frames: Complete frames that were passed on, by connection.
    """

    def __init__(self, camera_port: int, *scripts: Script, seed: int = 0) -> None:
        super().__init__()
        self.frames: list[int] = []
        self._camera_port = camera_port
        self._scripts: Sequence[Script] = scripts or (Script(),)
        self._rng = random.Random(seed)

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            script = self._scripts[min(len(self.frames), len(self._scripts) - 1)]
            self.frames.append(0)
            link = threading.Thread(target=self._link, args=(client, script, len(self.frames) - 1))
            link.daemon = True
            link.start()
            if script.away_s:
                link.join()
                self._listener.close()
                self._closing.wait(script.away_s)
                self._listen()

    def _link(self, client: socket.socket, script: Script, number: int) -> None:
        camera = socket.create_connection(("127.0.0.1", script.port or self._camera_port))
        self._open += [client, camera]
        requests = threading.Thread(target=_requests, args=(client, camera, script), daemon=True)
        requests.start()
        with suppress(OSError, ValueError):
            for item in items(camera.makefile("rb")):
                if script.then is not Then.CLOSE and self.frames[number] == script.frames:
                    if self._is_ended_by(script.then, client, item):
                        break
                    script = Script()
                client.sendall(self._flipped(item, script.flips))
                self.frames[number] += is_end_of_frame(item)
                if script.then is Then.CLOSE and self.frames[number] == script.frames:
                    break
        with suppress(OSError):
            # Only this end: a reset must not be preceded by an end in order.
            client.shutdown(socket.SHUT_RD)
        requests.join()
        client.close()
        camera.close()

    def _is_ended_by(self, then: Then, client: socket.socket, item: bytes) -> bool:
        """Returns whether a connection ends here, after what precedes the end."""
        if then is Then.STALL:
            self._closing.wait()
        elif then is Then.NOISE:
            client.sendall(self._rng.randbytes(3000))
        else:
            client.sendall(item[: len(item) // 2])
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        return then is not Then.NOISE

    def _flipped(self, item: bytes, share: float) -> bytes:
        if not share or item[:2] != b"$\0" or self._rng.random() >= share:
            return item
        noisy = bytearray(item)
        noisy[self._rng.randrange(_RTP_HEADER, len(noisy))] ^= 1 << self._rng.randrange(8)
        return bytes(noisy)


def _requests(client: socket.socket, camera: socket.socket, script: Script) -> None:
    with suppress(OSError, ValueError):
        for item in items(client.makefile("rb")):
            answer = script.answers.get(item.split(b" ", 1)[0].decode("latin-1"))
            if answer is None:
                camera.sendall(item)
            elif answer:
                client.sendall(answer.replace(b"{cseq}", header(item, b"cseq") or b"0"))
            if answer is not None and (script.closes or not answer):
                break
    with suppress(OSError):
        camera.shutdown(socket.SHUT_RDWR)


def items(file: BinaryIO) -> Iterator[bytes]:
    """Yields whole messages of RTSP and whole packets between them, as they arrive."""
    while first := file.read(1):
        if first == b"$":
            head = file.read(3)
            data = file.read(int.from_bytes(head[1:], "big"))
            yield first + head + data
            continue
        text = first
        while not text.endswith(b"\r\n\r\n"):
            line = file.readline()
            if not line:
                return
            text += line
        yield text + file.read(int(header(text, b"content-length") or 0))


def header(message: bytes, name: bytes) -> bytes | None:
    """Returns the value of a header; `None` where there is none."""
    for line in message.split(b"\r\n"):
        key, _, value = line.partition(b":")
        if key.lower() == name:
            return value.strip()
    return None


def is_end_of_frame(item: bytes) -> bool:
    """Returns whether this is the packet of RTP that ends a frame."""
    return item[:2] == b"$\0" and bool(item[5] & 0x80)
