"""`yolo-tf prune`: a trained detector -> one with fewer channels, or with zeros for its smallest weights."""

from pathlib import Path

from yolo_tf.commands.naming import network_file
from yolo_tf.system.tensorflow_start import load_tensorflow

# what docs/compression.md was measured with: after the loss of whole channels a network has to learn again, at the full rate
FINE_TUNING = {
    "channels": "train.epochs=20",
    "magnitude": "compress.keep_zeros=true train.epochs=10 train.learning_rate=0.005",
}


def add_arguments(parser):
    """Declares the arguments."""
    parser.add_argument(
        "model", type=network_file, metavar="MODEL.keras", help="a .keras file of `yolo-tf train`; last: of the newest run"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="PRUNED.keras", help="file to write")
    parser.add_argument(
        "--method", required=True, metavar="NAME", help="channels (a smaller network) or magnitude (zeros in the same network)"
    )
    parser.add_argument("--amount", type=float, required=True, metavar="X", help="share to remove, 0..1, as 0.3")


def run(arguments):
    """Prunes; prints the cost before and after and returns it."""
    load_tensorflow()
    from yolo_tf.export.prune import prune_detector

    report = prune_detector(arguments.model, arguments.out, arguments.method, arguments.amount)
    print(_format(report))
    return report


def _format(report):
    from yolo_tf.terminal.tables import format_table

    before, after = report.before, report.after
    height, width = report.image_size
    rows = [
        {
            "part": part,
            "parameters": f"{before.params[part]:,}",
            "pruned": f"{after.params[part]:,}",
            "GMACs": f"{before.macs[part] / 1e9:.4f}",
            "pruned ": f"{after.macs[part] / 1e9:.4f}",  # the blank keeps the two columns apart
            "sparsity": f"{after.sparsity[part]:.4f}",
        }
        for part in before.params
    ]
    lines = [f"{report.path} -> {report.out}: {report.method}, {report.amount:g}; {width} x {height} px"]
    lines += ["", format_table(rows), "", f"file: {before.bytes / 1e6:.2f} MB -> {after.bytes / 1e6:.2f} MB"]
    if report.groups:
        lines.append(f"channels: {report.groups['narrower']} of {report.groups['all']} groups are narrower")
        for reason, layers in report.groups["stay"].items():
            lines.append(f"  all stay for {reason}: {', '.join(layers[:4])}{' and more' if len(layers) > 4 else ''}")
    else:
        lines.append("The arithmetic is the same, zeros included: dense kernels do not skip them.")
    size = width if width == height else f"[{height},{width}]"
    options = f"data.dataset=DATASET.yaml data.image_size={size} {FINE_TUNING[report.method]}"
    lines.append("Its accuracy has fallen. Fine-tune it, as with:")
    lines.append(f"  yolo-tf train model.network={report.out} {options}")
    return "\n".join(lines)
