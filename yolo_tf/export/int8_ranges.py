"""The ranges of the tensors of an int8 file: what its 256 steps are laid over, taken from calibration images."""

from typing import NamedTuple

import numpy as np

from yolo_tf.export.tflite_graph import read_model, write_model
from yolo_tf.files.tflite import tflite_interpreter


class Ranges(NamedTuple):
    """What each tensor with a range holds in each image, float32, in the unit of the tensor."""

    tensors: tuple  # of T places in the graph
    least: np.ndarray  # [n, T]
    largest: np.ndarray  # [n, T]


def measure_ranges(content, samples):
    """Returns the Ranges over `samples`, lists of the one input of a file that is calibrated and still in float.

    One image at a time goes through, so memory does not grow with their number. What the converter's own calibration
    notes is of all images together and, where an operation writes its result over its input, of both.
    """
    graph = read_model(content).subgraphs[0]
    tensors = tuple(place for place, tensor in enumerate(graph.tensors) if _has_range(tensor))
    interpreter = tflite_interpreter(model_content=content, experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    least, largest = [], []
    for (images,) in samples:
        interpreter.set_tensor(graph.inputs[0], images)
        interpreter.invoke()
        values = [interpreter.get_tensor(place) for place in tensors]
        least.append([value.min() for value in values])
        largest.append([value.max() for value in values])
    return Ranges(tensors, np.float32(least), np.float32(largest))


def set_ranges(content, ranges, *, whole, unset):
    """Returns a calibrated file, bytes, with these Ranges.

    The steps of a tensor named in `whole` reach over all that it holds in any image. Of every other they reach from the
    mean of the images' least values to that of their largest: a few images with extremes of their own would make all steps
    coarser, up to twice in a trained YOLOv5n, and all lose more by that than those few by being cut off.

    What stays in float is to have no range: a concatenation wants one scale for all it joins, and the quantiser hands it
    back to the convolutions in front even where the concatenation is left in float. So boxes had the coarse steps of scores.

    Args:
        content: bytes of the file that `ranges` was measured on.
        ranges: Ranges.
        whole: names of tensors.
        unset: names of the tensors that stay in float.

    Source: ranges averaged over calibration batches, arXiv:1712.05877, section 3.1.
    """
    model = read_model(content)
    for place, least, largest in zip(ranges.tensors, ranges.least.T, ranges.largest.T, strict=True):
        tensor = model.subgraphs[0].tensors[place]
        name, stated = tensor.name.decode(), tensor.quantization
        if name in unset:
            stated.min = stated.max = None
        else:
            stated.min = np.float32([least.min() if name in whole else least.mean()])
            stated.max = np.float32([largest.max() if name in whole else largest.mean()])
    return write_model(model)


def _has_range(tensor):
    return tensor.quantization is not None and np.size(tensor.quantization.min) == 1 and tensor.quantization.min is not None
