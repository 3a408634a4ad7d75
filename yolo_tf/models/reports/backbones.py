"""BACKBONES to look at: as JSON values, plain text or Markdown."""

from yolo_tf.models.backbones.spec import STRIDES
from yolo_tf.terminal.tables import format_table


def backbone_rows(backbones):
    """Returns the rows of a table of backbones as JSON values.

    Args:
        backbones: mapping name -> BackboneSpec.

    Returns:
        list of dict: name, family, trainable_params, gflops_640 and gmacs_640 (half of it), scalable, taps (layer, stride,
        channels each), licence of the code, weights (where published ones come from), weights_licence.
    """
    return [
        {
            "name": name,
            "family": spec.family,
            "trainable_params": spec.trainable_params,
            "gflops_640": spec.gflops,
            "gmacs_640": round(spec.gflops / 2, 4),
            "scalable": spec.scalable,
            "taps": [{"layer": tap.layer, "stride": tap.stride, "channels": tap.channels} for tap in spec.taps],
            "licence": spec.licence,
            "weights": spec.weights,
            "weights_licence": spec.weights_licence,
        }
        for name, spec in backbones.items()
    ]


def format_backbones(rows, *, kind="text"):
    """Returns `backbone_rows` as a table and a line that says what is counted; kind is one of TABLE_FORMATS."""
    strides = ", ".join(str(stride) for stride in STRIDES)
    cells = [
        {
            "backbone": row["name"],
            "family": row["family"],
            "parameters": f"{row['trainable_params']:,}",
            "GFLOPs": f"{row['gflops_640']:.3f}",
            "GMACs": f"{row['gmacs_640']:.3f}",
            "channels": " / ".join(str(tap["channels"]) for tap in row["taps"]),
            f"features of stride {strides}": ", ".join(tap["layer"] for tap in row["taps"]),
            "licence of code": row["licence"],
            "weights": row["weights"],
            "licence of weights (ported from)": row["weights_licence"] or "-",
        }
        for row in rows
    ]
    scalable = ", ".join(row["name"] for row in rows if row["scalable"])
    counted = f"Trainable parameters and arithmetic at 640 x 640 up to the last feature; {scalable} at depth and width 1."
    return f"{format_table(cells, kind=kind)}\n\n{counted}"
