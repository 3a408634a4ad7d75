"""What `yolo-tf predict` says of a run: its closing line, what was cut, what was not found, what could not be read or written."""

import collections

from yolo_tf.errors import InputError, shown
from yolo_tf.system.image_formats import IMAGE_WORDS
from yolo_tf.terminal import say

NAMED = 3  # images that do not decode; the others are counted
LITTLE_AP = 0.05  # below it hardly any object of the validation split is found


def raise_faults(unreadable, totals, num_images):
    """Raises InputError where an image could not be read that has no row of its own, or a file could not be written."""
    for line in totals.unwritten[1:]:
        say(line)
    lines = [str(unreadable[0].error)] if len(unreadable) == 1 else []
    if len(unreadable) > 1:
        others = f" and {len(unreadable) - NAMED} others" if len(unreadable) > NAMED else ""
        lines.append(
            f"{', '.join(str(result.path) for result in unreadable[:NAMED])}{others}: {len(unreadable)} of {num_images} images do"
            f" not decode. Expected {IMAGE_WORDS}. Replace or remove them; the others were written."
        )
    if totals.unwritten:
        lines.append(totals.unwritten[0])
    if totals.num_unwritten > 1:
        lines.append(f"{totals.num_unwritten} files like this could not be written; everything else was.")
    if lines:
        raise InputError(" ".join(lines))


def count_names(detections):
    """Returns "3 car, 1 bus", most frequent first."""
    counts = collections.Counter(detection["class_name"] for detection in detections)
    return ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "nothing found"


def describe_pictures(paths):
    """Returns the lines about pictures that look otherwise than they should: dark ones of 16 bits."""
    from yolo_tf.sources.image_files import deep_images
    from yolo_tf.sources.label_check import describe_dark

    return [line for line in [describe_dark(deep_images(paths))] if line]


def describe_nothing(best, model, asked):
    """Returns the lines that say how near the detector came (a BestScore or None), and what is known of its accuracy.

    `asked` says what was asked for: the threshold of all classes, or the file with those of each.
    """
    from yolo_tf.files.run_directory import recorded_accuracy

    lines = []
    if best:
        lines.append(
            f"nothing reaches {asked}: the best score in {best.num_images} images looked at again is"
            f" {best.score:.3f} ({best.class_name} in {shown(best.path)})"
        )
    metrics, record = recorded_accuracy(model)
    if metrics is None:
        lines.append(f"no accuracy is recorded beside {model}: yolo-tf evaluate {model} --data DATASET.yaml measures it")
    else:
        numbers = [f"{name} {'none' if metrics.get(name) is None else format(metrics[name], '.3f')}" for name in ("AP", "AP50")]
        lines.append(f"recorded accuracy of the best network of its run: {', '.join(numbers)} ({record})")
        if metrics.get("AP") is not None and metrics["AP"] < LITTLE_AP:
            lines[-1] += ". It has learned too little: train longer, on more pictures, or from a trained detector (model.weights)"
    return lines


def describe_totals(totals, many):
    """Returns the closing line."""
    before = f" after the {totals.num_images_before} there were" if totals.num_images_before else ""
    bad = f", {totals.num_bad_images} of them unreadable" if totals.num_bad_images else ""
    rows = " (rows with an error)" if bad and many else ""
    median = "" if many or totals.median_milliseconds is None else f", {totals.median_milliseconds:.1f} ms an image (median)"
    speed = f", {totals.images_per_second:.1f} images/s" if many else median
    return f"{totals.num_images} images{before}{bad}{rows}, {totals.num_detections} detections{speed}"


def describe_cut(found, num_images, limit):
    """Returns the line that says how many images had more candidates than entered suppression, of totals or of an evaluation."""
    needed = limit + found.most_cut
    return (
        f"{found.num_images_cut} of {num_images} images had more than the {limit} candidates that"
        f" enter suppression, up to {needed}: objects may be missing. Look at all of them with --max-candidates {needed}."
    )
