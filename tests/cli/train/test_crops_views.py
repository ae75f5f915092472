"""`tracker train crops --views`: augmented views of crops, with their embeddings by teachers."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from tracker.cli.main import main
from tracker.cli.train.crops import CropRequest, OpenedAppearance, cut_crops_for
from tracker.errors import ConfigError, SourceError
from tracker.training.crops.crop_folder import holds_views, read_crop_folder
from tracker.training.crops.cut import CropSettings
from tracker.training.crops.views import ViewSettings
from tracker.training.labels.appearance_teachers import describe_both_ways
from tracker.training.reid.taught_crops import read_training_crops, split_crops
from tracker.util.opencv import cv2

RED, GREEN, BLUE = (200, 20, 20), (20, 200, 20), (20, 20, 200)


class Halves:
    """A teacher whose embedding is the mean colour of the upper half and that of the lower half."""

    size = (8, 4)

    def __init__(self, name="halves", *, stop_at_call=None):
        self.name = name
        self._stop_at_call = stop_at_call
        self.calls = 0
        self.asked = 0

    def describe(self, crops):
        assert crops.shape[1:] == (8, 4, 3)
        self.calls += 1
        if self.calls == self._stop_at_call:
            raise KeyboardInterrupt
        self.asked += len(crops)
        return crops.reshape(len(crops), 2, -1, 3).mean(axis=2).reshape(len(crops), 6)


@pytest.fixture
def data(tmp_path):
    """An image with a red and a green person, and one with a blue car."""
    folder = tmp_path / "set"
    (folder / "images").mkdir(parents=True)
    (folder / "labels").mkdir()
    image = np.full((100, 100, 3), 128, np.uint8)
    image[20:80, 10:30], image[20:80, 60:80] = RED, GREEN
    cv2.imwrite(str(folder / "images" / "a.png"), image[..., ::-1])
    (folder / "labels" / "a.txt").write_text("0 0.2 0.5 0.2 0.6\n0 0.7 0.5 0.2 0.6\n")
    car = np.full((100, 100, 3), 128, np.uint8)
    car[60:100, 0:60] = BLUE
    cv2.imwrite(str(folder / "images" / "b.png"), car[..., ::-1])
    (folder / "labels" / "b.txt").write_text("1 0.3 0.8 0.6 0.4\n")
    (folder / "data.yaml").write_text("train: images\nnames: [person, car]\n")
    return folder / "data.yaml"


def crop(out, *teachers, views=4, **request):
    opened = [OpenedAppearance(teacher, "1") for teacher in teachers]
    settings = views if isinstance(views, ViewSettings) else ViewSettings(views)
    return cut_crops_for(CropRequest(out=out, progress=False, views=settings, **request), opened)


def table(out):
    return list(csv.DictReader((out / "crops.csv").read_text().splitlines()))


def files(out):
    """Returns the content of a folder, without the times in `.npz` files."""
    kept = [path for path in out.rglob("*") if path.is_file() and path.suffix != ".npz"]
    return {str(path.relative_to(out)): path.read_bytes() for path in kept}


def test_training_reads_views(data, tmp_path, capsys):
    out, teacher = tmp_path / "out", Halves()
    assert crop(out, teacher, data=data) == 12
    assert capsys.readouterr().out == "3 crops of 3 objects: 2 person, 1 car; 12 views\n"
    assert teacher.asked == 24  # each view and its mirror image, and no crop
    assert (out / "crops" / "a-0.png").is_file()
    taught = read_crop_folder(out)
    assert taught.crops.crops.shape == (12, 128, 64, 3)
    assert taught.crops.margin == 0
    assert sorted(taught.class_names) == ["car"] * 4 + ["person"] * 8
    # Each embedding belongs to its view.
    for image, vector in zip(taught.crops.crops, taught.vectors["halves"], strict=True):
        np.testing.assert_allclose(describe_both_ways(Halves(), [image])[0], vector, atol=1e-6)
    read = read_training_crops(out, dimension=4)
    assert read.targets.shape == (12, 4)
    rows = table(out)
    assert [row["file"] for row in rows] == [f"view-{n:06d}.png" for n in range(12)]
    assert {row["source"].rsplit("/", 1)[-1] for row in rows} == {"a.png", "b.png"}
    record = json.loads((out / "crops.json").read_text())
    assert record["views"] == {
        "count": 4, "shift": 0.08, "flip": 0.5, "mixed": 0.35, "cover": 0.3, "seed": 0
    }  # fmt: skip
    assert (record["margin"], record["margin_of_viewed"], record["size"]) == (0, 0.125, [128, 64])


def test_mixed_views_are_separate_groups(data, tmp_path):
    out = tmp_path / "out"
    always = ViewSettings(4, shift=0, mixed=1, cover=0)
    crop(out, Halves(), data=data, views=always)
    rows, images = table(out), read_crop_folder(out).crops.crops
    groups = {"person": set(), "car": set()}
    for row, image in zip(rows, images, strict=True):
        groups[row["class"]].add(row["group"])
        head, feet = image[10, 32].tolist(), image[-10, 32].tolist()
        if row["class"] == "car":
            assert head == feet == list(BLUE)
        else:
            assert {tuple(head), tuple(feet)} == {RED, GREEN}
            assert row["group"] == row["file"].removesuffix(".png")
    assert (len(groups["person"]), groups["car"]) == (8, {"b-0"})
    crop(tmp_path / "never", Halves(), data=data, views=ViewSettings(4, mixed=0))
    assert {row["group"] for row in table(tmp_path / "never")} == {"a-0", "a-1", "b-0"}
    train, held = split_crops(read_training_crops(out, dimension=4), share=0.3, seed=0)
    assert len(train) + len(held) == 12


@pytest.mark.slow
def test_interrupted_run_resumes_to_the_same_result(data, tmp_path):
    # 3 x 70 = 210 views are 96, 96 and 18.
    complete, stopped, teacher = tmp_path / "complete", tmp_path / "stopped", Halves(stop_at_call=2)
    crop(complete, Halves(), data=data, views=70)
    with pytest.raises(KeyboardInterrupt):
        crop(stopped, teacher, data=data, views=70)
    with pytest.raises(SourceError, match="was stopped"):
        read_crop_folder(stopped)
    assert teacher.asked == 192
    assert crop(stopped, teacher, data=data, views=70) == 210
    assert (teacher.calls, teacher.asked) == (4, 420)
    assert files(stopped) == files(complete)
    second = Halves("more")
    crop(stopped, teacher, second, data=data, views=70)
    assert (teacher.asked, second.asked) == (420, 420)
    assert read_crop_folder(stopped).vectors.keys() == {"halves", "more"}


def test_views_of_changed_labels_are_embedded_again(data, tmp_path):
    out, teacher = tmp_path / "out", Halves()
    crop(out, teacher, data=data)
    (data.parent / "labels" / "a.txt").write_text("0 0.7 0.5 0.2 0.6\n")
    assert crop(out, teacher, data=data) == 8
    assert teacher.asked == 24 + 16
    taught = read_crop_folder(out)
    for image, vector in zip(taught.crops.crops, taught.vectors["halves"], strict=True):
        np.testing.assert_allclose(describe_both_ways(Halves(), [image])[0], vector, atol=1e-6)


def test_other_views_are_not_mixed_in(data, tmp_path):
    out = tmp_path / "out"
    crop(out, Halves(), data=data)
    with pytest.raises(ConfigError, match=r"views: the crops in .* were begun with {'count': 4"):
        crop(out, Halves(), data=data, views=5)
    with pytest.raises(ConfigError, match=r"views: the crops in .*, got None"):
        crop(out, Halves(), data=data, views=0)
    with pytest.raises(ConfigError, match=r"margin_of_viewed: .* begun with 0\.125, got 0\.2"):
        crop(out, Halves(), data=data, settings=CropSettings(margin=0.2))
    crop(tmp_path / "plain", Halves(), data=data, views=0)
    with pytest.raises(ConfigError, match=r"views: the crops in .* were begun with None"):
        crop(tmp_path / "plain", Halves(), data=data)


def test_folder_of_an_earlier_release_is_resumed(data, tmp_path):
    out = tmp_path / "out"
    crop(out, Halves(), data=data, views=0)
    record = json.loads((out / "crops.json").read_text())
    assert record.pop("views") is None
    assert record.pop("margin_of_viewed") is None
    (out / "crops.json").write_text(json.dumps(record))
    teacher = Halves()
    assert crop(out, teacher, data=data, views=0) == 3
    assert teacher.asked == 0


@pytest.mark.parametrize(
    ("number", "message"),
    [("4", "--views: expected --teacher too, got none"), ("-1", "views.count: expected at least")],
)
def test_wrong_use_leaves_nothing(number, message, data, tmp_path, capsys):
    words = ["--data", str(data), "--out", str(tmp_path / "out"), "--views", number]
    with pytest.raises(SystemExit) as done:
        main(["train", "crops", *words])
    assert done.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_crop_record_says_whether_there_are_views(tmp_path: Path) -> None:
    assert not holds_views(tmp_path)
    (tmp_path / "crops.json").write_text('{"views": null}')
    assert not holds_views(tmp_path)
    (tmp_path / "crops.json").write_text('{"views": {"count": 4}}')
    assert holds_views(tmp_path)
    (tmp_path / "crops.json").write_text("[")
    assert not holds_views(tmp_path)
