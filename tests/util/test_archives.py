"""Files of a few bytes that declare gigabytes are refused by what they declare."""

import io
import resource
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from tracker.errors import DataError
from tracker.util.archives import (
    check_h5,
    check_members,
    check_size,
    check_weights_member,
    read_member,
    read_npy,
    read_npz,
)

HUGE = 10**12


def npy(shape: tuple[int, ...], content: bytes = b"") -> bytes:
    """Returns a `.npy` of float32 that declares a shape."""
    stream = io.BytesIO()
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue() + content


def archive(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def test_a_file_that_is_too_large_for_memory(tmp_path: Path) -> None:
    with (tmp_path / "x").open("wb") as file:
        file.truncate(5 << 30)  # without blocks on the disk
    with pytest.raises(DataError, match="expected at most 4294967296 bytes, got 5368709120"):
        check_size(tmp_path / "x")


def test_sane_archives_are_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(archive(tmp_path / "x", {"a/b.json": b"{}"})) as file:
        check_members(file)
        assert read_member(file, "a/b.json") == b"{}"
        with pytest.raises(KeyError):
            read_member(file, "c")
        with pytest.raises(DataError, match="declares 2 bytes, at most 1"):
            read_member(file, "a/b.json", largest=1)


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "..\\x"])
def test_members_that_lead_out(tmp_path: Path, name: str) -> None:
    with (
        zipfile.ZipFile(archive(tmp_path / "x", {name: b""})) as file,
        pytest.raises(DataError, match="leads out of the archive"),
    ):
        check_members(file)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packing_that_hides_the_size(tmp_path: Path, method: int) -> None:
    path = archive(tmp_path / "x", {"a": b"abc"}, method)
    with zipfile.ZipFile(path) as file:
        with pytest.raises(DataError, match="expected it stored or deflated"):
            check_members(file)
        with pytest.raises(DataError, match="expected it stored or deflated"):
            read_member(file, "a")


def test_a_member_that_expands_a_thousand_times(tmp_path: Path) -> None:
    with (
        zipfile.ZipFile(archive(tmp_path / "x", {"a": bytes(70 << 20)})) as file,
        pytest.raises(DataError, match=r"member a declares 73400320 bytes, packed into \d+"),
    ):
        check_members(file)


def test_a_false_size_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "x", {"a": bytes(3 << 20)})
    data = path.read_bytes()
    path.write_bytes(data.replace((3 << 20).to_bytes(4, "little"), (9).to_bytes(4, "little")))
    with zipfile.ZipFile(path) as file:
        with pytest.raises(zipfile.BadZipFile):
            read_member(file, "a")
    with pytest.raises(DataError, match="no arrays of NumPy: "):
        read_npz(path)


def test_two_members_of_one_name(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x", "w") as file:
        file.writestr("a", b"1")
        with pytest.warns(UserWarning, match="Duplicate name"):
            file.writestr("a", b"2")
    with zipfile.ZipFile(tmp_path / "x") as file, pytest.raises(DataError, match="1 of different"):
        check_members(file)


def test_arrays_are_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.arange(3), b=np.array("text"), c=np.zeros((0, 4)))
    arrays = read_npz(tmp_path / "x.npz")
    assert arrays["a"].tolist() == [0, 1, 2]
    assert (str(arrays["b"]), arrays["c"].shape) == ("text", (0, 4))
    np.save(tmp_path / "y.npy", np.arange(3))
    assert read_npy(tmp_path / "y.npy").tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (npy((HUGE,)), r"a.npy declares float32 \(1000000000000,\) in "),
        (npy((1 << 40, 1 << 40)), "a.npy declares float32"),
        (npy((-1,)), "a.npy declares float32|no array"),
        (npy((3,), bytes(12))[:-5], "a.npy declares|no array"),
        (b"text", "no array"),
        (b"", "no array"),
    ],
)
def test_arrays_that_declare_more_than_there_is(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_npy(tmp_path / "a.npy")
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match=message):
        read_npz(archive(tmp_path / "x.npz", {"a.npy": content}))


def test_objects_are_refused(tmp_path: Path) -> None:
    objects = np.array([{}, None], dtype=object)
    np.save(tmp_path / "a.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "x.npz", allow_pickle=True, a=objects)
    for read, name in ((read_npy, "a.npy"), (read_npz, "x.npz")):
        with pytest.raises(DataError, match=r"a.npy declares object \(2,\)"):
            read(tmp_path / name)


def test_text_and_half_a_file_are_no_arrays(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, a=np.arange(300))
    for content in (path.read_bytes()[:-30], b"text", b""):
        path.write_bytes(content)
        with pytest.raises(DataError, match="no arrays of NumPy: "):
            read_npz(path)


def test_hdf5_that_is_sane(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["layers/a/vars/0"] = np.zeros((3, 3))
        file["again"] = file["layers"]
        file["layers/a/up"] = file["/"]  # a circle
    check_h5(tmp_path / "x.h5", (tmp_path / "x.h5").stat().st_size)


def test_hdf5_that_declares_more_than_it_holds_or_points_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(100))
    for number, (message, fill) in enumerate(
        {
            "dataset /a declares 4000000000000 bytes and holds 0": lambda file: file.create_dataset(
                "a", (HUGE,), "f4", chunks=(1 << 20,)
            ),
            "//a points to another file": lambda file: file.__setitem__(
                "a", h5py.ExternalLink("other.h5", "/b")
            ),
            "dataset /g/a points to another file": lambda file: file.create_dataset(
                "g/a", (25,), "f4", external=[(str(tmp_path / "secret"), 0, 100)]
            ),
            "its datasets declare": lambda file: [
                file.create_dataset(str(n), (15 << 20,), "f4", chunks=(1 << 20,)) for n in range(5)
            ],
        }.items()
    ):
        path = tmp_path / f"{number}.h5"
        with h5py.File(path, "w") as file:
            fill(file)
        with pytest.raises(DataError, match=message):
            check_h5(path, path.stat().st_size)
        packed = archive(tmp_path / f"{number}.keras", {"w.h5": path.read_bytes()})
        with pytest.raises(DataError, match=message):
            check_weights_member(packed, "w.h5")


def test_a_damaged_member_is_one_line(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.keras", {"w.h5": b"text"})
    with pytest.raises(DataError, match=r"w\.h5 in it is damaged: ") as caught:
        check_weights_member(path, "w.h5")
    assert "\n" not in str(caught.value)


def test_nothing_is_read_before_it_is_refused(tmp_path: Path) -> None:
    """Half a gigabyte of address space is enough to refuse terabytes."""
    archive(tmp_path / "x.npz", {"a.npy": npy((HUGE,))})
    program = (
        "import sys\nfrom pathlib import Path\nfrom tracker.errors import DataError\n"
        "from tracker.util.archives import read_npz\n"
        "try: read_npz(Path(sys.argv[1]))\nexcept DataError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "x.npz")],
        capture_output=True,
        text=True,
        check=False,
        env={"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": ":".join(sys.path)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29)),
    )
    assert done.stdout.startswith("a.npy declares float32 (1000000000000,) in "), done.stderr


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff{", "declares a header of 4294967295 bytes in 13"),
        (b"\x93NUMPY\x01\x93", "no array of NumPy: EOF: reading array header length"),
        (b"\x93NUMPY\x01\x00\x04\x00{'(\n", "no array of NumPy: "),
        (b"\x93NUMPY\x01\x00\x05\x00[[[[\n", "no array of NumPy: "),
    ],
)
def test_a_damaged_header_of_an_array_is_one_line(
    tmp_path: Path, header: bytes, message: str
) -> None:
    single, packed = tmp_path / "a.npy", tmp_path / "a.npz"
    single.write_bytes(header)
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.npy", header)
    for read, path in ((read_npy, single), (read_npz, packed)):
        with pytest.raises(DataError) as caught:
            read(path)
        assert message.removeprefix("no array of NumPy") in str(caught.value)
        assert "\n" not in str(caught.value)


def test_an_offset_that_leads_out_of_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, a=np.zeros(3))
    data = bytearray(path.read_bytes())
    end = data.rindex(b"PK\x05\x06")
    data[end + 16 : end + 20] = (2**31).to_bytes(4, "little")  # where the directory begins
    path.write_bytes(data)
    with pytest.raises(DataError, match="no arrays of NumPy"):
        read_npz(path)


def npy_of(header: bytes, content: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + content


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (1L,)}\n",  # written by Python 2
        b"{'descr': '|a8', 'fortran_order': False, 'shape': (1,)}\n",  # an old name of bytes
    ],
)
def test_a_header_in_an_old_form_is_read_without_a_warning(tmp_path: Path, header: bytes) -> None:
    single, packed = tmp_path / "a.npy", tmp_path / "a.npz"
    single.write_bytes(npy_of(header, bytes(8)))
    archive(packed, {"a.npy": single.read_bytes()})
    assert read_npy(single).tobytes() == read_npz(packed)["a"].tobytes() == bytes(8)


def test_a_side_beyond_all_integers_is_refused_beside_one_of_zero(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(npy((0, 10**30)))
    with pytest.raises(DataError, match=r"a\.npy declares float32 \(0, 10{30}\)"):
        read_npy(tmp_path / "a.npy")


def test_a_member_is_an_array_whatever_its_name(tmp_path: Path) -> None:
    """The library reads it by its first bytes, and would allocate what its header declares."""
    path = archive(tmp_path / "a.npz", {"a": b"\x93NUMPY\x02\x00\xff\xff\xff\xff{"})
    with pytest.raises(DataError, match="a declares a header of 4294967295 bytes"):
        read_npz(path)
    with pytest.raises(DataError, match="no arrays of NumPy"):
        read_npz(archive(tmp_path / "b.npz", {"a.txt": b"no array"}))


def test_a_type_that_the_library_does_not_know_is_damage(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file.create_dataset("a", data="text", dtype=h5py.string_dtype("utf-8"))
    damaged = bytearray(stream.getvalue())
    damaged[842] ^= 0x02  # how the characters of the type are encoded: 1 means UTF-8
    path = archive(tmp_path / "a.keras", {"w.h5": bytes(damaged)}, zipfile.ZIP_STORED)
    with pytest.raises(DataError, match=r"w\.h5 in it is damaged: Unknown string encoding"):
        check_weights_member(path, "w.h5")
