"""Plots of the boxes of a data set."""

import numpy as np
import pytest
from PIL import Image

from yolo_tf.pictures.data_plots import HEAT_CELLS, covered, plot_heat, plot_shapes


def test_each_cell_counts_the_boxes_that_cover_its_middle():
    rng = np.random.default_rng(3)
    corners = np.sort(rng.random((40, 2, 2)), axis=1).reshape(40, 4)  # x1 y1 x2 y2
    middles = (np.arange(HEAT_CELLS) + 0.5) / HEAT_CELLS
    across = (corners[:, :1] <= middles) & (middles < corners[:, 2:3])
    down = (corners[:, 1:2] <= middles) & (middles < corners[:, 3:])
    assert (covered(corners) == (down[:, :, None] & across[:, None, :]).sum(0)).all()
    assert covered([[0, 0, 1, 0.5]]).sum() == HEAT_CELLS * HEAT_CELLS / 2 and covered(np.zeros((0, 4))).sum() == 0


@pytest.mark.parametrize("count", [0, 1, 300])
def test_plots_are_drawn_for_any_number_of_boxes(tmp_path, count):
    sizes = np.random.default_rng(1).uniform(4, 300, (count, 2))
    plot_shapes(sizes, [count, 0], {"anchors": np.array([[10, 13], [60, 40]])}, tmp_path / "shapes.png")
    plot_heat(np.full((count, 4), [0.2, 0.2, 0.6, 0.7]), tmp_path / "heat.png")
    for name in ("shapes", "heat"):
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert (np.array(picture.convert("L")) < 80).any(), "ink"
