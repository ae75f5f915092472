"""How well the segmenter of people cuts them out, and what a frame costs.

    python benchmarks/person_masks.py --labels instances_val2017.json --images val2017
    python benchmarks/person_masks.py --people 1 3 6 --size 640x480

The first compares with COCO's instance masks, person by person, in the true box enlarged by 15 %:
the intersection over union of pixels, where pixels of other people count as neither. Persons below
48 x 16 pixels and crowds are left out. `--selfie FILE.tflite` adds MediaPipe's selfie segmentation
on the whole image, as it is meant to be used, and on the boxes.

The second gives the time of a frame with blurred background: segmentation and blending, median of
100 frames; "CPU ms" is the time of all threads.

Prints markdown tables.
"""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tracker.detections import Detections
from tracker.embedding.crops import cut_crops
from tracker.inference.litert import open_interpreter
from tracker.pipeline.single import Pipeline
from tracker.segmentation.crop_segmenter import MARGIN, CropSegmenter
from tracker.segmentation.settings import SegmenterSettings
from tracker.sinks.background import Backdrop
from tracker.sinks.background_style import BackgroundStyle
from tracker.testing import ScriptedDetector, ScriptedSource
from tracker.tracking.deepsort import DeepSort
from tracker.tracking.settings import DeepSortSettings
from tracker.training.datasets import read_image
from tracker.training.segmenter.coco import rasterised
from tracker.util.arrays import BoolArray, Float32Array, UInt8Array
from tracker.util.opencv import cv2

Method = Callable[[UInt8Array, Float32Array], BoolArray]
"""Returns `(H, W)` bool of an image and a box `(4,)`: the person's pixels in it."""


@dataclass(frozen=True)
class Person:
    """A person of a COCO file."""

    image: UInt8Array
    box: Float32Array
    own: BoolArray
    others: BoolArray


def people(labels: Path, images: Path, skipped: set[int]) -> Iterator[Person]:
    """Yields the persons; `skipped` are ids of annotations that are left out."""
    record = json.loads(labels.read_bytes())
    person = next(c["id"] for c in record["categories"] if c["name"] == "person")
    by_image = defaultdict(list)
    for note in record["annotations"]:
        if note["category_id"] == person:
            by_image[note["image_id"]].append(note)
    for listed in record["images"]:
        notes = by_image[listed["id"]]
        if not notes:
            continue
        image, size = read_image(images / listed["file_name"]), (listed["height"], listed["width"])
        masks = [rasterised(note["segmentation"], size) > 0 for note in notes]
        for index, note in enumerate(notes):
            x, y, width, height = note["bbox"]
            if note["iscrowd"] or height < 48 or width < 16 or note["id"] in skipped:
                continue
            rest = [mask for other, mask in enumerate(masks) if other != index]
            others = np.logical_or.reduce([np.zeros(size, bool), *rest])
            box = np.array([x, y, x + width, y + height], np.float32)
            yield Person(image, box, masks[index], others & ~masks[index])


def enlarged(box: Float32Array, size: tuple[int, ...]) -> tuple[slice, slice]:
    grown = box + MARGIN * np.tile(box[2:] - box[:2], 2) * [-1, -1, 1, 1]
    x1, y1, x2, y2 = np.clip(np.rint(grown), 0, [size[1], size[0]] * 2).astype(int).tolist()
    return slice(y1, y2), slice(x1, x2)


def iou(found: BoolArray, person: Person) -> float:
    area = enlarged(person.box, person.own.shape)
    counted = ~person.others[area]
    found, own = found[area] & counted, person.own[area]
    return float((found & own).sum() / max(1, (found | own).sum()))


def builtin(threads: int) -> Method:
    segmenter = CropSegmenter.load_builtin(SegmenterSettings(threads=threads))
    return lambda image, box: segmenter.opacity(image, box[None]) > 127


def selfie(path: Path, *, on_box: bool) -> Method:
    interpreter = open_interpreter(path.read_bytes(), threads=1, advice="")
    height, width = interpreter.get_input_details()[0]["shape"][1:3]

    def found(image: UInt8Array, box: Float32Array) -> BoolArray:
        rows, columns = enlarged(box, image.shape) if on_box else (slice(None), slice(None))
        part = np.ascontiguousarray(image[rows, columns])
        whole = np.array([[0, 0, part.shape[1], part.shape[0]]], np.float32)
        crop = cut_crops(part, whole, height=height, width=width)
        interpreter.set_tensor(
            interpreter.get_input_details()[0]["index"], crop.astype(np.float32) / 255
        )
        interpreter.invoke()
        share = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0, ..., 0]
        result = np.zeros(image.shape[:2], bool)
        result[rows, columns] = cv2.resize(share, part.shape[1::-1]) > 0.5
        return result

    return found


def print_accuracy(arguments: argparse.Namespace) -> None:
    methods = {"built-in": builtin(arguments.threads)}
    if arguments.selfie is not None:
        methods["selfie, whole image"] = selfie(arguments.selfie, on_box=False)
        methods["selfie, box"] = selfie(arguments.selfie, on_box=True)
    shown = list(people(arguments.labels, arguments.images, set(arguments.skip)))
    print(f"| {len(shown)} people | mean IoU | median | above 0.7 | standing | others |")
    print("|---|---|---|---|---|---|")
    boxes = np.array([person.box for person in shown])
    standing = (boxes[:, 2] - boxes[:, 0]) < 0.6 * (boxes[:, 3] - boxes[:, 1])
    for name, method in methods.items():
        scores = np.array([iou(method(person.image, person.box), person) for person in shown])
        cells = [scores.mean(), np.median(scores), (scores > 0.7).mean()]
        cells += [scores[standing].mean(), scores[~standing].mean()]
        print(f"| {name} | {' | '.join(f'{100 * cell:.1f}' for cell in cells)} |")


def print_times(arguments: argparse.Namespace) -> None:
    width, height = map(int, arguments.size.split("x"))
    print("| people | ms | CPU ms |\n|---|---|---|")
    for count in arguments.people:
        wall, processor = times(count, width, height, arguments.threads)
        print(f"| {count} | {wall:.1f} | {processor:.1f} |")


def times(count: int, width: int, height: int, threads: int) -> tuple[float, float]:
    """Returns milliseconds of a frame with so many people side by side."""
    lefts = np.linspace(0, width - width // 8, count)
    boxes = [[left, 0.2 * height, left + width // 9, 0.9 * height] for left in lefts]
    found = Detections.create(boxes, np.ones(count))
    settings = DeepSortSettings(duplicate_iou=None)
    pipeline = Pipeline(detector=ScriptedDetector([found] * 110), tracker=DeepSort(settings))
    source = ScriptedSource(110, size=(height, width))
    segmenter = CropSegmenter.load_builtin(SegmenterSettings(threads=threads))
    backdrop = Backdrop(segmenter, BackgroundStyle())
    spent: list[Any] = []
    for result in pipeline.run(source):
        assert result.frame.index < 5 or len(result.tracks) == count
        start, before = time.perf_counter(), time.process_time()
        backdrop.changed(result)
        spent.append((time.perf_counter() - start, time.process_time() - before))
    wall, processor = 1000 * np.median(np.array(spent[10:]), axis=0)
    return float(wall), float(processor)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--labels", type=Path, help="COCO JSON with instances")
    parser.add_argument("--images", type=Path, help="folder of its images")
    parser.add_argument(
        "--skip", type=int, nargs="*", default=[], help="annotation ids to leave out"
    )
    parser.add_argument("--selfie", type=Path, help="selfie_segmentation.tflite")
    parser.add_argument("--people", type=int, nargs="*", default=[1, 3, 6, 16])
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.labels is not None:
        print_accuracy(arguments)
    else:
        print_times(arguments)


if __name__ == "__main__":
    main()
