"""RGB as BT.709 YUV 4:2:0 in limited range, beside swscale and values computed by hand."""

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace

from tracker.sinks.yuv import YuvConverter


def flat(color: tuple[int, int, int], shape: tuple[int, int] = (4, 6)) -> np.ndarray:
    return np.full((*shape, 3), color, np.uint8)


@pytest.mark.parametrize(
    ("color", "expected"),
    [
        ((0, 0, 0), (16, 128, 128)),
        ((255, 255, 255), (235, 128, 128)),
        # Y = 16 + 219 * 0.2126 = 62.6; Cb = 128 - 224 * 0.2126 / 1.8556 = 102.3; Cr = 128 + 112.
        ((255, 0, 0), (63, 102, 240)),
        # Y = 16 + 219 * 0.7152 = 172.6; Cb = 128 - 224 * 0.7152 / 1.8556 = 41.7;
        # Cr = 128 - 224 * 0.7152 / 1.5748 = 26.3.
        ((0, 255, 0), (173, 42, 26)),
        # Y = 16 + 219 * 0.0722 = 31.8; Cb = 128 + 112; Cr = 128 - 224 * 0.0722 / 1.5748 = 117.7.
        ((0, 0, 255), (32, 240, 118)),
    ],
)
def test_colours_are_those_of_bt709(
    color: tuple[int, int, int], expected: tuple[int, int, int]
) -> None:
    frame = YuvConverter((4, 6, 3), reuse=True).frame(flat(color))
    planes = frame.to_ndarray().reshape(-1)
    assert set(planes[:24].tolist()) == {expected[0]}
    assert set(planes[24:30].tolist()) == {expected[1]}
    assert set(planes[30:].tolist()) == {expected[2]}


@pytest.mark.parametrize("size", [(48, 64), (47, 63), (122, 6), (242, 130), (1, 1)])
def test_planes_are_those_of_swscale(size: tuple[int, int]) -> None:
    rows, columns = np.mgrid[: size[0], : size[1]]
    image = np.stack([rows * 255 // size[0], columns * 255 // size[1], 255 - rows * 255 // size[0]])
    image = np.ascontiguousarray(image.transpose(1, 2, 0)).astype(np.uint8)
    found = YuvConverter(image.shape, reuse=False).frame(image)
    odd = ((0, size[0] % 2), (0, size[1] % 2), (0, 0))
    expected = av.VideoFrame.from_ndarray(np.pad(image, odd, mode="edge"), format="rgb24").reformat(
        format="yuv420p",
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.MPEG,
        dst_colorspace=Colorspace.ITU709,
    )
    assert (found.width, found.height) == (size[1] + size[1] % 2, size[0] + size[0] % 2)
    assert np.abs(found.to_ndarray().astype(int) - expected.to_ndarray()).max() <= 2


def test_colours_come_back_within_two_levels() -> None:
    colors = np.random.default_rng(0).integers(0, 256, (30, 3))
    image = np.repeat(np.repeat(colors[None].astype(np.uint8), 8, 0), 8, 1)
    planes = YuvConverter(image.shape, reuse=True).frame(image).to_ndarray().astype(float)
    luma = (planes[4, 4::8] - 16) / 219
    blue, red = ((planes[8:].reshape(2, -1)[:, 2:120:4] - 128) / 224).tolist()
    # ITU-R BT.709, 3.3: the differences of colour, solved for red, green and blue.
    r, b = luma + 1.5748 * np.array(red), luma + 1.8556 * np.array(blue)
    g = (luma - 0.2126 * r - 0.0722 * b) / 0.7152
    assert np.abs(255 * np.stack([r, g, b], axis=1) - colors).max() <= 2


def test_a_frame_is_written_over_where_that_is_allowed() -> None:
    converter = YuvConverter((4, 6, 3), reuse=True)
    assert converter.frame(flat((0, 0, 0))) is converter.frame(flat((9, 9, 9)))
    converter = YuvConverter((4, 6, 3), reuse=False)
    first = converter.frame(flat((0, 0, 0)))
    converter.frame(flat((255, 255, 255)))
    assert first.to_ndarray()[:4].max() == 16
