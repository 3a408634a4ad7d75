"""Data sets with planted damage, painted by a few lines, and the same without any: who finds what is known beforehand."""

import io
import json

import numpy as np
from PIL import Image

NAMES = ["cat", "dog"]
WIDTH, HEIGHT = 96, 72
BOX = (12, 8, 44, 50)  # xyxy px; the second object of an image lies beside it
SECOND = (50, 20, 90, 60)


def picture(seed, size=(WIDTH, HEIGHT)):
    """Returns a PIL image of broad random patches, different for each seed, and different turned too."""
    patches = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return Image.fromarray(patches).resize(size, Image.Resampling.BICUBIC)


def encoded(image, kind="JPEG", **options):
    """Returns the bytes of an image file."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def put(path, contents):
    """Writes bytes or text, in a folder that is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(contents if isinstance(contents, bytes) else contents.encode())


def row(class_id, box, size=(WIDTH, HEIGHT)):
    """Returns the line of a YOLO label file."""
    (x1, y1, x2, y2), (width, height) = box, size
    return f"{class_id} {(x1 + x2) / 2 / width} {(y1 + y2) / 2 / height} {(x2 - x1) / width} {(y2 - y1) / height}"


def clean_yolo(root, counts=(("train", 6), ("val", 3))):
    """Writes a data set without any fault; returns its YAML."""
    seed = 0
    for split, count in counts:
        for number in range(count):
            seed += 1
            put(root / f"images/{split}/{split}{number}.jpg", encoded(picture(seed)))
            put(root / f"labels/{split}/{split}{number}.txt", f"{row(0, BOX)}\n{row(1, SECOND)}\n")
    put(root / "data.yaml", "train: images/train\nval: images/val\nnames: [cat, dog]\n")
    return root / "data.yaml"


def xml_object(name="cat", box=BOX, extra=""):
    """Returns an object element of one line."""
    xmin, ymin, xmax, ymax = box[0] + 1, box[1] + 1, box[2], box[3]
    sides = f"<xmin>{xmin}</xmin><ymin>{ymin}</ymin><xmax>{xmax}</xmax><ymax>{ymax}</ymax>"
    return f"<object><name>{name}</name>{extra}<bndbox>{sides}</bndbox></object>"


def xml(objects, size=(WIDTH, HEIGHT)):
    """Returns an annotation: the size on its second line, each object on one from the third on."""
    stated = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>"
    return "\n".join(["<annotation>", stated, *objects, "</annotation>"])


def clean_voc(root, counts=(("train", 6), ("val", 3))):
    """Writes a data set without any fault; returns its YAML."""
    seed = 100
    for split, count in counts:
        names = [f"{split}{number}" for number in range(count)]
        put(root / f"ImageSets/Main/{split}.txt", "".join(f"{name}\n" for name in names))
        for name in names:
            seed += 1
            put(root / f"JPEGImages/{name}.jpg", encoded(picture(seed)))
            put(root / f"Annotations/{name}.xml", xml([xml_object("cat", BOX), xml_object("dog", SECOND)]))
    put(root / "data.yaml", "format: voc\ntrain: train\nval: val\nnames: [cat, dog]\n")
    return root / "data.yaml"


def coco_box(box):
    """Returns x, y, width, height."""
    return [box[0], box[1], box[2] - box[0], box[3] - box[1]]


def clean_coco(root, counts=(("train", 6), ("val", 3))):
    """Writes a data set without any fault; returns its YAML."""
    seed = 200
    for split, count in counts:
        document = {"images": [], "annotations": [], "categories": [{"id": 5, "name": "cat"}, {"id": 9, "name": "dog"}]}
        for number in range(1, count + 1):
            seed += 1
            put(root / f"{split}/{split}{number}.jpg", encoded(picture(seed)))
            document["images"].append({"id": number, "file_name": f"{split}{number}.jpg", "width": WIDTH, "height": HEIGHT})
            for category, box in ((5, BOX), (9, SECOND)):
                annotation_id = len(document["annotations"]) + 1
                annotation = {"id": annotation_id, "image_id": number, "category_id": category, "bbox": coco_box(box)}
                document["annotations"].append({**annotation, "iscrowd": 0})
        put(root / f"{split}.json", json.dumps(document))
    put(root / "data.yaml", "format: coco\ntrain: train.json\nval: val.json\nimages: {train: train, val: val}\n")
    return root / "data.yaml"


def change_json(path, change):
    """Applies a function to the document in a JSON file."""
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
