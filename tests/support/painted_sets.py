"""Small data sets as people keep them: painted pictures with the boxes that are in them, in YOLO's layout or in pieces."""

import json

import numpy as np
from PIL import Image

SIDE = 96  # px
NAMES = ["thing0", "thing1"]


def painted(seed, objects=2):
    """Returns (PIL image of SIDE x SIDE px, [(class id, x1, y1, x2, y2)]); the objects are of equal size and apart."""
    rng = np.random.default_rng(seed)
    pixels, boxes = rng.integers(90, 150, (SIDE, SIDE, 3), dtype=np.uint8), []
    for number in range(objects):
        x, y = (int(value) for value in rng.integers(2 + 46 * number, 16 + 46 * number, 2))
        class_id = (seed + number) % 2
        pixels[y : y + 30, x : x + 26] = ((220, 40, 40), (40, 200, 60))[class_id]
        boxes.append((class_id, x, y, x + 26, y + 30))
    return Image.fromarray(pixels), boxes


def rows(boxes):
    """Returns the text of a YOLO label file."""
    lines = (
        f"{c} {(x1 + x2) / 2 / SIDE} {(y1 + y2) / 2 / SIDE} {(x2 - x1) / SIDE} {(y2 - y1) / SIDE}\n"
        for c, x1, y1, x2, y2 in boxes
    )
    return "".join(lines)


def save(image, path, kind="JPEG"):
    """Writes a picture, in a folder that is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, format=kind)


def write(path, text, encoding="utf-8"):
    """Writes text, in a folder that is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))


def put(seed, image_path, label_path=None, kind="JPEG"):
    """Paints one picture and its label file; returns its boxes."""
    image, boxes = painted(seed)
    save(image, image_path, kind)
    if label_path:
        write(label_path, rows(boxes))
    return boxes


def yolo_set(root, counts=(("train", 4), ("val", 2)), yaml="train: images/train\nval: images/val\nnames: [thing0, thing1]\n"):
    """Writes images/SPLIT/NNN.jpg, labels/SPLIT/NNN.txt and data.yaml; returns the path of the last."""
    for split, count in counts:
        for index in range(count):
            put(index, root / f"images/{split}/{index:03d}.jpg", root / f"labels/{split}/{index:03d}.txt")
    write(root / "data.yaml", yaml)
    return root / "data.yaml"


def coco_document(pictures, names=NAMES):
    """Returns a COCO document of [(file name, boxes)]: image ids from 1, category ids from 1."""
    document = {"images": [], "annotations": [], "categories": [{"id": i + 1, "name": name} for i, name in enumerate(names)]}
    for image_id, (file_name, boxes) in enumerate(pictures, 1):
        document["images"].append({"id": image_id, "file_name": file_name, "width": SIDE, "height": SIDE})
        for c, x1, y1, x2, y2 in boxes:
            row = {"id": len(document["annotations"]) + 1, "image_id": image_id, "category_id": c + 1}
            document["annotations"].append(row | {"bbox": [x1, y1, x2 - x1, y2 - y1], "iscrowd": 0})
    return document


def write_coco(root, name, document):
    """Writes NAME.json and NAME.yaml, whose images are in `images`; returns the path of the YAML."""
    write(root / f"{name}.json", json.dumps(document))
    write(root / f"{name}.yaml", f"format: coco\ntrain: {name}.json\nimages: images\n")
    return root / f"{name}.yaml"


def voc_xml(boxes, size=(SIDE, SIDE), names=NAMES):
    """Returns a VOC annotation; `size` is (width, height) in any words."""
    objects = "".join(
        f"<object><name>{names[c]}</name><bndbox><xmin>{x1 + 1}</xmin><ymin>{y1 + 1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax>"
        "</bndbox></object>"
        for c, x1, y1, x2, y2 in boxes
    )
    return f"<annotation><size><width>{size[0]}</width><height>{size[1]}</height></size>{objects}</annotation>\n"
