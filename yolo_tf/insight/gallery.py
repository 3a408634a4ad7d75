"""Pictures of the images with the most faults: what is right, wrong and missed, in three colours."""

import dataclasses
from pathlib import Path

import numpy as np
from PIL import Image

from yolo_tf.data.images import read_record_image
from yolo_tf.insight.faults import ImageFaults, kept_detections
from yolo_tf.pictures.drawing import draw_labelled, write_picture

# Distinct under every common colour vision deficiency (Okabe & Ito).
RIGHT, WRONG, MISSED = (0, 158, 115), (213, 94, 0), (86, 180, 233)
MOST_PICTURES = 12
LONGEST_SIDE = 900  # px of a picture
LEAST_SIDE = 480  # smaller images are enlarged, so that the letters are in proportion


@dataclasses.dataclass(frozen=True, kw_only=True)
class FaultPicture:
    """One picture of the gallery, and what it shows."""

    path: Path
    image: str  # path of the image
    faults: ImageFaults


def write_gallery(insight, folder):
    """Draws the worst images of an Insight into `folder`, numbered 01.jpg, 02.jpg ..., the worst first.

    Pictures of higher numbers, of an evaluation before, are removed.

    Returns:
        tuple of FaultPicture, at most MOST_PICTURES; images without faults are left out.
    """
    worst = [faults for faults in insight.images[:MOST_PICTURES] if faults.num_faults]
    pictures = []
    for number, faults in enumerate(worst, 1):
        record = insight.dataset.records[faults.index]
        [kept] = kept_detections([insight.result.detections[faults.index]], insight.shown_threshold)
        path = _place(folder, number)
        image = read_record_image(record)
        write_picture(draw_faults(image, record, kept, faults, insight.dataset.class_names), path)
        pictures.append(FaultPicture(path=path, image=record.path, faults=faults))
    for number in range(len(worst) + 1, MOST_PICTURES + 1):
        _place(folder, number).unlink(missing_ok=True)
    return tuple(pictures)


def _place(folder, number):
    return folder / f"{number:02}.jpg"


def draw_faults(image, record, kept, faults, class_names):
    """Draws one image: right detections in green, wrong ones in orange with class and score, missed boxes in blue with class.

    Where labels would lie on one another, the surest wrong detection has its own.

    Args:
        image: uint8 [H, W, 3] RGB, the pixels of `record`.
        record: ImageRecord.
        kept: the ImageDetections that `faults` numbers.
        faults: ImageFaults.
        class_names: C names.

    Returns:
        uint8 [h, w, 3] RGB, its longer side LEAST_SIDE to LONGEST_SIDE px.
    """
    height, width = image.shape[:2]
    longest = max(height, width)
    scale = min(max(longest, LEAST_SIDE), LONGEST_SIDE) / longest
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = np.array(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))

    rows = [(kept.boxes[index], "", RIGHT) for index in faults.right]
    rows += [(record.boxes[index], class_names[record.class_ids[index]], MISSED) for index in faults.missed]
    worst_last = faults.wrong[::-1]  # the surest is the worst, and lies on top
    rows += [(kept.boxes[one], f"{class_names[kept.class_ids[one]]} {kept.scores[one]:.2f}", WRONG) for one in worst_last]
    if not rows:
        return small
    boxes, texts, colors = zip(*rows, strict=True)
    return draw_labelled(small, np.array(boxes) * scale, texts, colors, apart=True)
