"""Fixtures of the reader tests."""

import pytest
from three_images import IMAGES, WRITERS

from yolo_tf.sources import read_source


@pytest.fixture
def written(tmp_path):
    """Returns a function that writes images in a format and returns the DatasetSource."""

    def write(format_name, images=IMAGES):
        (tmp_path / "data.yaml").write_text(WRITERS[format_name](tmp_path, images))
        return read_source(tmp_path / "data.yaml")

    return write
