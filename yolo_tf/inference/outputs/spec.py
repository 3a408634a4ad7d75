"""What a row of OUTPUTS says, and what it is told of a run."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


class Run(NamedTuple):
    """What writers know of a run beside its results."""

    out: Path  # directory
    paths: list  # of all images, in order
    before: int  # images that an earlier run has written
    model: Path
    class_names: tuple[str, ...]
    part_images: int  # of one part, where an output comes in parts


class Output(NamedTuple):
    """One row of OUTPUTS, in the directory `out` of a run: either every image gets a file, or all share one or a few."""

    file_name: str  # where every image gets a file, {} stands for its name; else a glob
    write_image: Callable | None = None  # (path, ImageResult, class_names): writes the file of one image, each time anew
    open_writer: Callable | None = None  # (Run) -> context of append(rows), rows as ImageResult.to_json makes them
    holds_all: bool = False  # whether the rows of all images wait in memory, until the end
    require: Callable | None = None  # (): raises InputError where a package that it needs is not installed

    # how a stopped run goes on in it; without these it is written anew
    read_paths: Callable | None = None  # (out) -> iterator of (path of an image, where it stands) over all whole rows
    cut: Callable | None = None  # (out, count) -> images left, `count` or a little less: removes what is behind them
