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


def examples_of(counts=(("train", 6), ("val", 3))):
    """Returns {split: {name: [bytes of an image, [(class id, box)]]}} of a data set without any fault."""
    names = [(split, f"{split}{number}") for split, count in counts for number in range(count)]
    examples = {split: {} for split, _ in counts}
    for seed, (split, name) in enumerate(names, start=300):
        examples[split][name] = [encoded(picture(seed)), [(0, BOX), (1, SECOND)]]
    return examples


def write_tfds(root, examples):
    """Builds a TFDS data set, its boxes and classes unchecked as in many of them; returns its YAML."""
    import tensorflow_datasets as tfds

    with tfds.core.registered.skip_registration():

        class Planted(tfds.core.GeneratorBasedBuilder):
            VERSION = tfds.core.Version("1.0.0")

            def _info(self):
                label = tfds.features.ClassLabel(names=NAMES)
                objects = tfds.features.Sequence({"bbox": tfds.features.Tensor(shape=(4,), dtype=np.float32), "label": label})
                features = {"image": tfds.features.Image(), "image/filename": tfds.features.Text(), "objects": objects}
                return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

            def _split_generators(self, dl_manager):
                return {split: self._generate_examples(split) for split in examples}

            def _generate_examples(self, split):
                for name, (contents, labels) in examples[split].items():
                    edges = [(y1 / HEIGHT, x1 / WIDTH, y2 / HEIGHT, x2 / WIDTH) for _, (x1, y1, x2, y2) in labels]
                    objects = {"bbox": np.array(edges, np.float32).reshape(-1, 4), "label": [label for label, _ in labels]}
                    yield name, {"image": io.BytesIO(contents), "image/filename": f"{name}.jpg", "objects": objects}

    Planted(data_dir=str(root), file_format="tfrecord").download_and_prepare()
    put(root / "data.yaml", "format: tfds\nname: planted\ntrain: train\nval: val\n")
    return root / "data.yaml"


def write_tfrecord(root, change_images=None, change_index=None):
    """Packs the clean COCO set, a shard a split; returns the YAML of it.

    Args:
        root: directory.
        change_images: function of the root of the COCO set, called when it was read, before its images are packed.
        change_index: function of the index of train, as JSON has it.
    """
    from yolo_tf.data.packing import pack_dataset
    from yolo_tf.sources import read_dataset, read_source

    source = read_source(clean_coco(root / "coco"))
    datasets = {split: read_dataset(source, split) for split in source.splits}
    if change_images:
        change_images(root / "coco")
    for split, dataset in datasets.items():
        pack_dataset(dataset, root / split, shards=1)
    if change_index:
        change_json(root / "train/index.json", change_index)
    put(root / "data.yaml", "format: tfrecord\ntrain: train\nval: val\n")
    return root / "data.yaml"


def findings_of(yaml_path, image_size=(640, 640), only=()):
    """Returns {(id, file from the root, line)} that check-data finds in a data set."""
    from yolo_tf.doctor.examination import chosen_checks, examine
    from yolo_tf.doctor.facts import read_facts
    from yolo_tf.sources import read_source

    source = read_source(yaml_path)
    facts = read_facts(source, tuple(source.splits), image_sizes=[image_size])
    root = f"{yaml_path.parent}/"
    return {(f.id, f.file.removeprefix(root), f.line) for f in examine(facts, chosen_checks(only)).findings}
