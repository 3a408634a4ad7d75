"""`yolo-tf import-yolox`: a file of YOLOX's authors -> a .keras file, without PyTorch or ONNX."""

from pathlib import Path

from yolo_tf.commands.arguments import add_image_size
from yolo_tf.errors import InputError
from yolo_tf.system.tensorflow_start import load_tensorflow

MOST_PHOTOGRAPHS = 64  # their cells are millions, and the outputs of all layers are looked at
PHOTOGRAPH_SIZE = (416, 416)  # px, where no size is given


def add_arguments(parser):
    """Declares the arguments."""
    parser.add_argument(
        "weights", type=Path, metavar="WEIGHTS", help=".pth or .onnx of YOLOX, nano to x or other multiples; never executed"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="MODEL.keras", help="file to write")
    names = "names of its classes, in order: one a line, or a data set YAML; default: COCO's, for 80 classes"
    parser.add_argument("--names", type=Path, metavar="FILE", help=names)
    images = "photographs (files, directories, globs) that give an .onnx the statistics it was folded out of, so that it trains"
    parser.add_argument("--images", nargs="+", default=(), metavar="SOURCE", help=images)
    add_image_size(parser, "default: as trained (416 for nano and tiny, else 640), or as the .onnx is fixed to")


def run(arguments):
    """Imports; prints what was read and returns it."""
    size = arguments.image_size
    size = (size, size) if isinstance(size, int) else size
    for side in size or ():
        if side <= 0 or side % 32:
            raise InputError(f"--image-size: {side} is no positive multiple of 32. Use {max(32, round(side / 32) * 32)}.")
    from yolo_tf.sources.dataset_yaml import read_class_names

    names = None if arguments.names is None else read_class_names(arguments.names)

    load_tensorflow()
    from yolo_tf.models.imported.yolox import import_yolox

    images = _photographs(arguments.images, size) if arguments.images else None
    result = import_yolox(arguments.weights, arguments.out, class_names=names, image_size=size, images=images)
    print(_format(result))
    print(f"wrote {result.out}")
    return result


def _photographs(sources, image_size):
    """Reads MOST_PHOTOGRAPHS of the images that are named, at most, as the network sees them: uint8 [n, H, W, 3]."""
    import numpy as np

    from yolo_tf.data.images import read_image
    from yolo_tf.data.letterbox import letterbox_image
    from yolo_tf.inference.frames.files import list_images
    from yolo_tf.models.imported.yolox import LETTERBOX

    paths = list_images(sources)
    paths = paths[:: max(1, -(-len(paths) // MOST_PHOTOGRAPHS))]
    size = image_size or PHOTOGRAPH_SIZE
    return np.stack([letterbox_image(read_image(path), size, letterbox=LETTERBOX)[0].numpy().astype(np.uint8) for path in paths])


def _format(report):
    checkpoint, (height, width) = report.checkpoint, report.image_size
    shape = checkpoint.shape
    lines = [
        f"{shape.name}: YOLOX, depth {shape.depth:g}, width {shape.width:g}{', depthwise' if shape.depthwise else ''},"
        f" {checkpoint.num_classes} classes, {report.trainable_params:,} parameters, {height} x {width} px, letterbox in the"
        " corner",
        f"weights: {checkpoint.tensors} tensors, all used; SHA-256 {checkpoint.digest}",
    ]
    if not report.trains:
        lines.append(
            "its batch norms are folded into the convolutions: it answers as the original does; to train it further, import the"
            " .pth, which has their statistics, or give photographs: --images SOURCE; `yolo-tf train` takes its own images"
        )
    return "\n".join(lines)
