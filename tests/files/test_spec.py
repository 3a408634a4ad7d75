"""What a network file carries beside its graph."""

import zipfile

import pytest

from yolo_tf.errors import InputError
from yolo_tf.files import read_spec


def test_another_format_version_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("detector.json", '{"format_version": 9}')
    with pytest.raises(InputError, match="format version 9. Expected 1"):
        read_spec(tmp_path / "a.keras")
