"""The same three images on disk in every format, and what every reader must make of them."""

import json

import numpy as np
from PIL import Image

from yolo_tf.structures import DetectionDataset, ImageRecord

NAMES = ("cat", "dog", "bird")
# name, (height, width), [(class id, (x1, y1, x2, y2), is_crowd)]; the second is background, no two sides alike.
IMAGES = (
    ("alpha", (40, 64), [(2, (5, 7, 21, 38), False), (0, (30, 2, 64, 17), False)]),
    ("beta", (56, 48), []),
    ("gamma", (32, 80), [(1, (0, 0, 80, 32), False)]),
)
# The formats that know crowds write this one too.
CROWD_IMAGES = (("alpha", (40, 64), [(2, (5, 7, 21, 38), False), (0, (30, 2, 64, 17), True)]), *IMAGES[1:])


def expected_dataset(images=IMAGES):
    """Returns the DetectionDataset of `images`, built without any reader."""
    records = tuple(
        ImageRecord(
            image_id=name,
            path=f"{name}.png",
            height=height,
            width=width,
            boxes=np.array([box for _, box, _ in labels], np.float32).reshape(-1, 4),
            class_ids=np.array([class_id for class_id, _, _ in labels], np.int32),
            is_crowd=np.array([is_crowd for _, _, is_crowd in labels], bool),
        )
        for name, (height, width), labels in images
    )
    return DetectionDataset(class_names=NAMES, records=records)


def pixels_of(name, size):
    """Returns the pixels of one image, different for every name."""
    return np.random.default_rng(len(name)).integers(0, 256, (*size, 3), np.uint8)


def write_image(directory, name, size):
    directory.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels_of(name, size)).save(directory / f"{name}.png")


def write_yolo(root, images):
    (root / "labels" / "train").mkdir(parents=True, exist_ok=True)
    for name, (height, width), labels in images:
        write_image(root / "images" / "train", name, (height, width))
        lines = [
            f"{class_id} {(x1 + x2) / 2 / width} {(y1 + y2) / 2 / height} {(x2 - x1) / width} {(y2 - y1) / height}\n"
            for class_id, (x1, y1, x2, y2), _ in labels
        ]
        if lines:
            (root / "labels" / "train" / f"{name}.txt").write_text("".join(lines))
    return "train: images/train\nnames: [cat, dog, bird]\n"


def write_coco(root, images):
    document = {"images": [], "annotations": [], "categories": []}
    # Category ids with gaps, as COCO has them, and not in order.
    document["categories"] = [{"id": 90, "name": "bird"}, {"id": 3, "name": "cat"}, {"id": 17, "name": "dog"}]
    for number, (name, (height, width), labels) in enumerate(images):
        write_image(root / "pictures", name, (height, width))
        document["images"].append({"id": 70 + number, "file_name": f"{name}.png", "height": height, "width": width})
        for class_id, (x1, y1, x2, y2), is_crowd in labels:
            document["annotations"].append(
                {
                    "id": 500 + len(document["annotations"]),
                    "image_id": 70 + number,
                    "category_id": (3, 17, 90)[class_id],
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "iscrowd": int(is_crowd),
                }
            )
    (root / "instances.json").write_text(json.dumps(document))
    return "format: coco\ntrain: instances.json\nimages: {train: pictures}\n"


def write_voc(root, images):
    for folder in ("Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "ImageSets/Main/train.txt").write_text("".join(f"{name}\n" for name, _, _ in images))
    for name, (height, width), labels in images:
        write_image(root / "JPEGImages", name, (height, width))
        objects = "".join(
            f"<object>\n<name>{NAMES[class_id]}</name>\n<difficult>{int(is_crowd)}</difficult>\n"
            f"<bndbox><xmin>{x1 + 1}</xmin><ymin>{y1 + 1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox>\n</object>\n"
            for class_id, (x1, y1, x2, y2), is_crowd in labels
        )
        size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
        (root / "Annotations" / f"{name}.xml").write_text(f"<annotation>\n{size}\n{objects}</annotation>\n")
    return "format: voc\ntrain: train\nnames: [cat, dog, bird]\n"


def write_tfds(root, images):
    import tensorflow_datasets as tfds

    with tfds.core.registered.skip_registration():

        class ThreeImages(tfds.core.GeneratorBasedBuilder):
            VERSION = tfds.core.Version("1.2.3")

            def _info(self):
                objects = tfds.features.Sequence(
                    {
                        "bbox": tfds.features.BBoxFeature(),
                        "label": tfds.features.ClassLabel(names=list(NAMES)),
                        "is_crowd": np.bool_,
                    }
                )
                image = tfds.features.Image(encoding_format="png")
                features = {"image": image, "image/filename": tfds.features.Text(), "objects": objects}
                return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

            def _split_generators(self, dl_manager):
                return {"train": self._generate_examples()}

            def _generate_examples(self):
                for number, (name, (height, width), labels) in enumerate(images):
                    yield (
                        number,
                        {
                            "image": pixels_of(name, (height, width)),
                            "image/filename": f"{name}.png",
                            "objects": [
                                {
                                    "bbox": tfds.features.BBox(
                                        ymin=y1 / height, xmin=x1 / width, ymax=y2 / height, xmax=x2 / width
                                    ),
                                    "label": class_id,
                                    "is_crowd": is_crowd,
                                }
                                for class_id, (x1, y1, x2, y2), is_crowd in labels
                            ],
                        },
                    )

    # Examples keep the order of their keys' hashes; the test sorts by image id.
    ThreeImages(data_dir=str(root), file_format="tfrecord").download_and_prepare()
    return "format: tfds\nname: three_images\ntrain: train\n"


def write_tfrecord(root, images):
    from yolo_tf.data.packing import pack_dataset
    from yolo_tf.sources import read_dataset, read_source

    (root / "coco.yaml").write_text(write_coco(root, images))
    pack_dataset(read_dataset(read_source(root / "coco.yaml"), "train"), root / "shards", shards=2)
    return "format: tfrecord\ntrain: shards\n"


WRITERS = {"yolo": write_yolo, "coco": write_coco, "voc": write_voc, "tfds": write_tfds, "tfrecord": write_tfrecord}
