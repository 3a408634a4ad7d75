"""`yolo-tf import-yolov5`: a YOLOv5 checkpoint -> a .keras file, without PyTorch."""

from pathlib import Path

from yolo_tf.errors import InputError
from yolo_tf.system.tensorflow_start import load_tensorflow


def add_arguments(parser):
    """Declares the arguments."""
    parser.add_argument("weights", type=Path, metavar="WEIGHTS.pt", help="checkpoint of YOLOv5 v4.0 to v7.0; never executed")
    parser.add_argument("--out", type=Path, required=True, metavar="MODEL.keras", help="file to write")
    parser.add_argument("--image-size", type=int, metavar="N", help="default input size, px; default: as trained, else 640")
    parser.add_argument("--reference", type=Path, metavar="FILE.npz", help="recorded answer of the original to compare with")
    parser.add_argument("--backbone-only", action="store_true", help="write the backbone alone, to train other classes from")


def run(arguments):
    """Imports; prints the proof and returns it."""
    size = arguments.image_size
    if size is not None and (size <= 0 or size % 32):
        raise InputError(f"--image-size: {size} is no positive multiple of 32. Use {max(32, round(size / 32) * 32)}.")

    load_tensorflow()
    from yolo_tf.yolov5 import format_import, import_yolov5

    result = import_yolov5(
        arguments.weights,
        arguments.out,
        image_size=None if size is None else (size, size),
        reference=arguments.reference,
        backbone_only=arguments.backbone_only,
    )
    print(format_import(result))
    print(f"wrote {result.out}")
    return result
