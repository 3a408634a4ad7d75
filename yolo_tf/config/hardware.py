"""Options of where a run computes, and of what it keeps on the way."""

from __future__ import annotations

import dataclasses
from typing import Literal

from yolo_tf.config.fields import check_options, option


@dataclasses.dataclass(frozen=True, kw_only=True)
class HardwareConfig:
    """Where a run computes, and in which arithmetic."""

    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = option(
        "float32", "arithmetic of the network; loss and decode are always float32"
    )
    xla: Literal["auto", "true", "false"] = option("auto", "compile the step; auto = on a GPU only (slower than oneDNN on a CPU)")
    devices: Literal["one", "all"] = option(
        "one", "all = every GPU of this machine (without one: every logical CPU), the batch shared out"
    )
    sync_batch_norm: bool = option(False, "batch norm statistics over the batches of all devices")
    worker_timeout: float = option(300.0, "seconds to wait for the other workers of TF_CONFIG", "above 0")

    def __post_init__(self):
        check_options(self, "config.hardware")


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunConfig:
    """What happens around the steps of a run: evaluations, checkpoints, event files."""

    checkpoint_every_steps: int = option(0, "steps between checkpoints within an epoch; 0 = after each epoch only", "0 or more")
    evaluate_every: int = option(1, "epochs between evaluations; the last epoch is always evaluated", "above 0")
    patience: int = option(100, "stop after so many epochs without a better fitness; 0 = never", "0 or more")
    choose_from: int = option(
        0, "least number of validation images that choose the best epoch; with fewer, best.keras is the last one", "0 or more"
    )
    tensorboard: bool = option(True, "write TensorBoard event files into the run directory")

    def __post_init__(self):
        check_options(self, "config.run")
