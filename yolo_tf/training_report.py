"""What a person sees of a run: its data and pictures before the first epoch, its result after the last."""

from yolo_tf.anchors import best_possible_recall
from yolo_tf.atomic import write_json
from yolo_tf.data.pipeline import first_batches
from yolo_tf.drawing import draw_boxes, draw_grid, write_picture
from yolo_tf.evaluation import evaluate, format_table
from yolo_tf.plots import plot_evaluation
from yolo_tf.runtime import open_detector


def describe_data(train_set, val_set, spec, config):
    """Prints what will be trained on, and whether the anchors fit it."""
    scale = [min(config.data.image_size[0] / r.height, config.data.image_size[1] / r.width) for r in train_set.records]
    sizes = [(r.boxes[:, 2:] - r.boxes[:, :2]) * s for r, s in zip(train_set.records, scale, strict=True)]
    recall = best_possible_recall(
        [size for image in sizes for size in image], spec.anchors, ratio_limit=config.loss.anchor_ratio_limit
    )
    print(
        f"data: {len(train_set.records)} training images with {train_set.num_boxes} boxes, {len(val_set.records)} validation"
        f" images with {val_set.num_boxes}; {len(spec.class_names)} classes; best possible recall of the anchors {recall:.3f}"
    )
    if recall < 0.98:
        print("warning: anchors fit fewer than 98 % of the boxes; set model.anchors to sizes of this data set")


def picture_batches(batches, class_names, folder, *, images=9):
    """Draws the first training batches with their boxes as PNG: what the network will really see."""
    for number, (pictures, targets) in enumerate(first_batches(batches, 2)):
        drawn = []
        for picture, boxes, class_ids in list(zip(pictures, *targets, strict=True))[:images]:
            real = class_ids >= 0
            drawn.append(draw_boxes(picture, boxes[real], class_ids[real], class_names))
        write_picture(draw_grid(drawn), folder / f"train_batch_{number}.png")


def summarize(run, val_set, config, rows, *, best_epoch):
    """Evaluates best.keras as any user would, writes metrics.json and the plots, prints the table."""
    detector = open_detector(run.best)
    result = evaluate(
        detector.candidates, val_set, image_size=config.data.image_size, batch_size=config.train.batch_size
    )
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
    return metrics
