"""What the parts run on: a painted data set, a tiny detector whose weights are drawn from names, labels that it nearly finds.

As a program: `inputs detector OUT.keras PICTURES section.key=value …` or `inputs labels PREDICTED IMAGES OUT`.
"""

import sys
import zlib
from pathlib import Path

IMAGE_SIZE = 96
LEAST_SIDE = 0.05  # of a label, as a fraction of the picture: what a picture cuts off may have no area
CLASS_NAMES = ("circle", "square", "triangle", "star", "cross")  # of the data format `shapes`
SHAPES = "format: shapes\npath: {name}\ntrain: {train}\nval: {val}\ntest: {val}\nseed: 3\nimage_size: 96\nmax_objects: 3\n"
# A network that does all that the large ones do, and takes a second.
TINY = {"model.name": "tiny", "model.backbone": "csp_darknet", "model.depth": 0.33, "model.width": 0.125}


def write_shapes(checkout, name="shapes", *, train, val):
    """Writes the YAML of a painted data set, which the first command that reads it paints; returns the name of the file."""
    (checkout.folder / f"{name}.yaml").write_text(SHAPES.format(name=name, train=train, val=val), encoding="utf-8")
    return f"{name}.yaml"


def make_detector(checkout, pictures, out="detector.keras", model=TINY):
    """Writes a detector of `model` with drawn weights, whose answers depend on the picture; returns the hash of the weights."""
    return checkout.work("inputs", "detector", out, pictures, *checkout.overrides(model))


def make_labelled(checkout, detector, pictures, name="labelled"):
    """Makes a YOLO data set of pictures, labelled with two thirds of what the detector finds: its AP is neither 0 nor 1.

    Returns:
        int: how many labels there are. The data set is NAME.yaml; its splits train and val are the same.
    """
    limits = ["--score-threshold", 0.45, "--iou-threshold", 0.3, "--max-detections", 20]
    checkout.succeed("predict", detector, pictures, "--out", f"{name}_found", "--save-txt", "--no-pictures", *limits)
    count = checkout.work("inputs", "labels", f"{name}_found/labels", pictures, name)
    text = f"path: {name}\ntrain: images\nval: images\nnames: [{', '.join(CLASS_NAMES)}]\n"
    (checkout.folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return count


def read_pictures(folder, count=None, side=IMAGE_SIZE):
    """Returns pictures of a folder as uint8 [n, side, side, 3], RGB, by name, stretched to squares."""
    import numpy as np
    from PIL import Image

    paths = sorted(path for path in Path(folder).iterdir() if path.suffix in (".jpg", ".png"))[:count]
    return np.stack([np.asarray(Image.open(path).convert("RGB").resize((side, side))) for path in paths])


def write_detector(out, pictures, overrides):
    """Builds a network, draws its weights, and gives its batch norms the statistics of pictures; returns the hash of all."""
    from behaviour.hashes import hash_weights
    from yolo_tf import COCO_ANCHORS, build_network, detector_spec, read_config, save_network

    network = build_network(read_config(None, overrides).model, num_classes=len(CLASS_NAMES), anchors=COCO_ANCHORS)
    draw_weights(network)
    take_statistics(network, read_pictures(pictures).astype("float32"))
    spec = detector_spec(class_names=CLASS_NAMES, image_size=(IMAGE_SIZE, IMAGE_SIZE), anchors=COCO_ANCHORS, name="tiny")
    save_network(network, spec, out)
    return hash_weights(network)


def draw_weights(network):
    """Gives every weight values that depend on its name and shape alone, whatever order the network was built in.

    The scales and offsets of batch norms keep activations where they are nearly linear: otherwise a random network of many
    layers makes a large difference of a small one, and no export of lower precision would pass.
    """
    import numpy as np

    for weight in network.weights:
        leaf = weight.path.rpartition("/")[2]
        rng = np.random.default_rng(zlib.crc32(weight.path.encode()))
        if leaf == "kernel":
            weight.assign(rng.normal(0, np.prod(weight.shape[:-1]) ** -0.5, weight.shape))
        elif leaf == "gamma":
            weight.assign(rng.uniform(0.3, 0.6, weight.shape))
        elif leaf == "beta":
            weight.assign(rng.normal(1.0, 0.2, weight.shape))
        elif leaf == "bias":
            weight.assign(rng.normal(0, 0.3, weight.shape))


def take_statistics(network, images):
    """Sets the moving statistics of batch norms to those of images; random weights would let nothing of an image through."""
    import keras

    batch_norms = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in batch_norms]
    for layer in batch_norms:
        layer.momentum = 0.0
    network(images, training=True)
    for layer, momentum in zip(batch_norms, momenta, strict=True):
        layer.momentum = momentum


def write_labelled(predicted, pictures, out):
    """Copies pictures and their labels but each third, without scores, and none too narrow; returns how many there are."""
    count = 0
    for kind in ("images", "labels"):
        (Path(out) / kind).mkdir(parents=True)
    for picture in sorted(Path(pictures).iterdir()):
        (Path(out) / "images" / picture.name).write_bytes(picture.read_bytes())
        lines = (Path(predicted) / f"{picture.stem}.txt").read_text(encoding="utf-8").splitlines()
        rows = [line.split()[:5] for index, line in enumerate(lines) if index % 3 < 2]
        kept = [" ".join(row) for row in rows if min(map(float, row[3:])) > LEAST_SIDE]
        (Path(out) / "labels" / f"{picture.stem}.txt").write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
        count += len(kept)
    return count


if __name__ == "__main__":
    from behaviour.checkout import print_result

    verb, first, second, *others = sys.argv[1:]
    print_result(write_detector(first, second, others) if verb == "detector" else write_labelled(first, second, *others))
