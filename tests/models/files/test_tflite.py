"""Exported networks: recognising a file whose archive is damaged or of an unusual kind."""

import io
import zipfile
from pathlib import Path

from tracker.models.files.tflite import MEMBER, is_exported


def test_an_archive_of_an_unknown_version_is_recognised_by_its_bytes(tmp_path: Path) -> None:
    stream = io.BytesIO(b"\x1c\x00\x00\x00TFL3" + bytes(100))
    stream.seek(0, io.SEEK_END)
    with zipfile.ZipFile(stream, "a") as archive:
        archive.writestr(MEMBER, "{}")
    data = bytearray(stream.getvalue())
    directory = data.index(b"PK\x01\x02")
    data[directory + 6] = 84  # "version needed to extract" 8.4: zipfile raises NotImplementedError
    (tmp_path / "a.tflite").write_bytes(data)
    assert is_exported(tmp_path / "a.tflite")
