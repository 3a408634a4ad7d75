"""How a run begins in its directory: as the first, or where another was stopped."""

import json

from yolo_tf.errors import InputError, shown
from yolo_tf.inference.outputs import OUTPUTS, name_images
from yolo_tf.sources.label_files import YOLO_LABELS, label_path
from yolo_tf.system.atomic import remove_leftovers, write_json

SETTINGS = "prediction_settings.json"  # in the directory: what every image was looked at with
EARLIER = {"letterbox": "center"}  # of settings that earlier versions did not write


def begin(out, names, paths, *, settings, resume):
    """Prepares a directory for a first run, or for one that goes on where another stopped.

    Args:
        out: directory; created where an output goes on in it.
        names: rows of OUTPUTS.
        paths: of all images, in order.
        settings: everything that the detections depend on, ready for JSON; written, and compared on resuming.
        resume: whether to go on. Where nothing is yet, that is a first run.

    Returns:
        number of images that every output that goes on holds now; each of them ends there. 0 where none goes on.

    Raises:
        InputError: detections are there and `resume` is not given, or they are of other images or settings; an image
            would be written over; or a package is not installed.
    """
    for name in names:
        if OUTPUTS[name].require:
            OUTPUTS[name].require()
    _protect(paths, out, names, resume)
    names = sorted(name for name in names if OUTPUTS[name].cut)
    if not names:
        return 0
    settings = json.loads(json.dumps(settings | {"formats": names}))  # as it comes back from the file
    if not any(next(out.glob(output.file_name), None) for output in OUTPUTS.values() if output.cut):
        out.mkdir(parents=True, exist_ok=True)
        remove_leftovers(out)
        write_json(out / SETTINGS, settings)
        return 0
    if not resume:
        raise InputError(f"{out}: holds detections already. Expected a new directory. Set `resume` to go on, or change `out`.")
    _check_settings(out, settings)
    count = min(_count_held(out, OUTPUTS[name], paths) for name in names)
    for name in names * 2:  # one that can be cut between its parts only takes the others back with it
        count = OUTPUTS[name].cut(out, count)
    return count


def _protect(paths, out, names, resume):
    """Raises InputError where the file of an image would be written over one of `paths`, its label file or a file beside it."""
    of_images = [OUTPUTS[name].file_name for name in names if OUTPUTS[name].write_image]
    if not of_images or not out.is_dir():
        return
    sources = {path.resolve() for path in paths}
    folders = {place.parent for place in sources} | {label_path(place, YOLO_LABELS).parent for place in sources}
    for file_name in of_images:
        for name in name_images(paths):
            target = out / file_name.format(name)
            place = target.resolve()
            if place in sources or (not resume and place.parent in folders and place.exists()):
                raise InputError(
                    f"{target}: would be written over an image, its labels or a file beside them. Expected another directory."
                    " Change `out`."
                )


def _count_held(out, output, paths):
    """Counts the images in an output, and raises InputError unless they are the first of `paths`."""
    count = 0
    for count, (found, where) in enumerate(output.read_paths(out), start=1):
        expected = str(paths[count - 1]) if count <= len(paths) else "none"
        if shown(found) != shown(expected):
            raise InputError(
                f"{where}: is of {found}, but image {count} given is {expected}. Expected the same images in the same order;"
                " new ones may follow. Give those of the first run, or another `out`."
            )
    return count


def _check_settings(out, settings):
    """Raises InputError where the run that is to be resumed had other settings."""
    path = out / SETTINGS
    try:
        before = dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"{path}: cannot be read ({type(error).__name__}). Expected the settings of the run to resume. Change `out`."
        ) from error
    settings, before = EARLIER | settings, EARLIER | before
    for key in settings | before:
        if settings.get(key) != before.get(key):
            raise InputError(
                f"resume: {key} is {settings.get(key)} now and was {before.get(key)} in the run in {out}. Expected the same."
                " Give the arguments of that run, or begin in another `out`."
            )
