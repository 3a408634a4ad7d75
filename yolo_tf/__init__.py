"""YOLOv5-style object detection on any Keras backbone.

The names below are loaded from their modules when they are first used: importing the package costs nothing.
"""

import importlib

from yolo_tf.system.version import VERSION

__version__ = VERSION

# public name -> module
PUBLIC = {
    "AugmentConfig": "config",
    "COCO_ANCHORS": "heads.anchor.anchors",
    "CompressConfig": "config",
    "Config": "config",
    "DataConfig": "config",
    "DetectConfig": "config",
    "DetectorTrainer": "engine.trainer",
    "HardwareConfig": "config",
    "LossConfig": "config",
    "ModelConfig": "config",
    "RunConfig": "config",
    "TrainConfig": "config",
    "TransferConfig": "config",
    "augment_candidates": "inference.three_views",
    "build_network": "models.network",
    "decode_predictions": "heads.anchor.decode",
    "detect_images": "inference.detector",
    "detection_loss": "heads.anchor.loss",
    "detector_spec": "files.spec",
    "evaluate": "evaluation.evaluate",
    "export_detector": "export",
    "import_yolov5": "yolov5",
    "load_weights": "files.weights",
    "make_eval_dataset": "data.pipeline",
    "make_train_dataset": "data.pipeline",
    "open_detector": "inference.detector",
    "read_config": "config.reader",
    "read_dataset": "sources",
    "read_source": "sources",
    "save_network": "files.keras",
    "steps_per_epoch": "data.pipeline",
    "suppress": "inference.suppression",
    "train": "training",
}

__all__ = list(PUBLIC)


def __getattr__(name):
    if name not in PUBLIC:
        raise AttributeError(f"module 'yolo_tf' has no attribute '{name}'. Public names: {', '.join(PUBLIC)}.")
    return getattr(importlib.import_module(f"yolo_tf.{PUBLIC[name]}"), name)


def __dir__():
    return sorted([*globals(), *PUBLIC])
