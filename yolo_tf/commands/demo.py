"""`yolo-tf demo`: the main job from end to end, on generated pictures, in a few minutes."""

import contextlib
from pathlib import Path

from yolo_tf.commands.naming import commands_of
from yolo_tf.errors import InputError
from yolo_tf.system.atomic import size_on_disk, write_json, write_text
from yolo_tf.system.tensorflow_start import load_tensorflow
from yolo_tf.terminal.tables import format_table

# A YOLOv5n from random weights that is done in some minutes on two cores: many small updates, and a class loss
# that counts for more than in runs of hundreds of epochs.
OVERRIDES = (
    "model.name=yolov5n",
    "loss.classification=2.0",
    "train.batch_size=8",
    "train.nominal_batch_size=8",
    "train.optimizer=adamw",
    "train.learning_rate=0.003",
    "train.momentum=0.9",
    "train.schedule=one_cycle",
    "train.warmup_epochs=0.0",
    "train.ema_ramp=200.0",
    "run.evaluate_every=4",
    "augment.mosaic=0.25",
    "augment.scale=0.3",
)
DIFFERENCE = "{box_difference:.2g} px, {score_difference:.2g} in score"
NUM_PICTURES = 12  # predicted, drawn, and compared with every export
DATA_YAML = """# Written by `yolo-tf demo`: pictures painted from a seed.
format: shapes
path: shapes
train: {train}
val: {val}
test: {val}
seed: 0
"""


def add_arguments(parser):
    """Declares the arguments."""
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: runs/demo, -2, -3 ...")
    parser.add_argument("--epochs", type=int, default=18, metavar="N", help="passes over the training pictures (default 18)")
    parser.add_argument("--images", type=int, default=600, metavar="N", help="training pictures to paint (default 600)")
    parser.add_argument("--image-size", type=int, default=256, metavar="N", help="network input, px (default 256)")


def run(arguments):
    """Runs every step and returns the summary."""
    from yolo_tf.files.run_directory import reserved_directory

    if arguments.images < 10:
        raise InputError(f"--images: got {arguments.images}. Expected 10 or more.")
    with contextlib.nullcontext(arguments.out) if arguments.out else reserved_directory("runs", "demo") as out:
        return _run_in(out, arguments)


def _run_in(out, arguments):
    """Runs every step in the directory `out`."""
    import time

    from yolo_tf.config.reader import read_config
    from yolo_tf.files.run_directory import reserved_directory

    started = time.perf_counter()
    data_yaml = out / "shapes.yaml"
    overrides = [
        *OVERRIDES,
        f"data.dataset={data_yaml}",
        f"data.image_size={arguments.image_size}",
        f"train.epochs={arguments.epochs}",
    ]
    config = read_config(None, overrides)
    write_text(data_yaml, DATA_YAML.format(train=arguments.images, val=max(arguments.images // 6, 10)))

    load_tensorflow()
    from yolo_tf.training import train

    with reserved_directory(out, "train") as run_directory:
        train(config, run_directory)
    summary = {"run": str(run_directory), **deploy(run_directory / "best.keras", data_yaml, out)}
    summary["minutes"] = (time.perf_counter() - started) / 60
    write_json(out / "summary.json", summary)
    print(format_summary(summary, out))
    print("\n".join(commands_of(run_directory / "best.keras", data_yaml)))
    return summary


def deploy(network, data_yaml, out):
    """Draws predictions, exports, and evaluates every file on the held-out split.

    Returns:
        dict: "files", per format the path, size, difference from the network and accuracy; "num_pictures".
    """
    from yolo_tf.evaluation.evaluate import evaluate
    from yolo_tf.export import Comparison, export_detector
    from yolo_tf.inference.detector import choose_image_size, open_detector
    from yolo_tf.inference.prediction import predict_image
    from yolo_tf.pictures.drawing import draw_detections, write_picture
    from yolo_tf.sources import read_dataset, read_source

    held_out = read_dataset(read_source(data_yaml), "test")
    paths = [Path(record.path) for record in held_out.records[:NUM_PICTURES]]
    detector, images = open_detector(network), []
    for path in paths:
        found = predict_image(detector, path)
        images.append(found.stored)
        picture = draw_detections(found.stored, found.detections, detector.spec.class_names)
        write_picture(picture, out / "predictions" / f"{path.stem}.jpg")

    files = {"keras": {"path": str(network)}}
    for format, place in (("saved_model", out / "saved_model"), ("tflite", out / "detector.tflite")):
        report = export_detector(network, format, place, comparison=Comparison(images=images))
        files[format] = {"path": str(place), "box_difference": report.box_difference, "score_difference": report.score_difference}
    for row in files.values():
        opened = open_detector(row["path"])
        metrics = evaluate(
            opened.candidates, held_out, image_size=choose_image_size(opened), letterbox=opened.spec.letterbox
        ).metrics
        row.update({name: metrics[name] for name in ("AP", "AP50", "precision", "recall", "images_per_second")})
        row["bytes"] = size_on_disk(Path(row["path"]))
    return {"files": files, "num_pictures": len(paths)}


def format_summary(summary, out):
    """Returns the closing table."""
    rows = [
        {
            "file": row["path"],
            "AP": f"{row['AP']:.3f}",
            "AP50": f"{row['AP50']:.3f}",
            "MB": f"{row['bytes'] / 1e6:.1f}",
            "images/s": f"{row['images_per_second']:.1f}",
            "largest difference from the network": DIFFERENCE.format(**row) if "box_difference" in row else "-",
        }
        for row in summary["files"].values()
    ]
    return "\n".join(
        [
            f"\nDone in {summary['minutes']:.1f} minutes. On pictures that training never saw:",
            format_table(rows),
            f"pictures: {out / 'predictions'} ({summary['num_pictures']})",
            f"curves and training batches: {Path(summary['run']) / 'plots'}",
        ]
    )
