"""A data set of any format -> YOLO text, COCO JSON or Pascal VOC, with the same boxes."""

import dataclasses
import os
from pathlib import PurePath
from xml.sax.saxutils import escape

import numpy as np

from yolo_tf.config.plain import plain
from yolo_tf.doctor.layout import Entry, reserved, write_layout
from yolo_tf.system.image_formats import IMAGE_FORMATS, begins_as_image

LEAST_VOC_SIDE = 1.0  # px; a box of one pixel has one index twice in VOC, which stands for none


@dataclasses.dataclass(frozen=True, kw_only=True)
class Conversion:
    """What was written."""

    images: dict[str, int]  # split -> number
    boxes: dict[str, int]
    left_out: dict[str, int]  # split -> boxes that the format cannot hold

    to_json = plain


def convert(datasets, format_name, directory):
    """Writes data sets as splits of one, whole or not at all; images are links to the originals, packed ones are files.

    Args:
        datasets: {split: DetectionDataset}, all with the same classes.
        format_name: one of `layout.FORMATS`.
        directory: new.

    Returns:
        Conversion. YOLO text has no crowds, and VOC no boxes of a pixel's width: these are left out and counted.

    Raises:
        InputError: the directory is there already, or a packed image cannot be read.
    """
    class_names = next(iter(datasets.values())).class_names
    left_out, entries = dict.fromkeys(datasets, 0), {}
    with reserved(directory, "out") as root:
        for split, dataset in datasets.items():
            entries[split] = []
            for record, contents in zip(dataset.records, _contents(dataset.records), strict=True):
                kept = _kept(record, format_name)
                left_out[split] += len(record.boxes) - len(kept.boxes)
                entries[split].append(
                    Entry(
                        source="" if contents else record.path,
                        contents=contents,
                        suffix=_suffix_of(contents) if contents else os.path.splitext(record.path)[1],
                        name=PurePath(record.image_id).name if contents else PurePath(record.path).stem,
                        label=LABELS[format_name](kept, class_names),
                    )
                )
        write_layout(root, format_name, entries, class_names)
    return Conversion(
        images={split: len(dataset.records) for split, dataset in datasets.items()},
        boxes={split: dataset.num_boxes - left_out[split] for split, dataset in datasets.items()},
        left_out=left_out,
    )


def _kept(record, format_name):
    sides = record.boxes[:, 2:] - record.boxes[:, :2]
    keep = {"yolo": ~record.is_crowd, "voc": (sides > LEAST_VOC_SIDE).all(1), "coco": np.ones(len(sides), bool)}[format_name]
    return dataclasses.replace(record, boxes=record.boxes[keep], class_ids=record.class_ids[keep], is_crowd=record.is_crowd[keep])


def _contents(records):
    """Yields the bytes of packed images; b"" for files."""
    if not records or records[0].byte_offset is None:
        yield from (b"" for _ in records)
        return
    from yolo_tf.data.image_bytes import byte_reader

    read = byte_reader(records)
    yield from (read(index).numpy() for index in range(len(records)))


def _suffix_of(contents):
    kinds = {b"\xff\xd8": "JPEG", b"\x89P": "PNG", b"BM": "BMP", b"GI": "GIF", b"RI": "WebP"}
    return IMAGE_FORMATS[kinds[contents[:2]]][0] if begins_as_image(contents[:12]) else ""


def yolo_text(record, class_names):
    """Returns the label file of a record: a row for each box, in fractions of the upright image."""
    x1, y1, x2, y2 = (record.boxes / np.array([record.width, record.height] * 2)).T
    columns = zip(record.class_ids, (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, strict=True)
    return "".join(f"{class_id} {x:.9g} {y:.9g} {width:.9g} {height:.9g}\n" for class_id, x, y, width, height in columns)


def voc_text(record, class_names):
    """Returns the annotation of a record: pixels counted from 1, both corners inside; crowds are difficult."""
    objects = [
        f"  <object>\n    <name>{escape(class_names[class_id])}</name>\n    <difficult>{int(crowd)}</difficult>\n"
        f"    <bndbox><xmin>{x1 + 1:.9g}</xmin><ymin>{y1 + 1:.9g}</ymin><xmax>{x2:.9g}</xmax><ymax>{y2:.9g}</ymax></bndbox>\n"
        "  </object>\n"
        for class_id, crowd, (x1, y1, x2, y2) in zip(record.class_ids, record.is_crowd, record.boxes.tolist(), strict=True)
    ]
    size = f"  <size><width>{record.width}</width><height>{record.height}</height><depth>3</depth></size>\n"
    return f"<annotation>\n{size}{''.join(objects)}</annotation>\n"


def coco_label(record, class_names):
    """Returns (image, annotations) of a record as COCO has them, without ids; categories count from 1."""
    annotations = [
        {
            "category_id": int(class_id) + 1,
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "area": (x2 - x1) * (y2 - y1),
            "iscrowd": int(crowd),
        }
        for class_id, crowd, (x1, y1, x2, y2) in zip(record.class_ids, record.is_crowd, record.boxes.tolist(), strict=True)
    ]
    return {"width": record.width, "height": record.height}, annotations


LABELS = {"yolo": yolo_text, "voc": voc_text, "coco": coco_label}  # format -> the labels of a record as text or dicts
