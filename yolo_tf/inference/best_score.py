"""What a detector came nearest to, where nothing reached the score threshold."""

import dataclasses

import numpy as np

from yolo_tf.inference.detector import choose_image_size
from yolo_tf.inference.frames.files import InputImage, read_inputs

MOST_LOOKED_AT = 16  # images: the figure is a hint, and each is looked at a second time


@dataclasses.dataclass(frozen=True, kw_only=True)
class BestScore:
    """The highest score that any candidate of some images has."""

    score: float  # 0..1
    class_name: str
    path: object  # of its image
    num_images: int  # that were looked at


def best_score(detector, paths, options):
    """Looks at some images again, spread evenly over all, and returns their BestScore; None where none can be read.

    Args:
        detector, paths: as for `predict_images`.
        options: PredictOptions; image_size, rect and detect.class_ids count.
    """
    chosen = paths[:: -(-len(paths) // MOST_LOOKED_AT)]
    image_size = choose_image_size(detector, options.image_size)
    found = []
    looks = {"image_size": image_size, "rect": options.rect, "letterbox": detector.spec.letterbox}
    for path, image in zip(chosen, read_inputs(chosen, ahead=0, **looks), strict=True):
        if isinstance(image, InputImage):
            scores = np.asarray(detector.candidates(image.pixels[None])[1])[0].max(0)  # [C]
            class_ids = list(options.detect.class_ids) or range(len(scores))
            found.append((max((float(scores[class_id]), class_id) for class_id in class_ids), path))
    if not found:
        return None
    (score, class_id), path = max(found, key=lambda one: one[0][0])
    return BestScore(score=score, class_name=detector.spec.class_names[class_id], path=path, num_images=len(found))
