"""The ways to write what was found in images: OUTPUTS, one file per row."""

import collections
import contextlib
import errno
import itertools

from yolo_tf.errors import InputError
from yolo_tf.inference.outputs import coco, json, jsonl, parquet, pictures, txt, txt_scores

OUTPUTS = {
    module.__name__.rpartition(".")[2]: module.OUTPUT for module in (pictures, txt, txt_scores, json, coco, jsonl, parquet)
}

# what is wrong with one file alone, its name or what is in it; any other reason would meet all of them
OF_ONE_FILE = {None, errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.EISDIR}


@contextlib.contextmanager
def open_outputs(run, names):
    """Yields the function that writes a list of ImageResult, the next ones of a run, into all outputs.

    It returns a line for each file of a single image that cannot be written: what was found in it is in the rows all the
    same, and the others are written. These files come first: where rows say that an image is done, nothing else of it is missing.

    Args:
        run: Run.
        names: rows of OUTPUTS.
    """
    chosen = [output for name, output in OUTPUTS.items() if name in names]
    of_images = [output for output in chosen if output.write_image]
    image_names = itertools.islice(name_images(run.paths) if of_images else itertools.repeat(""), run.before, None)
    with contextlib.ExitStack() as stack:
        writers = [stack.enter_context(output.open_writer(run)) for output in chosen if output.open_writer]

        def append(results):
            unwritten = []
            for result, name in zip(results, image_names):  # noqa: B905 the names go on
                for output in of_images if result.error is None else ():
                    unwritten += _try(output.write_image, run.out / output.file_name.format(name), result, run.class_names)
            rows = [result.to_json(run.class_names) for result in results] if writers else []
            for write in writers:
                write(rows)
            return unwritten

        yield append


def _try(write_image, path, result, class_names):
    """Writes the file of one image; returns [] or, where it alone cannot be written, [the line that says why]."""
    try:
        write_image(path, result, class_names)
    except InputError as error:
        return [str(error)]
    except (OSError, UnicodeError) as error:
        if getattr(error, "errno", None) not in OF_ONE_FILE:
            raise
        reason = getattr(error, "strerror", None) or error
        return [f"{path}: cannot be written ({reason}). Expected a name and a picture that fit. Rename {result.path}."]
    return []


def name_images(paths):
    """Returns a file name without suffix for each path: its stem; where stems repeat, -2, -3 ... behind it.

    Example: a/1.jpg, b/1.png, c.jpg -> 1, 1-2, c.
    """
    counts, names = collections.Counter(), {}
    for path in paths:
        name = path.stem
        while name in names:
            counts[path.stem] += 1
            name = f"{path.stem}-{counts[path.stem] + 1}"
        names[name] = None
    return list(names)
