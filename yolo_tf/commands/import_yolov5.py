"""`yolo-tf import-yolov5`: a YOLOv5 checkpoint -> a .keras file, without PyTorch."""

from pathlib import Path

from yolo_tf.errors import InputError
from yolo_tf.system.tensorflow_start import load_tensorflow
from yolo_tf.terminal.tables import format_table


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
    from yolo_tf.models.imported.yolov5 import import_yolov5

    result = import_yolov5(
        arguments.weights,
        arguments.out,
        image_size=None if size is None else (size, size),
        reference=arguments.reference,
        backbone_only=arguments.backbone_only,
    )
    print(_format(result))
    print(f"wrote {result.out}")
    return result


def _format(report):
    checkpoint, (height, width) = report.checkpoint, report.image_size
    tensors = [
        {"tensors": part, **{name: f"{counts[name]}" for name in ("read", "used", "unused")}}
        for part, counts in checkpoint.tensors.items()
    ]
    lines = [
        f"{checkpoint.name}: YOLOv5 {checkpoint.versions}, depth {checkpoint.depth}, width {checkpoint.width},"
        f" {len(checkpoint.class_names)} classes, {report.trainable_params:,} parameters, {height} x {width} px",
        f"weights: {checkpoint.weights_of}, stored as {checkpoint.precision}",
        "",
        format_table(tensors),
    ]
    if checkpoint.unused:
        lines.append(f"unused: {', '.join(checkpoint.unused)}, which only PyTorch needs")
    if report.largest_difference is not None:
        numbers = ", ".join(f"{level} {value:.1e}" for level, value in report.largest_difference.items())
        lines.append(f"largest difference from the reference, raw predictions: {numbers}")
    return "\n".join(lines)
