"""Findings as pictures: the image of each, with the box that it is about, or both images that look alike."""

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from yolo_tf.data.image_bytes import describe_place
from yolo_tf.data.images import read_record_image
from yolo_tf.doctor.findings import Finding
from yolo_tf.errors import InputError
from yolo_tf.pictures.drawing import draw_boxes, draw_grid, write_picture

MOST_OF_ONE = 3  # pictures of one check
MOST_PICTURES = 36
SIDE = 480  # px of the longer side of a picture
SMALL = 6  # times that a box is shorter than its image, from which its surroundings alone are drawn
LEAST_WINDOW = 120  # px of them


@dataclasses.dataclass(frozen=True, kw_only=True)
class DrawnFinding:
    """A picture of a finding."""

    path: Path
    finding: Finding


def write_worst(facts, examination, folder):
    """Draws the first findings of each check into `folder`, but for those without an image, or with one that does not decode.

    Returns:
        tuple of DrawnFinding, errors first, at most MOST_OF_ONE of a check and MOST_PICTURES in all.
    """
    views, drawn, counts, told = _views(facts, examination.findings), [], Counter(), set()
    for finding in examination.findings:
        first, what = views.get(finding.place) or views.get(finding.file), (finding.id, finding.place)
        if not first or what in told or counts[finding.id] == MOST_OF_ONE or len(drawn) == MOST_PICTURES:
            continue  # of a file that two splits have one picture is enough
        told.add(what)
        twin = views.get(finding.value) if isinstance(finding.value, str) else None
        try:
            pictures = [_draw(*view, facts.class_names) for view in (first, twin) if view]
        except InputError:
            continue  # an image that does not decode
        counts[finding.id] += 1
        path = folder / f"{len(drawn):02d}.jpg"
        write_picture(draw_grid(pictures, columns=len(pictures)), path)
        drawn.append(DrawnFinding(path=path, finding=finding))
    return tuple(drawn)


def _views(facts, findings):
    """Returns {place, file or value of a finding: (ImageRecord, class ids [N], boxes [N, 4] px)}: one box, or all of an image."""
    wanted = {word for finding in findings for word in (finding.place, finding.file, finding.value) if isinstance(word, str)}
    views = {}
    for split in facts.splits.values():
        for record, labels in zip(split.reading.records, split.reading.labels, strict=True):
            whole = (record, record.class_ids, record.boxes)
            for place in {record.path, describe_place(record), labels.file} & wanted:
                views.setdefault(place, whole)
            for index, end in enumerate(labels.places):
                if (place := labels.file + end) in wanted:
                    views[place] = (record, labels.class_ids[index : index + 1], labels.boxes[index : index + 1])
    shared = Counter(labels.file for split in facts.splits.values() for labels in split.reading.labels)
    return {place: view for place, view in views.items() if place and shared[place] < 2}


def _draw(record, class_ids, boxes, class_names):
    """Returns an image with boxes, uint8 [h, w, 3], its longer side SIDE px; a class that is none has its number.

    Of a single small box the part of the image around it.
    """
    image = Image.fromarray(read_record_image(record))
    finite = np.isfinite(boxes).all(1)
    boxes, class_ids = boxes[finite], class_ids[finite].astype(np.int64)
    corners = np.concatenate([np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])], 1)
    window = _window(corners, image.size)
    image = image.crop(window)
    scale = SIDE / max(image.size)
    small = image.resize([max(1, round(side * scale)) for side in image.size], Image.Resampling.LANCZOS)
    unknown = [class_id for class_id in class_ids.tolist() if not 0 <= class_id < len(class_names)]
    names = [*class_names, *(f"class {class_id}" for class_id in unknown)]
    rows = [names.index(f"class {one}", len(class_names)) if one in unknown else one for one in class_ids.tolist()]
    return draw_boxes(np.array(small), (corners - [*window[:2], *window[:2]]) * scale, rows, names)


def _window(corners, size_wh):
    """Returns what is drawn of an image, (x1, y1, x2, y2) px: all, or what is around the only one of boxes [N, 4] where small."""
    whole = (0, 0, *size_wh)
    if len(corners) != 1:
        return whole
    (x1, y1, x2, y2), longest = np.clip(corners[0], 0, [*size_wh, *size_wh]), max(size_wh)
    if max(x2 - x1, y2 - y1) > longest / SMALL:
        return whole
    reach = max(2 * max(x2 - x1, y2 - y1), min(LEAST_WINDOW, longest) / 2)  # to each side of the middle
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    low, high = (
        (max(0, int(x - reach)), max(0, int(y - reach))),
        (min(size_wh[0], int(x + reach)), min(size_wh[1], int(y + reach))),
    )
    return (*low, max(high[0], low[0] + 1), max(high[1], low[1] + 1))
