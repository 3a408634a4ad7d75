"""The layout: levels, and no anchors."""

import pytest

from yolo_tf.config import ModelConfig
from yolo_tf.errors import InputError
from yolo_tf.heads.decoupled.layout import CellGrid, cell_grid, stated_grid


def test_a_grid_is_its_strides():
    assert cell_grid([8, 16]) == CellGrid(strides=(8, 16)) == stated_grid(ModelConfig(head="decoupled"), (8, 16))
    assert cell_grid((8, 16)).head == "decoupled" and hash(cell_grid((8, 16))) != hash(cell_grid((8, 32)))


def test_anchors_are_refused():
    with pytest.raises(
        InputError, match=r"config.model.anchors: got \(.*10.* for the head decoupled, which has none. .* model.head=anchor"
    ):
        stated_grid(ModelConfig(head="decoupled", anchors=(((10.0, 13.0),),)), (8,))
