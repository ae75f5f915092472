"""Instance masks as run lengths, in COCO's format."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.boxes import is_proper
from tracker.errors import DataError
from tracker.util.arrays import BoolArray, Float32Array, Int64Array, UInt8Array, frozen
from tracker.util.short_repr import short_repr

# COCO's text (`rleToString` of its maskApi.c): five bits a character, the low ones first, bit 0x20
# says that more follow; all of it shifted into printable characters.
_BITS = 5
_MORE = 0x20
_SIGN = 0x10
_FIRST = ord("0")
# 35 bits hold any run of an image whose number of pixels fits into int32.
_LONGEST = 7
_MOST_PIXELS = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Mask:
    """The pixels of one object in a frame, in COCO's compressed run-length encoding.

    Runs count pixels in column-major order, alternately outside and inside the object; the first
    one is outside and may be 0, all others are positive. Masks of the same pixels are equal. A
    mask may be empty.

    Attributes:
        size: Height and width of the frame in pixels, in COCO's order.
        counts: The runs as COCO's text.

    Raises:
        DataError: The size is not positive, or the text is malformed or does not count exactly the
            pixels of the frame.

    Example:
        >>> mask = encode_mask(np.array([[0, 1], [0, 1], [1, 0]], bool))
        >>> mask.size, mask.counts, mask_runs(mask).tolist()
        ((3, 2), '231', [2, 3, 1])
    """

    size: tuple[int, int]
    counts: str

    def __post_init__(self) -> None:
        _check_size(self.size)
        height, width = self.size
        runs = _decode_runs(self.counts)
        if (runs[1:] < 1).any() or runs[0] < 0:
            raise DataError(
                f"Mask.counts: expected positive runs after the first, got {runs.min()}"
            )
        if int(runs.sum()) != height * width:
            raise DataError(
                f"Mask.counts: expected runs over {height} x {width} = {height * width} pixels, "
                f"got {runs.sum()}"
            )

    @property
    def is_empty(self) -> bool:
        """Whether no pixel belongs to the object."""
        # An empty mask is one run of at most so many characters; most masks need no decoding.
        return len(self.counts) <= _LONGEST and len(_decode_runs(self.counts)) == 1


def mask_runs(mask: Mask) -> Int64Array:
    """Returns `(R,)` int64, the length of each run: outside, inside, outside, ..."""
    return _decode_runs(mask.counts)


def mask_area(mask: Mask) -> int:
    """Returns the number of pixels of the object."""
    return int(_decode_runs(mask.counts)[1::2].sum())


def empty_mask(size: tuple[int, int]) -> Mask:
    """Returns the empty mask of a frame with this height and width.

    Raises:
        DataError: The size is not positive.
    """
    _check_size(size)
    return Mask(size, _encode_runs(np.array([size[0] * size[1]])))


def encode_mask(pixels: BoolArray) -> Mask:
    """Returns the mask of `(H, W)` bool pixels, true inside the object.

    Raises:
        DataError: The pixels are not bool, not two-dimensional, or there are none.
    """
    pixels = frozen(pixels, dtype="bool", shape=(None, None), name="pixels of a mask")
    height, width = pixels.shape
    _check_size((height, width))
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    if not len(rows):
        return empty_mask((height, width))
    top, left = int(rows[0]), int(columns[0])
    crop = pixels[top : rows[-1] + 1, left : columns[-1] + 1]
    return _place(crop.T, left=left, top=top, size=(height, width))


def decode_mask(mask: Mask) -> BoolArray:
    """Returns `(H, W)` bool, true inside the object."""
    height, width = mask.size
    runs = _decode_runs(mask.counts)
    return np.ascontiguousarray(_alternating(runs).reshape(width, height).T)


def resized_mask(mask: Mask, size: tuple[int, int]) -> Mask:
    """Returns the mask resized to another height and width, by nearest-neighbour sampling.

    Raises:
        DataError: The size is not positive.
    """
    _check_size(size)
    if size == mask.size:
        return mask
    rows, columns = (
        ((np.arange(new) + 0.5) * (old / new)).astype(np.intp)
        for new, old in zip(size, mask.size, strict=True)
    )
    return encode_mask(decode_mask(mask)[np.ix_(rows, columns)])


def crop_mask(mask: Mask) -> tuple[int, int, BoolArray]:
    """Returns the smallest rectangle around the object: left, top and its `(h, w)` bool pixels.

    An empty mask has left 0, top 0 and pixels `(0, 0)`. Time and memory follow the width of the
    object, not the size of the frame.
    """
    height = mask.size[0]
    runs = _decode_runs(mask.counts)
    edges = np.cumsum(runs)
    starts, ends = edges[0:-1:2], edges[1::2]
    if not len(ends):
        return 0, 0, np.zeros((0, 0), np.bool_)
    left, right = int(starts[0]) // height, (int(ends[-1]) - 1) // height + 1
    is_tall = ends - starts // height * height > height  # continues at the top of the next column
    top, bottom = 0, height
    if not is_tall.any():
        top, bottom = int((starts % height).min()), int(((ends - 1) % height).max()) + 1
    inner = runs[: 2 * len(ends)].copy()
    inner[0] -= left * height
    flat = np.zeros((right - left) * height, np.bool_)
    turns = _alternating(inner)
    flat[: len(turns)] = turns
    return left, top, flat.reshape(right - left, height)[:, top:bottom].T


def moved_mask(mask: Mask, *, left: int, top: int, size: tuple[int, int]) -> Mask:
    """Returns the mask of a tile as a mask of the frame that the tile was cut from.

    Args:
        mask: The mask of the tile.
        left: First column of the tile in the frame.
        top: First row of the tile in the frame.
        size: Height and width of the frame, which holds the tile.
    """
    x, y, pixels = crop_mask(mask)
    if not pixels.size:
        return empty_mask(size)
    return _place(pixels.T, left=left + x, top=top + y, size=size)


def united_mask(masks: Sequence[Mask]) -> Mask:
    """Returns the mask of all pixels of one or more masks of one frame size."""
    if len(masks) == 1:
        return masks[0]
    return encode_mask(np.logical_or.reduce([decode_mask(mask) for mask in masks]))


def paste_masks(
    masks: Float32Array,
    boxes: Float32Array,
    *,
    frame_size: tuple[int, int],
    threshold: float = 0.5,
) -> tuple[Mask, ...]:
    """Returns masks of the frame from box-relative masks, as Mask R-CNN gives them.

    A mask covers its box, with half-pixel centres: each value belongs to the centre of its cell.
    The centres of the pixels in the box are sampled by bilinear interpolation, with border values
    replicated, so that a full mask fills its box to the corners. Pixels outside the box and
    outside the frame are never set.

    Args:
        masks: `(N, h, w)` float32, usually probabilities.
        boxes: `(N, 4)` float32 xyxy in pixels of the frame; they may extend beyond it.
        frame_size: Width and height of the frame in pixels.
        threshold: Pixels with this value or more belong to the object.

    Raises:
        DataError: A shape or dtype differs, a value is not finite, or a box has no area.
    """
    masks = frozen(masks, dtype="float32", shape=(None, None, None), name="masks")
    boxes = frozen(boxes, dtype="float32", shape=(len(masks), 4), name="boxes of masks")
    width, height = frame_size
    _check_size((height, width))
    if 0 in masks.shape[1:]:
        raise DataError(f"masks: expected a height and width of 1 or more, got {masks.shape}")
    if not np.isfinite(masks).all():
        raise DataError("masks: expected finite values, got NaN or infinity")
    if not is_proper(boxes).all():
        raise DataError(
            "boxes of masks: expected finite xyxy boxes with x2 > x1 and y2 > y1, got "
            f"{boxes[~is_proper(boxes)][0].tolist()}"
        )
    # Pixel n has its centre at n + 0.5, and is in a box where that is in [first, last).
    limits = np.array([width, height, width, height])
    spans = np.clip(np.ceil(boxes.astype(np.float64) - 0.5), 0, limits).astype(int).tolist()
    pasted = []
    for values, box, (x1, y1, x2, y2) in zip(masks, boxes.tolist(), spans, strict=True):
        rows = _resampled(values, (box[1], box[3]), (y1, y2))
        columns = _resampled(np.ascontiguousarray(rows.T), (box[0], box[2]), (x1, x2))
        pasted.append(_place(columns >= threshold, left=x1, top=y1, size=(height, width)))
    return tuple(pasted)


def mask_to_coco(mask: Mask) -> dict[str, Any]:
    """Returns the mask as COCO's JSON object: `{"size": [height, width], "counts": text}`."""
    return {"size": list(mask.size), "counts": mask.counts}


def mask_from_coco(record: object) -> Mask:
    """Returns the mask of a COCO JSON object with compressed counts.

    Raises:
        DataError: It is not such an object.
    """
    if not isinstance(record, Mapping) or set(record) != {"size", "counts"}:
        raise DataError(f"expected an object with 'size' and 'counts', got {short_repr(record)!r}")
    size = record["size"]
    if not isinstance(size, list | tuple) or len(size) != 2:
        raise DataError(f"'size': expected [height, width], got {short_repr(size)}")
    return Mask((size[0], size[1]), record["counts"])


def masks_from_coco(segmentations: Sequence[object]) -> list[Mask] | None:
    """Returns the masks of the `segmentation` values of COCO records of one image.

    Compressed run lengths are decoded, as text or as pycocotools' bytes. Anything else, such as a
    polygon, becomes an empty mask.

    Returns:
        One mask for each value; `None` where no value is a run-length encoding.

    Raises:
        DataError: The text is malformed.
    """
    masks: list[Mask | None] = []
    for encoding in segmentations:
        record = dict(encoding) if isinstance(encoding, Mapping) else {}
        if isinstance(record.get("counts"), bytes):
            record["counts"] = record["counts"].decode("ascii", "replace")
        is_compressed = isinstance(record.get("counts"), str)
        masks.append(mask_from_coco(record) if is_compressed else None)
    sizes = [mask.size for mask in masks if mask is not None]
    return [mask or empty_mask(sizes[0]) for mask in masks] if sizes else None


def _check_size(size: tuple[int, int]) -> None:
    whole = len(size) == 2 and all(
        isinstance(length, int) and not isinstance(length, bool) and length >= 1 for length in size
    )
    if not whole or size[0] * size[1] > _MOST_PIXELS:
        raise DataError(
            f"Mask.size: expected a positive height and width of at most {_MOST_PIXELS} pixels "
            f"together, got {short_repr(size)}"
        )


def _alternating(runs: Int64Array) -> BoolArray:
    """Returns one value for each pixel of the runs: false, true, false, ..."""
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs)


def _resampled(
    values: Float32Array, box: tuple[float, float], span: tuple[int, int]
) -> Float32Array:
    """Returns `(n, ...)` float32: rows `(count, ...)` that cover a box, resampled at pixel centres.

    Args:
        values: The rows, at least one.
        box: Where the first row begins and the last one ends, in pixels.
        span: The first pixel, and the one after the last.
    """
    # Not a matrix product: BLAS runs it in several threads, which took 11 ms instead of 0.3 ms on
    # a busy machine.
    start, end = box
    place = (np.arange(*span) + (0.5 - start)) * (len(values) / (end - start)) - 0.5
    place = np.clip(place, 0, len(values) - 1)
    low = place.astype(np.intp)
    high = np.minimum(low + 1, len(values) - 1)
    share = (place - low).astype(np.float32)[:, None]
    result: Float32Array = values[low]
    result += (values[high] - result) * share
    return result


def _place(columns: BoolArray, *, left: int, top: int, size: tuple[int, int]) -> Mask:
    """Returns the mask of a frame that is false outside a rectangle.

    Args:
        columns: `(w, h)` bool, the pixels of the rectangle column by column.
        left: First column of the rectangle in the frame.
        top: First row of the rectangle in the frame.
        size: Height and width of the frame.
    """
    height, width = size
    count, length = columns.shape
    # Padded with a false row above and below, so that every run ends within its column.
    padded = np.zeros((count, length + 2), np.bool_)
    padded[:, 1:-1] = columns
    turns = np.flatnonzero(padded[:, 1:] != padded[:, :-1])
    column, row = np.divmod(turns, length + 1)
    edges = (column + left) * height + row + top
    # A run that ends at the bottom of the frame and one at the top of the next column are one.
    meets = np.flatnonzero(edges[1:-1:2] == edges[2::2])
    edges = np.delete(edges, np.concatenate([2 * meets + 1, 2 * meets + 2]))
    runs = np.diff(edges, prepend=0, append=height * width)
    if len(runs) > 1 and runs[-1] == 0:
        runs = runs[:-1]
    return Mask(size, _encode_runs(runs))


def _encode_runs(runs: NDArray[np.integer[Any]]) -> str:
    """Returns COCO's text; from the fourth run on, differences from the run two before."""
    values = runs.astype(np.int64)
    values[3:] -= runs[1:-2]
    characters = np.zeros((len(values), _LONGEST), np.uint8)
    is_used = np.zeros(characters.shape, np.bool_)
    more = np.ones(len(values), np.bool_)
    for place in range(_LONGEST):
        digit = values & (_MORE - 1)
        values >>= _BITS
        is_used[:, place] = more
        continues = values != np.where(digit & _SIGN, -1, 0)
        characters[:, place] = digit + np.where(continues, _MORE, 0) + _FIRST
        more = more & continues
        if not more.any():
            break
    return characters[is_used].tobytes().decode("ascii")


def _decode_runs(text: str) -> Int64Array:
    """Returns `(R,)` int64 run lengths, at least one; their values are not validated."""
    digits = _digits(text)
    is_last = digits < _MORE
    lasts = np.flatnonzero(is_last)
    if not len(lasts) or lasts[-1] != len(digits) - 1:
        raise DataError(
            f"Mask.counts: expected complete numbers in COCO's text, got {text[-20:]!r}"
        )
    firsts = np.concatenate([[0], lasts[:-1] + 1])
    lengths = lasts - firsts + 1
    if lengths.max() > _LONGEST:
        raise DataError(
            f"Mask.counts: expected numbers of at most {_LONGEST} characters, got "
            f"{lengths.max()} in {text[:20]!r}"
        )
    place = np.arange(len(digits)) - np.repeat(firsts, lengths)
    parts = (digits & (_MORE - 1)).astype(np.int64) << (_BITS * place)
    values = np.add.reduceat(parts, firsts)
    is_negative = (digits[lasts] & _SIGN) > 0
    values[is_negative] -= np.int64(1) << (_BITS * lengths[is_negative])
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values


def _digits(text: object) -> UInt8Array:
    """Returns `(n,)` uint8 of six bits each."""
    if not isinstance(text, str):
        raise DataError(
            f"Mask.counts: expected COCO's compressed text, got {type(text).__name__}; a list of "
            "counts has to be compressed first"
        )
    content = text.encode("utf-8", "replace")
    digits = np.frombuffer(content, np.uint8) - _FIRST  # characters below "0" wrap to large values
    if (digits >= 2 * _MORE).any():
        raise DataError(f"Mask.counts: expected characters from '0' to 'o', got {text[:40]!r}")
    return digits
