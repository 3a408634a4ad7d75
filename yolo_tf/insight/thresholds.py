"""The score thresholds at which a detector does best, for all classes and for each, and the file that carries them."""

import dataclasses
import json
from collections.abc import Sequence

import numpy as np

from yolo_tf.errors import InputError
from yolo_tf.system.atomic import write_json
from yolo_tf.system.text_file import read_text

KIND = "yolo_tf thresholds"  # what the file says it is


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassThreshold:
    """Where the F1 of one class is largest, and what is measured there; None where the class has no box to find."""

    score_threshold: float
    f1: float | None
    precision: float | None
    recall: float | None
    boxes: int  # to find


@dataclasses.dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Least scores, 0..1, IoU 0.5."""

    score_threshold: float  # where the mean F1 over the classes is largest
    per_class: dict[str, ClassThreshold]  # in the order of the class numbers

    def to_json(self):
        """Returns a dict of JSON values."""
        classes = {name: dataclasses.asdict(one) for name, one in self.per_class.items()}
        return {"score_threshold": self.score_threshold, "per_class": classes}


def best_thresholds(curves):
    """Finds the thresholds with the largest F1.

    Where a range of thresholds gives the same largest F1, it is the middle of the first such range: as far from the worst
    detection that it keeps out as from the one that it lets in. A class without boxes, or of which nothing right is found,
    has that of all classes.

    Args:
        curves: evaluation.curves.Curves.

    Returns:
        Thresholds; None when no class has boxes.
    """
    if curves.best is None:
        return None
    overall = _middle_of_best(curves.f1[curves.has_truths].mean(axis=0))
    rows = {}
    for index, name in enumerate(curves.class_names):
        f1 = curves.f1[index]
        place = _middle_of_best(f1) if curves.has_truths[index] and f1.max() > 0 else overall
        known = {key: float(getattr(curves, key)[index, place]) for key in ("f1", "precision", "recall")}
        rows[name] = ClassThreshold(
            score_threshold=place / (len(curves.thresholds) - 1),
            boxes=int(curves.num_truths[index]),
            **known if curves.has_truths[index] else dict.fromkeys(known),
        )
    return Thresholds(score_threshold=overall / (len(curves.thresholds) - 1), per_class=rows)


def _middle_of_best(f1):
    """Returns the index in the middle of the first run of the largest values; F1 is a fraction of whole numbers."""
    first = int(f1.argmax())
    worse = np.flatnonzero(f1[first:] < f1[first] - 1e-12)
    last = first + int(worse[0]) - 1 if len(worse) else len(f1) - 1
    return (first + last) // 2


def write_thresholds(thresholds, path, measured_on):
    """Writes the file that `read_thresholds` reads; `measured_on` is a dict of JSON values for whoever opens it."""
    classes = {name: one.score_threshold for name, one in thresholds.per_class.items()}
    content = {"kind": KIND, "score_threshold": thresholds.score_threshold, "classes": classes, "measured_on": measured_on}
    write_json(path, content)


def read_thresholds(path, class_names: Sequence[str]):
    """Reads the least score of each class from a file of `write_thresholds`.

    Args:
        path: JSON file.
        class_names: of the detector; their order may be another one than in the file.

    Returns:
        tuple of C floats 0..1, in the order of `class_names`.

    Raises:
        InputError: the file is missing or no such file, a threshold is none, or the classes are not those of the detector.
    """
    fix = "Write it with `yolo-tf evaluate MODEL --data DATASET.yaml --thresholds FILE`."
    try:
        content = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno}: is no JSON ({error.msg}). Expected a thresholds file. {fix}") from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, or thousands of brackets
        raise InputError(f"{path}: is no JSON that can be read ({error}). Expected a thresholds file. {fix}") from None
    if not isinstance(content, dict) or content.get("kind") != KIND or not isinstance(content.get("classes"), dict):
        raise InputError(f"{path}: is no thresholds file. Expected a JSON object of the kind '{KIND}'. {fix}")
    classes = content["classes"]
    for name, value in classes.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            raise InputError(f"{path}: the threshold of '{name}' is {value!r}. Expected a number 0..1. Correct it.")
    if set(classes) != set(class_names):
        missing, unknown = sorted(set(class_names) - set(classes)), sorted(set(classes) - set(class_names))
        words = [f"{label} {names[:3]}" for label, names in (("lacks", missing), ("has beyond them", unknown)) if names]
        raise InputError(
            f"{path}: {' and '.join(words)}. Expected a threshold for each of the {len(class_names)} classes of the detector."
            " Write it with the detector that it is for."
        )
    return tuple(float(classes[name]) for name in class_names)
