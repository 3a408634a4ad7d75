"""Every file of configs/models: parameters, arithmetic, taps and blocks, names and first values of the weights.

As a program it takes config files, many to a process, for importing TensorFlow takes longer than building most networks; but
not all of them, for memory grows from one to the next.
"""

import contextlib
import dataclasses
import gc
import io
import json
import sys
from pathlib import Path

CHUNK = 10
NUM_CLASSES = 80
# One or two of each family are built a second time, from a seed, for hashes of their weights. The rest would say the same.
SEEDED = {
    *("yolov5n", "yolov5s_v5", "yolov4_csp_s", "yolov4_l_efficientnetb0", "fpn_resnet18", "fpn_repvgg_a1"),
    *(
        f"yolov5s_{name}"
        for name in ("convnext_tiny", "densenet121", "efficientnetb0", "efficientnetb1_seed0", "efficientnetv2b0")
    ),
    *(f"yolov5s_{name}" for name in ("ghostnet", "inception_v4", "inceptionresnetv2", "inceptionv3", "mobilenet", "mobilenetv2")),
    *(f"yolov5s_{name}" for name in ("mobilenetv3small", "nasnetmobile", "repvgg_a0", "repvgg_b1g2", "resnet18", "resnet50")),
    *(f"yolov5s_{name}" for name in ("resnet50v2", "vgg16", "xception")),
}


def record(checkout):
    """Returns {name of the config: what `describe` says}."""
    files = sorted((checkout.code / "configs" / "models").glob("*.yaml"))
    described = {}
    for start in range(0, len(files), CHUNK):
        described |= checkout.work("models_part", *files[start : start + CHUNK])
        print(f"  models: {len(described)} of {len(files)}", flush=True)
    return described


def describe(config):
    """Returns what `yolo-tf show model` says of a config file, and for some hashes of the weights that a seed draws."""
    import keras

    from yolo_tf import cli

    with contextlib.redirect_stdout(io.StringIO()):
        code = cli.main(["show", "model", "--config", str(config), "--rows", "--json", "shown.json"])
    if code:
        raise RuntimeError(f"{config}: show model ended with code {code}")
    shown = json.loads(Path("shown.json").read_text(encoding="utf-8"))
    rows = [f"{row['block']} {row['from']} {row['params']} {row['channels']}" for row in shown.pop("rows")]
    if config.stem in SEEDED:
        shown["first_weights"] = hash_first_weights(config)
    keras.utils.clear_session()
    gc.collect()
    return {**shown, "rows": rows}


def hash_first_weights(config):
    """Returns hashes of names and values of the weights that a network begins with."""
    import keras

    from behaviour.hashes import hash_weights
    from yolo_tf import COCO_ANCHORS, build_network, read_config

    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    model = dataclasses.replace(read_config(config).model, backbone_weights="none")  # no download
    return hash_weights(build_network(model, num_classes=NUM_CLASSES, anchors=COCO_ANCHORS))


if __name__ == "__main__":
    from behaviour.checkout import print_result

    print_result({Path(word).stem: describe(Path(word)) for word in sys.argv[1:]})
