"""BACKBONES to look at: as JSON values, plain text or Markdown."""

from yolo_tf.config.plain import plain
from yolo_tf.models.backbones.spec import STRIDES
from yolo_tf.terminal.tables import format_table


def backbones_to_json(backbones):
    """Returns the rows of BACKBONES, mapping name -> BackboneSpec, as JSON values.

    gmacs_640 is half of gflops_640, and `weights` says where published ones come from.
    """
    fields = ("scalable", "taps", "licence", "weights", "weights_licence")
    return [
        {
            "name": name,
            "family": spec.family,
            "trainable_params": spec.trainable_params,
            "gflops_640": spec.gflops,
            "gmacs_640": round(spec.gflops / 2, 4),
            **{field: plain(getattr(spec, field)) for field in fields},
        }
        for name, spec in backbones.items()
    ]


def format_backbones(backbones, *, kind="text"):
    """Returns the rows of BACKBONES as a table and a line that says what is counted; kind is one of TABLE_FORMATS."""
    strides = ", ".join(str(stride) for stride in STRIDES)
    cells = [
        {
            "backbone": name,
            "family": spec.family,
            "parameters": f"{spec.trainable_params:,}",
            "GFLOPs": f"{spec.gflops:.3f}",
            "GMACs": f"{spec.gflops / 2:.3f}",
            "channels": " / ".join(str(tap.channels) for tap in spec.taps),
            f"features of stride {strides}": ", ".join(tap.layer for tap in spec.taps),
            "licence of code": spec.licence,
            "weights": spec.weights,
            "licence of weights (ported from)": spec.weights_licence or "-",
        }
        for name, spec in backbones.items()
    ]
    scalable = ", ".join(name for name, spec in backbones.items() if spec.scalable)
    counted = f"Trainable parameters and arithmetic at 640 x 640 up to the last feature; {scalable} at depth and width 1."
    return f"{format_table(cells, kind=kind)}\n\n{counted}"
