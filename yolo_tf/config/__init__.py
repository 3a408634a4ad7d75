"""Every option, its default and its meaning. Two levels: `section.key`.

The reader, `show config` and the table in docs/config.md are generated from these dataclasses. The
names are YOLOv5's where YOLOv5 has one that says what it is; `config_reader.HYP_NAMES` translates the
rest.
"""

from __future__ import annotations

import dataclasses

from yolo_tf.config.data import AUGMENT_LEVELS, AugmentConfig, DataConfig
from yolo_tf.config.detect import EVALUATION_DETECT, DetectConfig
from yolo_tf.config.model import ModelConfig
from yolo_tf.config.train import LossConfig, TrainConfig

__all__ = ["AUGMENT_LEVELS", "EVALUATION_DETECT", "SECTIONS", "AugmentConfig", "Config", "DataConfig", "DetectConfig"]
__all__ += ["LossConfig", "ModelConfig", "TrainConfig"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """All sections."""

    data: DataConfig = DataConfig()
    augment: AugmentConfig = dataclasses.field(default_factory=AugmentConfig)
    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    train: TrainConfig = TrainConfig()
    detect: DetectConfig = DetectConfig()


SECTIONS = {
    field.name: cls
    for field, cls in zip(
        dataclasses.fields(Config), (DataConfig, AugmentConfig, ModelConfig, LossConfig, TrainConfig, DetectConfig), strict=True
    )
}
