"""`tracker train crops`: crops of labelled objects and tracks, with embeddings by teachers."""

import re
from pathlib import Path

import numpy as np
import pytest

from tests.cli import failure
from tests.openvino_files import write_means
from tracker.cli.main import main
from tracker.cli.train.crops import CropRequest, OpenedAppearance, cut_crops_for
from tracker.errors import ConfigError, DataError, SourceError
from tracker.training.crops.crop_folder import read_crop_folder
from tracker.training.crops.crop_sources import image_names
from tracker.training.crops.cut import CropSettings, cut, fit_for_crops
from tracker.training.crops.views import ViewSettings
from tracker.training.datasets import read_image
from tracker.training.labels.appearance_teachers import OpenVinoAppearance, describe_both_ways
from tracker.training.reid.data import CropSet
from tracker.training.reid.taught_crops import (
    agreement,
    measure_of,
    read_training_crops,
    split_crops,
    verdict,
)
from tracker.util.opencv import cv2

SHARED = Path(__file__).parents[4] / "shared" / "data"
RED, GREEN = (200, 20, 20), (20, 200, 20)


class MeanColours:
    """A teacher whose embedding is the mean colour of the left half and that of the right half."""

    size = (8, 4)

    def __init__(self, name="colours", *, stop_at=None):
        self.name = name
        self._stop_at = stop_at
        self.asked = 0

    def describe(self, crops):
        return np.stack([self._describe(crop) for crop in crops])

    def _describe(self, crop):
        assert crop.shape == (8, 4, 3)
        if self.asked == self._stop_at:
            self._stop_at = None
            raise KeyboardInterrupt
        self.asked += 1
        halves = [half.reshape(-1, 3).mean(axis=0) for half in (crop[:, :2], crop[:, 2:])]
        return np.concatenate(halves).astype(np.float32)


@pytest.fixture
def data(tmp_path):
    """Two images of 100x100: a red and a green person in the first, a red car in the second."""
    folder = tmp_path / "set"
    for part in ("images", "labels", "ignore"):
        (folder / part).mkdir(parents=True)
    image = np.full((100, 100, 3), 128, np.uint8)
    image[20:80, 10:30], image[20:80, 60:80] = RED, GREEN
    cv2.imwrite(str(folder / "images" / "a.png"), image[..., ::-1])
    (folder / "labels" / "a.txt").write_text("0 0.2 0.5 0.2 0.6\n0 0.7 0.5 0.2 0.6\n")
    (folder / "ignore" / "a.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    car = np.full((100, 100, 3), 128, np.uint8)
    car[60:100, 0:60] = RED
    cv2.imwrite(str(folder / "images" / "b.png"), car[..., ::-1])
    # The last object is a person 10 pixels high, which is too small.
    (folder / "labels" / "b.txt").write_text("1 0.3 0.8 0.6 0.4\n0 0.9 0.1 0.1 0.1\n")
    file = folder / "data.yaml"
    file.write_text("train: images\nnames: [person, car]\n")
    return file


def crop(out, *teachers, digest="1", **request):
    opened = [OpenedAppearance(teacher, digest) for teacher in teachers]
    return cut_crops_for(CropRequest(out=out, progress=False, **request), opened)


def test_crop_has_a_margin_and_replicates_border_pixels():
    image = np.arange(100, dtype=np.uint8).reshape(10, 10)[..., None].repeat(3, axis=2)
    box = np.float32([4, 2, 8, 6])
    np.testing.assert_array_equal(cut(image, box, margin=0), image[2:6, 4:8])
    # A quarter of 4 pixels is 1 on each side.
    np.testing.assert_array_equal(cut(image, box, margin=0.25), image[1:7, 3:9])
    corner = cut(image, np.float32([0, 0, 4, 4]), margin=0.5)
    np.testing.assert_array_equal(corner[2:, 2:], image[:6, :6])
    np.testing.assert_array_equal(corner[:2, 2:], image[[0, 0], :6])
    assert CropSettings(margin=0.125).size == (160, 80)


def test_minimum_sizes_of_objects():
    boxes = np.float32([[0, 0, 20, 60], [0, 0, 7, 60], [0, 0, 20, 20], [0, 0, 67, 60],
                        [0, 0, 66, 60], [0, 0, 60, 14], [0, 0, 60, 13]])  # fmt: skip
    names = ("person", "person", "person", "person", "person", "car", "car")
    fit = fit_for_crops(boxes, names, CropSettings())
    assert fit.tolist() == [True, False, False, False, True, True, False]
    assert fit_for_crops(np.zeros((0, 4), np.float32), (), CropSettings()).tolist() == []


def test_embedding_is_the_mean_with_the_mirror_image():
    image = np.zeros((16, 8, 3), np.uint8)
    image[:, :4, 0] = 250  # the left half is red: (1, 0, 0, 0, 0, 0), mirrored (0, 0, 0, 1, 0, 0)
    other = np.full((4, 4, 3), 9, np.uint8)  # of another size, grey: (1, 1, 1, 1, 1, 1)
    vector, grey = describe_both_ways(MeanColours(), [image, other])
    np.testing.assert_allclose(grey, np.full(6, 1 / np.sqrt(6)), atol=1e-6)
    np.testing.assert_allclose(vector, np.array([1, 0, 0, 1, 0, 0]) / np.sqrt(2), atol=1e-6)
    with pytest.raises(DataError, match="longer than 0"):
        describe_both_ways(MeanColours(), [image, np.zeros((16, 8, 3), np.uint8)])


def test_from_labels_to_targets(data, tmp_path, capsys):
    out, teacher = tmp_path / "out", MeanColours()
    assert crop(out, teacher, data=data) == 3
    assert capsys.readouterr().out == "3 crops of 3 objects: 2 person, 1 car\n"
    taught = read_crop_folder(out)
    assert taught.class_names == ("person", "person", "car")
    assert taught.crops.crops.shape == (3, 160, 80, 3)
    assert taught.crops.margin == 0.125
    assert len(set(taught.crops.groups.tolist())) == 3
    # The object fills the middle; the margin is grey.
    np.testing.assert_array_equal(taught.crops.crops[0, 80, [2, 40]], [(128,) * 3, RED])
    red, green, car = taught.vectors["colours"]
    np.testing.assert_allclose(np.linalg.norm([red, green, car], axis=1), 1, rtol=1e-6)
    # Teachers embed objects without margin: the car is as red as the person.
    np.testing.assert_allclose(red @ car, 1, atol=1e-3)
    assert red @ green < 0.3
    targets = read_training_crops(out, dimension=4).targets
    np.testing.assert_allclose(targets @ targets.T, taught.vectors["colours"] @ np.stack(
        [red, green, car]).T, atol=1e-5)  # fmt: skip
    assert crop(tmp_path / "cars", data=data, classes=("car",)) == 1


def test_interrupted_run_resumes_and_changed_labels_are_embedded_again(data, tmp_path):
    out, teacher = tmp_path / "out", MeanColours(stop_at=5)
    with pytest.raises(KeyboardInterrupt):
        crop(out, teacher, data=data)
    with pytest.raises(SourceError, match="was stopped"):
        read_crop_folder(out)
    crop(out, teacher, data=data)
    assert (
        teacher.asked == 7
    )  # two views of each; the first of the interrupted image is embedded again
    second = MeanColours("more")
    crop(out, teacher, second, data=data)
    assert (teacher.asked, second.asked) == (7, 6)
    assert read_crop_folder(out).vectors.keys() == {"colours", "more"}
    (data.parent / "labels" / "a.txt").write_text("0 0.7 0.5 0.2 0.6\n")
    assert crop(out, teacher, data=data) == 2
    assert teacher.asked == 9
    assert read_crop_folder(out).vectors.keys() == {"colours"}


def test_boxes_of_a_track_share_an_identity(clip, tmp_path, capsys):
    tracks = tmp_path / "tracks.txt"
    lines = [f"{n + 1},{track},{5 + 2 * (n - 10)},40,20,40,{score},-1,-1,-1"
             for n in range(10, 50, 10) for track, score in ((1, 0.9), (2, 0.2))]  # fmt: skip
    tracks.write_text("\n".join(lines))
    out = tmp_path / "out"
    assert crop(out, MeanColours(), videos=(clip,), tracks=(tracks,), every=20) == 2
    # Frames 20 and 40, without the low-score boxes of the second track.
    assert capsys.readouterr().out == "2 crops of 1 object: 2 object\n"
    taught = read_crop_folder(out)
    assert taught.crops.groups.tolist() == [0, 0]
    vectors = taught.vectors["colours"]
    assert vectors[0] @ vectors[1] > 0.99
    (tmp_path / "late.txt").write_text("90,1,5,40,20,40,1,-1,-1,-1\n")
    with pytest.raises(DataError, match=r"tracks in frame 89, but .* ends with frame 59"):
        crop(tmp_path / "late", videos=(clip,), tracks=(tmp_path / "late.txt",))
    with pytest.raises(DataError, match="seen with a score"):
        crop(tmp_path / "no", videos=(clip,), tracks=(tracks,), min_score=1.5)


def test_last_line_says_whether_the_crops_suffice_for_training(data, tmp_path, capsys):
    crop(tmp_path / "a", data=data)
    line = capsys.readouterr().err.splitlines()[-1]
    assert "too few for tracker train reid, which needs 4 objects with at least two crops" in line
    assert "got 0; add --teacher, or tracks (--video and --tracks)" in line
    crop(tmp_path / "b", MeanColours(), data=data)
    assert "needs 4 objects, got 3; add images" in capsys.readouterr().err
    crop(tmp_path / "c", MeanColours(), data=data, views=ViewSettings(2))
    assert "input of tracker train reid --data" in capsys.readouterr().err


def test_crops_of_labels_need_a_teacher_for_training(data, tmp_path):
    crop(tmp_path / "a", data=data)
    crops = read_training_crops(tmp_path / "a", dimension=2)
    with pytest.raises(DataError, match="of labelled images need a teacher"):
        split_crops(crops, share=0.5, seed=0)


def test_crops_of_tracks_need_no_teacher_for_training(clip, tmp_path, capsys):
    rows = [f"{frame},{i},{20 * i},10,18,60,1" for frame in (1, 2) for i in range(1, 5)]
    (tmp_path / "tracks.txt").write_text("\n".join(rows))
    crop(tmp_path / "a", videos=(clip,), tracks=(tmp_path / "tracks.txt",))
    assert "input of tracker train reid --data: 4 objects" in capsys.readouterr().err
    learnt, held = split_crops(read_training_crops(tmp_path / "a", dimension=2), share=0.1, seed=0)
    assert (len(learnt.crops), len(held.crops)) == (4, 4)


def test_other_crops_are_not_mixed_in(data, tmp_path):
    out = tmp_path / "out"
    crop(out, MeanColours(), data=data)
    with pytest.raises(ConfigError, match=r"classes: the crops in .* were begun with None"):
        crop(out, MeanColours(), data=data, classes=("person",))
    with pytest.raises(ConfigError, match="the vectors in asked/colours are from another file"):
        crop(out, MeanColours(), data=data, digest="2")
    with pytest.raises(ConfigError, match=r"crops\.json, got neither"):
        crop(data.parent, MeanColours(), data=data)
    with pytest.raises(ConfigError, match="different names, got 'colours' more than once"):
        crop(tmp_path / "new", MeanColours(), MeanColours(), data=data)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "expected --data FILE.yaml, or --video with --tracks, got neither"),
        (["--data", "no.yaml"], "no.yaml: does not exist"),
        (["--data", "{data}", "--classes", "persn"], "did you mean 'person'"),
        (["--data", "{data}", "--margin", "1"], "margin: expected [0, 1), got 1.0"),
        (["--data", "{data}", "--teacher", "no.xml"], "no.xml"),
        (["--data", "{data}", "--threads", "0"], "--threads: expected 1 to 1024"),
        (["--video", "a.mp4"], "--tracks: expected one for each --video (1), got 0"),
        (["--video", "a.mp4", "--tracks", "no.json"], "no.json: does not exist"),
        (["--video", "a.mp4", "--tracks", "no.json", "--every", "0"], "--every: expected at least"),
    ],
)
def test_wrong_use_leaves_nothing(words, message, data, tmp_path, capsys):
    filled = [word.format(data=data) for word in words]
    assert message in failure(capsys, "train", "crops", *filled, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_image_names():
    assert image_names([]) == ()
    assert image_names([Path("x/1.jpg"), Path("y/2.jpg")]) == ("1", "2")
    with pytest.raises(ConfigError, match="different names, got '1'"):
        image_names([Path("x/1.jpg"), Path("x/1.png")])


def test_damaged_folder_is_an_error(data, tmp_path):
    out = tmp_path / "out"
    crop(out, MeanColours(), data=data)
    np.save(out / "vectors" / "colours.npy", np.zeros((2, 6), np.float32))
    with pytest.raises(DataError, match=re.escape("float32 (3, E), a row a crop, got float32 (2,")):
        read_crop_folder(out)
    (out / "crops.csv").write_text("file\n")
    with pytest.raises(DataError, match="expected the columns file, group"):
        read_crop_folder(out)
    (out / "crops.json").write_text("{}")
    with pytest.raises(DataError, match="not as `tracker train crops` wrote it"):
        read_crop_folder(out)
    (out / "asked" / "colours" / "a.npz").write_text("no vectors")
    (out / "crops.json").unlink()
    with pytest.raises(ConfigError):
        crop(out, MeanColours(), data=data)


def taught(groups, targets):
    crops = np.zeros((len(groups), 8, 4, 3), np.uint8)
    return CropSet(crops, np.array(groups), np.array(targets, np.float32))


def test_agreement_with_teachers():
    targets = np.float32([[1, 0], [0, 1], [0.6, 0.8]])
    # A rotation of all embeddings changes no similarity, only the cosine with the targets.
    turned = targets @ np.float32([[0, 1], [-1, 0]])
    same, other = agreement(targets, targets), agreement(turned, targets)
    assert (same.correlation, same.cosine) == pytest.approx((1, 1))
    assert (other.correlation, other.cosine) == pytest.approx((1, 0), abs=1e-6)
    # All embeddings equal: nothing is discriminated.
    assert agreement(targets[[0, 0, 0]], targets).correlation == 0


def test_split_and_score_depend_on_identities_and_teachers():
    eye = np.eye(6)
    data = taught([0, 1, 2, 3, 4, 4], eye)
    train, held = split_crops(data, share=0.1, seed=0)
    assert len(set(held.groups.tolist())) == 3
    assert not set(train.groups.tolist()) & set(held.groups.tolist())
    assert measure_of(data) == "agreement"
    found = verdict(np.float32(np.eye(3)), taught([0, 1, 1], [[1, 0, 0], [0, 1, 0], [0, 0.6, 0.8]]))
    assert "agreement" in found.text
    assert "rank-1" in found.text  # two crops are known to be of the same object
    with pytest.raises(DataError, match="at least 4 objects, got 3"):
        split_crops(taught([0, 1, 2], np.eye(3)), share=0.1, seed=0)
    plain = taught([0, 0, 1, 1, 2, 2, 3, 3], np.zeros((8, 0)))
    assert len(split_crops(plain, share=0.1, seed=0)[1]) == 4
    assert measure_of(plain) == "rank-1"
    assert verdict(np.float32(np.eye(8)), plain).text.startswith("rank-1")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_appearance_network_is_trained_on_the_crops(data, tmp_path, capsys):
    crop(tmp_path / "crops", MeanColours(), data=data)
    more = data.parent / "labels" / "a.txt"
    more.write_text("".join(f"0 {x} 0.5 0.2 0.6\n" for x in (0.2, 0.3, 0.5, 0.6, 0.7)))
    crop(tmp_path / "crops", MeanColours(), data=data)
    capsys.readouterr()
    with pytest.raises(SystemExit) as done:
        main(["train", "reid", "--data", str(tmp_path / "crops"), "--out", str(tmp_path / "out"),
              "--epochs", "1", "--batch", "4", "--no-progress"])  # fmt: skip
    assert not done.value.code
    output = capsys.readouterr()
    assert output.out.startswith("agreement ")
    assert "agreement" in output.err
    assert "teachers' targets" in (tmp_path / "out" / "model-card.md").read_text()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_real_teacher_finds_the_same_person_similar():
    weights = SHARED / "weights" / "person-reidentification" / "retail-0288"
    image_file = SHARED / "detection" / "street_unlabelled" / "00000.jpg"
    if not weights.is_dir() or not image_file.is_file():
        pytest.skip("retail-0288 or street_unlabelled is not in shared/data")
    pytest.importorskip("openvino", reason="openvino is not installed")
    teacher = OpenVinoAppearance(weights / "person-reidentification-retail-0288.xml")
    assert teacher.size == (256, 128)
    image = read_image(image_file)
    boxes = np.float32([[100, 100, 160, 220], [104, 103, 164, 223], [300, 60, 360, 180]])
    crops = [cut(image, box, margin=0) for box in boxes]
    first, shifted, other = describe_both_ways(teacher, crops)
    assert first @ shifted > first @ other


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_openvino_teacher_gives_the_same_embeddings_in_batches(tmp_path):
    pytest.importorskip("openvino", reason="openvino is not installed")
    teacher = OpenVinoAppearance(write_means(tmp_path / "means.xml", size=(8, 4)))
    assert (teacher.name, teacher.size) == ("means", (8, 4))
    # The upper half of each crop has its own red, all have some blue: two batches of 16 and two.
    crops = np.zeros((34, 8, 4, 3), np.uint8)
    crops[:, :4, :, 0], crops[..., 2] = 6 * np.arange(34)[:, None, None], 40
    wanted = np.stack([[40, 0, 3 * index] for index in range(34)])
    np.testing.assert_allclose(teacher.describe(crops), wanted, atol=1e-3)
