"""What a person sees of a run: pictures of its batches before the first epoch, its result after the last."""

from yolo_tf.data.pipeline import first_batches
from yolo_tf.evaluation.evaluate import evaluate, format_table
from yolo_tf.inference.detector import open_detector
from yolo_tf.pictures.drawing import draw_boxes, draw_grid, write_picture
from yolo_tf.pictures.plots import plot_evaluation
from yolo_tf.system.atomic import write_json


def picture_batches(batches, class_names, paths, *, images=9, augment=None):
    """Draws the first training batches with their boxes as PNG, one for each path: what the network will really see.

    Args:
        batches: tf.data.Dataset of (images, Targets), or of what `augment` makes them from.
        class_names: in the order of the ids.
        paths: of the PNG files.
        images: most images of a batch.
        augment: what the training step does to a batch first; None = nothing.
    """
    if augment:
        batches = batches.map(augment)
    for path, (pictures, targets) in zip(paths, first_batches(batches, len(paths)), strict=True):
        drawn = []
        for picture, boxes, class_ids in list(zip(pictures, *targets, strict=True))[:images]:
            real = class_ids >= 0
            drawn.append(draw_boxes(picture, boxes[real], class_ids[real], class_names))
        write_picture(draw_grid(drawn), path)


def summarize(run, val_set, config, rows, *, best_epoch):
    """Evaluates best.keras as any user would, writes metrics.json and the plots, prints the table."""
    detector = open_detector(run.best)
    result = evaluate(detector.candidates, val_set, image_size=config.data.image_size, batch_size=config.train.batch_size)
    plot_evaluation(result.curves, result.confusion, val_set.class_names, run.plots)
    seconds = sorted(row["seconds"] for row in rows)
    metrics = {
        **result.metrics,
        "run": str(run.root),
        "best_epoch": best_epoch,
        "epochs": rows[-1]["epoch"] if rows else 0,
        "seconds_per_epoch": seconds[len(seconds) // 2] if seconds else None,
    }
    write_json(run.metrics, metrics)
    print(f"\nbest network: {run.best} (epoch {best_epoch})")
    print(format_table(result))
    if config.compress.quantize_aware:
        print("these figures are of the network in float; those after each epoch were of the network rounded as int8 rounds it")
    return metrics
