"""Files as packets: opening, reading past damage, shown and hidden packets."""

import struct
from fractions import Fraction
from pathlib import Path

import av
import pytest

from tests.sources.clips import damage, grey_frame, level, write_clip, write_with_sound
from tracker.errors import SourceError
from tracker.sources.files.frame_numbers import RankNumbering
from tracker.sources.files.packets import (
    declared_frames,
    decoded_frames,
    is_cut_short,
    is_shown,
    open_video,
    read_packets,
)


def numbers(path: Path) -> list[int]:
    """The numbers that the decoded frames' grey levels stand for."""
    with open_video(str(path)) as video:
        frames = decoded_frames(
            video, read_packets(video, str(path)), RankNumbering(first_index=0, first_stamp=None)
        )
        greys = [int(frame.to_ndarray(format="rgb24")[20, 20, 0]) for frame in frames]
    return [(grey - level(0) + 1) // 2 for grey in greys]


# --- opening ---


def test_a_name_with_a_colon_is_not_a_protocol(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "tcp:a.mp4", count=5)
    with open_video(str(path)) as video:
        assert (video.path, video.stream.type) == (path, "video")
    assert numbers(path) == [0, 1, 2, 3, 4]


def test_a_file_is_closed_after_its_use_and_after_an_error(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", count=5)
    with pytest.raises(ZeroDivisionError), open_video(str(path)) as video:
        raise ZeroDivisionError
    with pytest.raises(AssertionError, match="not open"):
        next(video.container.demux(video.stream))


def box(kind: bytes, content: bytes, *, wide: bool = False) -> bytes:
    """A box of ISO/IEC 14496-12, sec. 4.2, with a size of 32 or 64 bits."""
    if wide:
        return struct.pack(">I4sQ", 1, kind, 16 + len(content)) + content
    return struct.pack(">I4s", 8 + len(content), kind) + content


START = box(b"ftyp", b"isom\0\0\2\0isomiso2")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (START + box(b"mdat", bytes(5000)), r"cut off: its index \(moov box\) is missing"),
        (START + box(b"mdat", bytes(5000), wide=True), "cut off"),
        (START + box(b"mdat", bytes(5000))[:3000], "cut off"),
        (START + struct.pack(">I4s", 0, b"mdat") + bytes(5000), "cut off"),
        (START + struct.pack(">I4s", 3, b"mdat") + bytes(5000), "cut off"),
        (
            START + box(b"mdat", bytes(90), wide=True) + box(b"moov", bytes(40)),
            "an empty container",
        ),
        (b"frame 1: a person\n" * 300, "expected a video, got text; name a video file"),
        (bytes(range(256)) * 40, r"not a video that FFmpeg can read \(.*\); check that it plays"),
        (b"", "0 bytes"),
    ],
)
def test_files_that_are_not_videos_are_refused(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=message) as caught, open_video(str(path)):
        pass
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_files_that_are_not_checkpoints(tmp_path: Path) -> None:
    write_with_sound(tmp_path / "sound.mp4", frames=0)
    for name, message in (
        ("none.mp4", "does not exist"),
        ("", "directory"),
        ("sound.mp4", "video"),
    ):
        with pytest.raises(SourceError, match=message), open_video(str(tmp_path / name)):
            pass


# --- reading ---


def test_packets_are_those_of_the_frames(tmp_path: Path) -> None:
    path = write_with_sound(tmp_path / "a.mp4", frames=12)
    with open_video(str(path)) as video:
        packets = list(read_packets(video, "a.mp4"))
    assert len(packets) == 12
    assert all(packet.size > 0 for packet in packets)
    assert numbers(path) == list(range(12))


def test_damage_loses_frames_but_not_the_rest(tmp_path: Path) -> None:
    """Noise over 2 % of a transport stream, whose keyframes are 12 frames apart."""
    whole = write_clip(tmp_path / "a.ts", count=100)
    found = numbers(damage(whole, tmp_path / "b.ts", at=0.5, length=whole.stat().st_size // 50))
    assert set(range(30)) | set(range(80, 100)) <= set(found)


def test_a_file_that_is_cut_off_keeps_its_whole_frames(tmp_path: Path) -> None:
    """Cut in the middle of its packet 30; the index, which comes first, names all 50 frames."""
    whole = write_clip(tmp_path / "a.mp4", faststart=True)
    with open_video(str(whole)) as video:
        packet = list(read_packets(video, "a.mp4"))[30]
        end = packet.pos + packet.size // 2
    path = tmp_path / "b.mp4"
    path.write_bytes(whole.read_bytes()[:end])
    with open_video(str(path)) as video:
        marks = [is_cut_short(packet) for packet in read_packets(video, "b.mp4")]
        assert declared_frames(video) == 50
    assert marks == [False] * 30 + [True]
    assert numbers(path) == list(range(30))  # packet 30 is frame 32, which 30 and 31 refer to


def test_marked_packets_of_joined_recordings_are_decoded(tmp_path: Path) -> None:
    """A transport stream cut within a packet and joined to another: no packet is left out."""
    first, second = (write_clip(tmp_path / f"{n}.ts", count=24) for n in range(2))
    head = first.read_bytes()
    path = tmp_path / "joined.ts"
    path.write_bytes(head[: len(head) * 2 // 3 // 188 * 188] + second.read_bytes())
    with open_video(str(path)) as video:
        packets = list(read_packets(video, "joined.ts"))
        assert any(packet.is_corrupt for packet in packets)
        assert not any(is_cut_short(packet) for packet in packets)
    assert numbers(path)[-24:] == list(range(24))


# --- what is shown ---


def test_hidden_frames_of_vp8_are_not_shown(tmp_path: Path) -> None:
    """Bit 4 of the frame tag says whether a frame is shown (RFC 6386, sec. 9.1)."""
    path, hidden = write_clip(tmp_path / "a.webm", count=6, codec="libvpx"), tmp_path / "b.webm"
    with av.open(str(path)) as source, av.open(str(hidden), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for index, packet in enumerate(source.demux(video=0)):
            if packet.size:
                data = bytearray(packet)
                data[0] = data[0] & ~0x10 if index in {1, 4} else data[0]
                changed = av.Packet(bytes(data))
                changed.pts, changed.dts = packet.pts, packet.dts
                changed.time_base, changed.is_keyframe = packet.time_base, packet.is_keyframe
                changed.stream = stream
                out.mux(changed)
    with open_video(str(hidden)) as video:
        shown = [is_shown(packet) for packet in read_packets(video, "b.webm")]
    assert shown == [True, False, True, True, False, True]


def test_every_packet_of_h264_is_shown(tmp_path: Path) -> None:
    with open_video(str(write_clip(tmp_path / "a.mp4", count=30))) as video:
        assert [is_shown(packet) for packet in read_packets(video, "a.mp4")] == [True] * 30


@pytest.mark.parametrize(
    ("name", "expected"), [("a.mp4", 30), ("a.avi", None), ("a.ts", None), ("a.mkv", None)]
)
def test_frames_that_a_container_declares(tmp_path: Path, name: str, expected: int | None) -> None:
    path = tmp_path / name
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(30):
            frame = grey_frame(level(index), (64, 48))
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with open_video(str(path)) as video:
        assert declared_frames(video) == expected
