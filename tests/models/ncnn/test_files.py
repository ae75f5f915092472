"""What the two files of an ncnn network tell before a network is built."""

from pathlib import Path

import pytest

from tests.goldens.ncnn_cases import param_text
from tracker.errors import ModelError
from tracker.models.ncnn.files import read_ncnn_files


def write(folder: Path, *lines: str) -> Path:
    path = folder / "net.param"
    path.write_text(param_text(*lines))
    path.with_suffix(".bin").write_bytes(b"1234")
    return path


@pytest.mark.parametrize(
    ("channels", "expected"), [(16, (416, 416)), (24, (416, 416)), (32, None), (48, None)]
)
def test_the_width_of_yolox_tells_the_size_of_its_training(
    channels: int, expected: tuple[int, int] | None, tmp_path: Path
) -> None:
    path = write(
        tmp_path,
        "Input i 0 1 images",
        "YoloV5Focus f 1 1 images focused",
        f"Convolution c 1 1 focused out 0={channels} 1=3 4=1 6={12 * 9 * channels}",
    )
    stored = read_ncnn_files(path).stored
    assert stored.native_size == expected
    assert stored.class_names is None


def test_other_networks_tell_no_size(tmp_path: Path) -> None:
    path = write(tmp_path, "Input i 0 1 images", "Convolution c 1 1 images out 0=16 1=1 6=48")
    assert read_ncnn_files(path).stored.native_size is None


def test_weights_are_beside_it_or_where_the_user_says(tmp_path: Path) -> None:
    path = write(tmp_path, "Input i 0 1 images")
    assert read_ncnn_files(path).digests.keys() == {"net.param", "net.bin"}
    other = path.with_suffix(".bin").rename(tmp_path / "other.bin")
    assert read_ncnn_files(path, other).digests.keys() == {"net.param", "other.bin"}
    with pytest.raises(ModelError, match=r"did you mean 'other\.bin'.*name them with --weights"):
        read_ncnn_files(path)
    with pytest.raises(ModelError, match=r"none\.bin: does not exist"):
        read_ncnn_files(path, tmp_path / "none.bin")
