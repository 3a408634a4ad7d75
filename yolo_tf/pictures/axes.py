"""The look of all plots: title on the left, light grid, no frame; letters in the first font that has them."""

import functools

from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, fontManager
from matplotlib.text import Text

from yolo_tf.pictures.fonts import drawable, fonts_of
from yolo_tf.system.atomic import atomic_path

# Figure is used without pyplot: no global state, no window, safe in threads.
INK = "#24292f"
GRID = "#e4e8ec"
NO_BOXES = "no boxes to find"


def add_legend(axes, **options):
    """Draws the legend without a frame; `options` are those of matplotlib."""
    axes.legend(frameon=False, labelcolor=INK, **options)


def add_color_bar(axes, picture, label):
    """Draws the colour scale of `picture` beside `axes`, as high as them."""
    bar = axes.figure.colorbar(picture, cax=axes.inset_axes([1.03, 0, 0.03, 1]))
    bar.set_label(label, color=INK)
    bar.ax.tick_params(colors=INK, length=0)
    bar.outline.set_visible(False)


def new_axes(size, title, x_label, y_label):
    """Returns the axes of a figure of `size`, (width, height) in inches, that holds one plot."""
    axes = Figure(figsize=size, layout="constrained").subplots()
    dress(axes, title, x_label, y_label)
    return axes


def dress(axes, title, x_label, y_label):
    """Gives axes the look of all plots: title on the left, light grid, no frame."""
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold", color=INK)
    axes.set_xlabel(x_label, color=INK)
    axes.set_ylabel(y_label, color=INK)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#b8c0c8")
    axes.tick_params(colors=INK, length=0)


def plain(name):
    """Returns `name` so that matplotlib shows a dollar sign instead of reading mathematics, and warns of no letter."""
    return drawable(name).replace("$", r"\$")


@functools.cache
def _family(path):
    """Returns the name by which matplotlib finds a font."""
    fontManager.addfont(path)
    return FontProperties(fname=path).get_name()


def save(axes, path):
    """Writes the figure of `axes` to `path`, cut to what is drawn; each letter in the first font that has it."""
    for text in axes.figure.findobj(Text):
        text.set_fontfamily([*text.get_fontfamily(), *map(_family, fonts_of(text.get_text())[1:])])
    with atomic_path(path) as temporary:
        axes.figure.savefig(temporary, dpi=130, bbox_inches="tight", pad_inches=0.12)
