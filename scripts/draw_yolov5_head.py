"""Writes the detector that YOLOv5 itself would begin to fine-tune: a checkpoint's weights, and the new head of a seed.

    python scripts/draw_yolov5_head.py yolov5n.pt --classes RBC WBC Platelets --seed 0 --out start.keras
    yolo-tf train --config configs/bccd_yolov5n_finetuned.yaml model.weights=start.keras data.path=BCCD

How a short fine-tuning ends hangs on how its head begins, so a comparison with one run of the original needs that run's
head. It can be drawn anew without PyTorch: PyTorch's generator on the CPU is MT19937, every layer of the network takes
one number of it per weight in turn, and the head comes last.
"""

import argparse
import dataclasses
import math
import sys
from pathlib import Path

import numpy as np

from yolo_tf.system.tensorflow_start import load_tensorflow

load_tensorflow()

from yolo_tf import InputError, detector_spec, save_network  # noqa: E402
from yolo_tf.checkpoints.yolov5.checkpoint import read_yolov5  # noqa: E402
from yolo_tf.heads.anchor.layers import prior_logits  # noqa: E402
from yolo_tf.models.imported.yolov5 import build_imported  # noqa: E402


class TorchGenerator:
    """The numbers that PyTorch draws on the CPU after `torch.manual_seed(seed)`."""

    def __init__(self, seed):
        self.generator = np.random.RandomState(seed)

    def skip(self, count):
        """Draws `count` numbers for nothing."""
        self.generator.randint(2**32, size=count, dtype=np.uint32)

    def uniform(self, bound, shape):
        """Draws like `torch.empty(shape).uniform_(-bound, bound)`: float32, made of the lower 24 of 32 bits each."""
        bits = self.generator.randint(2**32, size=shape, dtype=np.uint32) & 0xFFFFFF
        bound = float(np.float32(bound))
        return (bits * 2.0**-24 * (2 * bound) - bound).astype(np.float32)  # rounded once, as its multiply-add is

    def convolution(self, filters, channels):
        """Draws a 1 x 1 convolution like `torch.nn.Conv2d` does: kernel [1, 1, channels, filters] and bias [filters]."""
        bound = 1 / math.sqrt(channels)
        kernel = self.uniform(bound, (filters, channels, 1, 1))
        return [kernel.transpose(2, 3, 1, 0), self.uniform(bound, filters)]


def with_new_head(checkpoint, class_names, seed):
    """Replaces the head of a checkpoint.

    Args:
        checkpoint: Yolov5Checkpoint.
        class_names: C names.
        seed: the original's `--seed`.

    Returns:
        Yolov5Checkpoint of C classes.
    """
    generator = TorchGenerator(seed)
    weights = {name: arrays for name, arrays in checkpoint.weights.items() if not name.startswith("head_")}
    for arrays in weights.values():  # drawn before the head and then overwritten; batch norms draw nothing
        generator.skip(sum(array.size for array in arrays if array.ndim == 4))
    anchors = checkpoint.anchors
    for stride in anchors.strides:
        name = f"head_p{stride.bit_length() - 1}"
        channels = checkpoint.weights[name][0].shape[2]
        kernel, bias = generator.convolution(anchors.per_cell * (5 + len(class_names)), channels)
        prior = np.tile(prior_logits(stride, num_classes=len(class_names)), anchors.per_cell)
        weights[name] = [kernel, bias + prior]
    return dataclasses.replace(checkpoint, class_names=tuple(class_names), weights=weights)


def main(words=None):
    """Writes the file that `words` ask for; None = those of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="YOLOv5's .pt file")
    parser.add_argument("--classes", nargs="+", required=True, metavar="NAME", help="class names in the data set's order")
    parser.add_argument("--seed", type=int, default=0, help="of the run of the original (default: 0, as there)")
    parser.add_argument("--out", type=Path, required=True, help=".keras file to write")
    arguments = parser.parse_args(words)
    if arguments.out.suffix != ".keras":
        raise InputError(f"{arguments.out}: is no name of a Keras file. Expected one that ends with .keras. Change --out.")
    if not 0 <= arguments.seed < 2**32:
        raise InputError(f"--seed: got {arguments.seed}. Expected 0 to {2**32 - 1}. Take the one that the original ran with.")
    if len(set(arguments.classes)) < len(arguments.classes):
        raise InputError(f"--classes: {' '.join(arguments.classes)} has a name twice. Expected each once. Remove the second.")
    checkpoint = with_new_head(read_yolov5(arguments.checkpoint), arguments.classes, arguments.seed)
    spec = detector_spec(
        class_names=checkpoint.class_names, image_size=checkpoint.image_size, anchors=checkpoint.anchors, name=checkpoint.name
    )
    save_network(build_imported(checkpoint, where=arguments.checkpoint), spec, arguments.out)
    print(f"{arguments.out}: {checkpoint.name}, {len(checkpoint.class_names)} classes, head of seed {arguments.seed}")


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
