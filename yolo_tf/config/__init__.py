"""Every option, its default and its meaning. Two levels: `section.key`.

The reader, `show config` and the table in docs/config.md are generated from these dataclasses. The names are YOLOv5's
where YOLOv5 has one that says what it is; `config.hyp` translates the rest.
"""

from __future__ import annotations

import dataclasses
import typing

from yolo_tf.config.data import AugmentConfig, DataConfig
from yolo_tf.config.detect import EVALUATION_DETECT, DetectConfig
from yolo_tf.config.fields import require
from yolo_tf.config.hardware import HardwareConfig, RunConfig
from yolo_tf.config.kinds import converted
from yolo_tf.config.loss import DecoupledLossConfig, LossConfig
from yolo_tf.config.model import ModelConfig
from yolo_tf.config.train import CompressConfig, TrainConfig, TransferConfig

__all__ = ["EVALUATION_DETECT", "MOVED", "SECTIONS", "AugmentConfig", "CompressConfig", "Config", "DataConfig"]
__all__ += ["DecoupledLossConfig", "DetectConfig", "HardwareConfig", "LossConfig", "ModelConfig", "RunConfig"]
__all__ += ["TrainConfig", "TransferConfig"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """All sections."""

    data: DataConfig = DataConfig()
    augment: AugmentConfig = dataclasses.field(default_factory=AugmentConfig)
    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    decoupled_loss: DecoupledLossConfig = DecoupledLossConfig()
    train: TrainConfig = TrainConfig()
    transfer: TransferConfig = TransferConfig()
    compress: CompressConfig = CompressConfig()
    hardware: HardwareConfig = HardwareConfig()
    run: RunConfig = RunConfig()
    detect: DetectConfig = DetectConfig()

    def __post_init__(self):
        for field in dataclasses.fields(self):
            converted(getattr(self, field.name), SECTIONS[field.name], f"config.{field.name}")
        precision = self.hardware.precision
        require(
            not self.compress.quantize_aware or precision == "float32",
            f"config.compress.quantize_aware: does not go with hardware.precision={precision}: int8 is rounded in float32."
            " Expected float32. Leave the precision out.",
        )


# options that stood in the section `train` of version 0.1.0 -> where they stand
MOVED = {
    f"train.{field.name}": f"{section}.{field.name}"
    for section in ("transfer", "compress", "hardware", "run")
    for field in dataclasses.fields(getattr(Config, section))
}
# name of a section -> its dataclass
SECTIONS = {name: kind for name, kind in typing.get_type_hints(Config).items()}
