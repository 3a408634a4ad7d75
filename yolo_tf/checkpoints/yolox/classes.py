"""What the classes of a YOLOX file are called: it does not say."""

from yolo_tf.errors import InputError
from yolo_tf.system.class_names import clean_names
from yolo_tf.system.shipped import find_shipped
from yolo_tf.system.yaml_file import read_yaml

COCO = "coco128"  # a shipped data set with the 80 names


def yolox_class_names(checkpoint, class_names=None, *, where):
    """Returns the names of a YoloxCheckpoint's classes: those that are given, else COCO's.

    Raises:
        InputError: another number of them than the file has classes, none where it has not COCO's 80, or one that repeats.
    """
    count = checkpoint.num_classes
    names = clean_names(coco_names() if class_names is None else class_names, where)
    if len(names) != count:
        classes = "class" if count == 1 else "classes"
        given = "COCO has" if class_names is None else "there are"
        fix = "Give the names of its classes, in order, as `names`." if class_names is None else "Correct `names`."
        raise InputError(f"{where}: finds {count} {classes}, while {given} {len(names)} names. Expected one for each. {fix}")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(f"{where}: the names {repeated} repeat. Expected each once. Correct `names`.")
    return names


def coco_names():
    """Returns the names of COCO's 80 classes."""
    return clean_names(read_yaml(find_shipped(COCO, "datasets", required=True), texts=("names",))["names"], COCO)
