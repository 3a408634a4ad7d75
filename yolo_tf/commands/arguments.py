"""What several verbs share: arguments, and what is made of them."""

import argparse
import dataclasses
import re
from pathlib import Path

from yolo_tf.commands.naming import network_file
from yolo_tf.config.data import LETTERBOXES
from yolo_tf.errors import InputError, did_you_mean
from yolo_tf.files import known_formats
from yolo_tf.terminal import say
from yolo_tf.terminal.progress import progress_bar


def add_model(parser):
    """Declares a network file of any format."""
    parser.add_argument("model", type=network_file, metavar="MODEL", help=f"{known_formats()}; last: of the newest run")


def add_data(parser, *, required=True, help="data set YAML, or a name such as bccd"):
    """Declares the data set that `read_given_dataset` reads."""
    parser.add_argument("--data", type=Path, required=required, metavar="DATASET.yaml", help=help)
    parser.add_argument("--split", default="val", help="split of it (default val)")
    add_reading(parser)


def add_reading(parser):
    """Declares how a data set is read."""
    parser.add_argument("--path", default="", metavar="DIR", help="root of the data, instead of the YAML's path")
    parser.add_argument("--lenient", action="store_true", help="leave bad labels out and count them instead of stopping")


def add_image_size(parser, rest):
    """Declares the size of the network input, one number or two; `rest` ends its help."""
    parser.add_argument(
        "--image-size", type=image_size, metavar="N|H W", help=f"input size, px: square, or height and width; {rest}"
    )


def image_size(text):
    """Reads "640", or height and width as "192 320" (cli.py joins the words) or "192x320"; one number stays one."""
    found = re.fullmatch(r"(\d+)(?:[ ,x](\d+))?", text.strip())
    if not found:
        raise argparse.ArgumentTypeError(f"got '{text}'. Expected one whole number, or two: height and width, px")
    height, width = found.groups()
    return int(height) if width is None else (int(height), int(width))


def add_measuring(parser):
    """Declares network files, and how their latency and memory are measured."""
    parser.add_argument(
        "models", nargs="+", type=network_file, metavar="MODEL", help=f"{known_formats()}; last: of the newest run"
    )
    add_image_size(parser, "default: that of each file")
    parser.add_argument("--batch", type=int, default=1, metavar="N", help="images in one timed call (default 1)")
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads of each file (default: all cores)")
    parser.add_argument("--repeats", type=int, default=50, metavar="R", help="timed calls of each file (default 50)")


def add_detecting(parser, *, score_threshold, iou_threshold, rect):
    """Declares how images are looked at, for `given_detect` and `open_given_detector`; the defaults, and what --rect does."""
    option = parser.add_argument
    option("--score-threshold", type=float, default=score_threshold, metavar="X", help="least score (default %(default)s)")
    option("--iou-threshold", type=float, default=iou_threshold, metavar="X", help="IoU of suppression (default %(default)s)")
    option("--max-detections", type=int, default=300, metavar="N", help="most detections of one image (default 300)")
    candidates = "most candidates that enter suppression (default: at least 1000, and 10 for every 3 of --max-detections)"
    option("--max-candidates", type=int, default=0, metavar="N", help=candidates)
    option("--class-agnostic", action="store_true", help="suppress across classes")
    option("--rect", action="store_true", help=rect)
    option("--augment", action="store_true", help="look at three scales of each image, one of them mirrored")
    place = "where an image lies in the input, the free part grey: in its middle or top left; default: as the model says"
    option("--letterbox", choices=LETTERBOXES, help=place)
    add_image_size(parser, "default: as trained")


def add_thresholds(parser):
    """Declares the file of thresholds that `given_thresholds` reads."""
    words = "least score of each class, as `yolo-tf evaluate --thresholds FILE` writes them"
    parser.add_argument("--thresholds", type=Path, metavar="FILE", help=words)


def given_thresholds(arguments, score_threshold):
    """Returns the options of a DetectConfig that stand for the file of thresholds: none where none is given.

    Args:
        arguments: of a verb with `add_thresholds` and a model.
        score_threshold: (flag or option, given value, what it is when it is not given); given as well, it would have no effect.
    """
    if arguments.thresholds is None:
        return {}
    from yolo_tf.files import read_spec
    from yolo_tf.insight.thresholds import read_thresholds

    name, given, default = score_threshold
    if given != default:
        raise InputError(f"--thresholds: {name} is given as well. Expected one of them. Leave one out.")
    return {"class_thresholds": read_thresholds(arguments.thresholds, read_spec(arguments.model).class_names)}


def given_detect(arguments, detect, **changes):
    """Returns the DetectConfig `detect` with the thresholds that are given, and `changes`.

    What `detect` says of candidates stands unless one is given or as many detections need more.
    """
    names = ("score_threshold", "iou_threshold", "max_detections", "max_candidates", "class_agnostic")
    given = dataclasses.replace(detect, **{name: getattr(arguments, name) for name in names}, **changes)
    if given.max_candidates or given.candidate_limit >= detect.max_candidates:
        return given
    return dataclasses.replace(given, max_candidates=detect.max_candidates)


def open_given_detector(arguments):
    """Opens the network file; with --augment its candidates are those of three views."""
    from yolo_tf.inference.detector import check_any_size, open_detector
    from yolo_tf.inference.three_views import augment_candidates

    detector = open_detector(arguments.model)
    if arguments.letterbox:
        detector = dataclasses.replace(detector, spec=dataclasses.replace(detector.spec, letterbox=arguments.letterbox))
    for option, given in (("--rect", arguments.rect), ("--augment", arguments.augment)):
        if given:
            check_any_size(detector, option)
    if not arguments.augment:
        return detector
    return dataclasses.replace(detector, candidates=augment_candidates(detector.candidates, detector.spec.anchors))


def read_given_dataset(arguments, **options):
    """Reads the split; says how many images have labels and what was left out. `options` are those of `sources.read_dataset`."""
    from yolo_tf.sources import read_dataset, read_source, reading_lines

    source = read_source(arguments.data, path=arguments.path)
    say(*source.notes)
    dataset = read_dataset(source, arguments.split, strict=not arguments.lenient, **options)
    say(*reading_lines(dataset, arguments.split))
    return dataset


def evaluate_with_progress(candidates, dataset, **options):
    """Evaluates as evaluation.evaluate does, says how far it is, and names an image that does not decode."""
    import tensorflow as tf

    from yolo_tf.data.image_scan import check_images
    from yolo_tf.evaluation.evaluate import evaluate

    show, done = progress_bar(len(dataset.records)), 0

    def counted(images):
        nonlocal done
        found = candidates(images)
        done += len(images)
        show(done)
        return found

    try:
        return evaluate(counted, dataset, **options)
    except (tf.errors.InvalidArgumentError, tf.errors.DataLossError, tf.errors.NotFoundError):
        check_images(dataset)
        raise


def say_undrawable(class_names):
    """Says which names no font here can draw, before pictures or plots show boxes for their letters."""
    from yolo_tf.pictures.fonts import describe_undrawable

    if line := describe_undrawable(class_names):
        say(line)


def find_class_ids(words, class_names):
    """Returns the class numbers that words of the command line stand for.

    Args:
        words: each one class, or several separated by commas: names, or numbers from 0. A name wins over a
            number, and a name with a comma in it over its parts.
        class_names: names of the C classes.

    Returns:
        tuple of int, each once, in the order given.

    Raises:
        InputError: no such class.

    Example: ["car,2", "traffic light"] of ("car", "traffic light", "bus") gives (0, 2, 1).
    """
    numbers = {str(number): number for number in range(len(class_names))}
    numbers |= {name: number for number, name in enumerate(class_names)}
    found = []
    for word in words:
        for part in [word] if word in numbers else map(str.strip, word.split(",")):
            if part not in numbers:
                raise InputError(
                    f"--classes: there is no class '{part}'.{did_you_mean(part, class_names)} Expected numbers"
                    f" 0..{len(class_names) - 1} or names of: {', '.join(class_names)}. Correct it; SOURCE goes before --classes."
                )
            found.append(numbers[part])
    return tuple(dict.fromkeys(found))
