"""Small networks of each YOLOv5 generation, with lively batch norms."""

import functools

import numpy as np
import pytest

NAMES = ("red", "white", "platelet")


@pytest.fixture(scope="session")
def yolov5_network():
    """Returns a function that gives the network of a Layout at depth .33, width .05, with random statistics."""

    @functools.cache
    def build(layout, seed=0):
        import keras

        from yolo_tf.config import ModelConfig
        from yolo_tf.heads.anchor.anchors import COCO_ANCHORS
        from yolo_tf.models.network import build_network

        keras.utils.set_random_seed(seed)
        model = ModelConfig(name="small", backbone=layout.backbone, neck=layout.neck, depth=0.33, width=0.05)
        network = build_network(model, num_classes=len(NAMES), anchors=COCO_ANCHORS)
        rng = np.random.default_rng(seed)
        for layer in network.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
        return network

    return build


@pytest.fixture
def yolov5_file(yolov5_network, tmp_path):
    """Returns a function that writes a network as a YOLOv5 checkpoint: (change, layout, dtype) -> (path, network)."""
    from torch_writer import V7, write_zip, yolov5_model

    from yolo_tf.heads.anchor.anchors import COCO_ANCHORS

    def write(change=None, *, layout=V7, dtype="float32", wrap=None, name="best.pt", writer=write_zip, focus=None):
        network = yolov5_network(layout)
        model = yolov5_model(network, COCO_ANCHORS, list(NAMES), layout=layout, depth=0.33, width=0.05, dtype=dtype, focus=focus)
        if change is not None:
            change(model)
        content = {"epoch": -1, "ema": None, "model": model} if wrap is None else wrap(model)
        return writer(tmp_path / name, content), network

    return write
