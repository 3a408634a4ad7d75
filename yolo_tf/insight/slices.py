"""AP of parts of a data set: by size, aspect, crowding and the border for its boxes, by number of boxes for its images."""

import dataclasses

import numpy as np

from yolo_tf.evaluation.coco import Slices, defined, sliced_numbers
from yolo_tf.evaluation.matching import overlaps

BORDER = 1.0  # px; a box that comes as near to an edge of the image touches it


@dataclasses.dataclass(frozen=True, kw_only=True)
class Slice:
    """One part of a data set; AP and AP50 are fractions 0..1, None where there is no box to find."""

    name: str
    boxes: int  # to find, crowds left out
    images: int  # with such a box
    AP: float | None
    AP50: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Partition:
    """A data set divided by one property."""

    title: str
    slices: tuple[Slice, ...]

    def to_json(self):
        """Returns a dict of JSON values by the name of the slice."""
        return {one.name: {key: value for key, value in dataclasses.asdict(one).items() if key != "name"} for one in self.slices}


@dataclasses.dataclass(frozen=True)
class Property:
    """A number that boxes have, and where it is divided."""

    title: str
    edges: tuple[float, ...]  # a value on an edge belongs to the slice above
    names: tuple[str, ...]  # one more than edges
    of_boxes: object  # (boxes float64 [n, 4] xyxy px of each record, ImageRecords) -> [sum of n]
    of_detections: object = None  # the same for what was found, where it differs


def _sides(boxes, records):
    return np.sqrt(np.prod(_sizes(boxes), axis=1))


def _aspects(boxes, records):
    width, height = np.maximum(_sizes(boxes), 1e-6).T
    return width / height


def _touches_border(boxes, records):
    counts, corners = list(map(len, boxes)), np.concatenate(boxes)
    size_wh = np.repeat([(record.width, record.height) for record in records], counts, axis=0)
    return ((corners[:, :2] <= BORDER) | (corners[:, 2:] >= size_wh - BORDER)).any(axis=1)


def _crowding(boxes, records):
    """Returns the largest IoU of each box with another one of its record."""
    rows = []
    for one in boxes:
        iou = overlaps(one, one)
        np.fill_diagonal(iou, 0)
        rows.append(iou.max(axis=1, initial=0))
    return np.concatenate(rows)


def _crowding_of_detections(boxes, records):
    """Returns the second largest IoU with a box of the record: the largest is the one that the detection may be of."""
    rows = []
    for one, record in zip(boxes, records, strict=True):
        iou = overlaps(one, record.boxes)
        rows.append(np.partition(iou, -2, axis=1)[:, -2] if iou.shape[1] > 1 else np.zeros(len(one)))
    return np.concatenate(rows)


def _sizes(boxes):
    corners = np.concatenate(boxes)
    return corners[:, 2:] - corners[:, :2]


PROPERTIES = {
    "size": Property(
        "Size (square root of the area, px of the image)",
        (16, 32, 96, 288),
        ("below 16", "16 to 32", "32 to 96", "96 to 288", "from 288"),
        _sides,
    ),
    "aspect": Property(
        "Aspect (width to height)",
        (1 / 3, 2 / 3, 3 / 2, 3),
        ("below 1:3", "1:3 to 2:3", "2:3 to 3:2", "3:2 to 3:1", "from 3:1"),
        _aspects,
    ),
    "crowding": Property(
        "Crowding (largest IoU with another box)",
        (1e-9, 0.1, 0.3, 0.5),
        ("0", "to 0.1", "0.1 to 0.3", "0.3 to 0.5", "from 0.5"),
        _crowding,
        _crowding_of_detections,
    ),
    "border": Property("Border of the image", (0.5,), ("inside", "touches it"), _touches_border),
}
BOXES_PER_IMAGE = ((1, 2, 6, 21, 51), ("0", "1", "2 to 5", "6 to 20", "21 to 50", "from 51"))


def partition_boxes(dataset, detections, of):
    """Divides the boxes of a data set by a property and measures each slice, as COCO does its sizes.

    A detection of another slice counts where it finds a box of this one; a wrong one counts in the slice that it is of itself.

    Args:
        dataset, detections: as in match_detections.
        of: Property.

    Returns:
        Partition, its slices in the order of `of.names`.
    """
    of_boxes = _divide(of.of_boxes, dataset.records, dataset.records, of.edges)
    of_detections = _divide(of.of_detections or of.of_boxes, detections, dataset.records, of.edges)
    slices = Slices(of_boxes, of_detections, len(of.names))
    truths = np.concatenate([np.zeros(0, bool), *(~record.is_crowd for record in dataset.records)])
    images = np.repeat(np.arange(len(dataset.records)), [len(record.boxes) for record in dataset.records])
    counts = np.zeros((len(dataset.records), slices.count), np.int64)
    np.add.at(counts, (images[truths], of_boxes[truths]), 1)
    numbers = sliced_numbers(dataset, detections, slices)
    columns = zip(of.names, counts.sum(axis=0), (counts > 0).sum(axis=0), numbers, strict=True)
    rows = (Slice(name=name, boxes=int(boxes), images=int(images), **of_slice) for name, boxes, images, of_slice in columns)
    return Partition(title=of.title, slices=tuple(rows))


def partition_images(dataset, evaluator):
    """Divides the images by how many boxes there are to find, and measures each part; wrong detections count in theirs.

    Args:
        dataset: DetectionDataset.
        evaluator: of `coco_evaluator(dataset, detections)`.

    Returns:
        Partition; images without a box to find are the first slice, which has no AP.
    """
    edges, names = BOXES_PER_IMAGE
    counts = np.array([np.count_nonzero(~record.is_crowd) for record in dataset.records], np.int64)
    parts = np.digitize(counts, edges)
    members = {str(part): (np.flatnonzero(parts == part) + 1).tolist() for part in np.unique(parts)}
    numbers = evaluator.slice_by(members) if members else {}

    def row(part, name):
        known = numbers.get(str(part), {"AP": -1, "AP50": -1})
        inside = counts[parts == part]
        values = {key: defined(known[key]) if inside.any() else None for key in ("AP", "AP50")}
        return Slice(name=name, boxes=int(inside.sum()), images=len(inside), **values)

    return Partition(title="Boxes in the image", slices=tuple(row(part, name) for part, name in enumerate(names)))


def _divide(measured, rows, records, edges):
    """Returns the slice of each box of `rows`, which have boxes, one for each record: int64 [sum of n]."""
    if not records:
        return np.zeros(0, np.int64)
    return np.digitize(measured([np.asarray(row.boxes, np.float64).reshape(-1, 4) for row in rows], records), edges)
