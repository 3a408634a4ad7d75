"""What the verbs that export share: the images they compare on, and the thresholds they write."""

import dataclasses

from yolo_tf.commands.arguments import given_thresholds
from yolo_tf.errors import InputError
from yolo_tf.terminal import say

MOST_IMAGES = 16  # compared; more take time and say little


def read_sources_and_detect(arguments):
    """Returns (the words of --images, DetectConfig of the words detect.key=value and of --thresholds)."""
    from yolo_tf.config import DetectConfig
    from yolo_tf.config.reader import read_config

    for override in arguments.overrides:
        if not override.startswith("detect."):
            raise InputError(
                f"'{override}': is no option of an export. Expected detect.key=value, as detect.score_threshold=0.3."
            )
    # --images takes every word up to the next option, overrides among them
    sources = [word for word in arguments.images or () if not word.startswith("detect.")]
    overrides = arguments.overrides + [word for word in arguments.images or () if word.startswith("detect.")]
    detect = read_config(overrides=overrides).detect
    score_threshold = ("detect.score_threshold", detect.score_threshold, DetectConfig().score_threshold)
    return sources, dataclasses.replace(detect, **given_thresholds(arguments, score_threshold))


def say_low_limit(detect):
    """Says where fewer candidates enter the suppression inside a file than its detections need."""
    needed = dataclasses.replace(detect, max_candidates=0).candidate_limit
    if detect.candidate_limit < needed:
        say(
            f"detect.max_candidates: {detect.candidate_limit} candidates of an image enter suppression inside the file, fewer"
            f" than {detect.max_detections} detections need. Leave it out for {needed}."
        )


def read_given_images(sources):
    """Reads at most MOST_IMAGES of the images that file names, directories and globs stand for."""
    from yolo_tf.data.images import read_image
    from yolo_tf.inference.frames.files import list_images

    return [read_image(place) for place in spread(list_images(sources))]


def spread(places):
    """Returns MOST_IMAGES of a list at most, evenly from the whole of it."""
    return places[:: max(1, -(-len(places) // MOST_IMAGES))]
