"""The look of all plots."""

import numpy as np
from PIL import Image

from yolo_tf.pictures.axes import INK, add_legend, new_axes, plain, save


def test_a_name_is_never_read_as_mathematics():
    assert plain("5$ off") == r"5\$ off" and plain("cat") == "cat"


def test_a_figure_is_dressed_and_written_whole(tmp_path):
    axes = new_axes((5, 3), "What is drawn", "x of it", "y of it")
    axes.plot((0, 1), (0, 1), label="a$b line$", color=INK)
    add_legend(axes)
    assert (axes.get_title(loc="left"), axes.get_xlabel(), axes.get_ylabel()) == ("What is drawn", "x of it", "y of it")
    assert not axes.spines["top"].get_visible() and not axes.get_legend().get_frame_on()
    save(axes, tmp_path / "plots" / "new.png")
    with Image.open(tmp_path / "plots" / "new.png") as picture:
        pixels = np.array(picture.convert("RGB"))
    assert (pixels < 80).any() and (pixels[:3] == 255).all(), "ink, and a margin"
    assert [path.name for path in (tmp_path / "plots").iterdir()] == ["new.png"]
