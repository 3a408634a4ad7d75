"""`yolo-tf evaluate`: a network file and a data set -> COCO numbers."""

from pathlib import Path

from yolo_tf.commands.arguments import (
    add_data,
    add_detecting,
    add_model,
    evaluate_with_progress,
    given_detect,
    open_given_detector,
    read_given_dataset,
    say_undrawable,
)
from yolo_tf.commands.predict_lines import describe_cut
from yolo_tf.errors import InputError, shown
from yolo_tf.system.atomic import write_json
from yolo_tf.system.targets import check_target
from yolo_tf.system.tensorflow_start import load_tensorflow
from yolo_tf.terminal import say


def add_arguments(parser):
    """Declares the arguments."""
    add_model(parser)
    add_data(parser)
    parser.add_argument("--classes", nargs="+", default=(), metavar="NAME", help="keep only these classes of the data set")
    parser.add_argument("--single-class", action="store_true", help="treat every object as one class")
    parser.add_argument("--batch-size", type=int, default=16, metavar="N", help="images at a time (default 16)")
    rect = "sort the images by shape; each batch gets the smallest input"
    add_detecting(parser, score_threshold=0.001, iou_threshold=0.6, rect=rect)
    parser.add_argument("--plots", type=Path, metavar="DIR", help="write precision-recall, F1 and confusion plots there")
    thresholds = "write the least score with the best F1 of each class there, for predict, export, serve-bundle"
    parser.add_argument("--thresholds", type=Path, metavar="FILE", help=thresholds)
    parser.add_argument("--out", type=Path, metavar="DIR", help="write what lies behind the numbers there: docs/evaluation.md")


def run(arguments):
    """Evaluates; says the table and returns the numbers."""
    from yolo_tf.config import EVALUATION_DETECT

    if arguments.batch_size < 1:
        raise InputError(f"--batch-size: got {arguments.batch_size}. Expected a whole number above 0.")
    for option, folder in (("out", True), ("thresholds", False)):
        if getattr(arguments, option):
            check_target(getattr(arguments, option), option=option, folder=folder)
    detect = given_detect(arguments, EVALUATION_DETECT)
    dataset = read_given_dataset(arguments, classes=tuple(arguments.classes), single_class=arguments.single_class)

    from yolo_tf.evaluation.classes import match_classes
    from yolo_tf.files import read_spec

    names = read_spec(arguments.model).class_names
    dataset = match_classes(dataset, names, of=arguments.model, merged=arguments.single_class)
    if arguments.thresholds and not dataset.num_truths:
        raise InputError(
            f"--thresholds: {arguments.split} has no box to find. Expected some, for F1. Choose another --split or leave it out."
        )

    load_tensorflow()
    from yolo_tf.evaluation.evaluate import format_table
    from yolo_tf.inference.detector import choose_image_size
    from yolo_tf.pictures.plots import plot_evaluation

    detector = open_given_detector(arguments)
    result = evaluate_with_progress(
        detector.candidates,
        dataset,
        image_size=choose_image_size(detector, arguments.image_size),
        batch_size=arguments.batch_size,
        detect=detect,
        rect=arguments.rect,
        letterbox=detector.spec.letterbox,
    )
    say(format_table(result))
    if result.num_images_cut:
        say(describe_cut(result, len(dataset.records), detect.candidate_limit))
    if arguments.plots:
        say_undrawable(dataset.class_names)
        plot_evaluation(result.curves, result.confusion, dataset.class_names, arguments.plots)
        say(f"plots: {arguments.plots}")
    if arguments.thresholds:
        _write_thresholds(result, arguments, arguments.thresholds)
        say(f"thresholds: {arguments.thresholds}")
    return result.metrics if arguments.out is None else _write_insight(dataset, result, arguments)


def _write_thresholds(result, arguments, path):
    from yolo_tf.insight.thresholds import best_thresholds, write_thresholds

    counts = {name: result.metrics[name] for name in ("images", "boxes")}
    measured_on = {"model": str(arguments.model), "data": str(arguments.data), "split": arguments.split, **counts}
    write_thresholds(best_thresholds(result.curves), path, measured_on)


def _write_insight(dataset, result, arguments):
    """Writes what lies behind the numbers into a directory; returns it with the numbers."""
    from yolo_tf.insight.measure import measure_insight
    from yolo_tf.insight.report import write_report

    insight, out = measure_insight(dataset, result), arguments.out
    values = result.metrics | {"insight": insight.to_json()}
    write_json(out / "evaluation.json", values)
    if insight.thresholds:
        _write_thresholds(result, arguments, out / "thresholds.json")
    if insight.resolution:
        say(insight.resolution.describe())
    if not arguments.plots:
        say_undrawable(dataset.class_names)
    read = f"{arguments.data}, {arguments.split}: {result.metrics['images']} images, {result.metrics['boxes']} boxes"
    write_report(insight, out, f"Evaluation of {shown(arguments.model)}", [shown(read)])
    say(f"written: {out / 'report.html'}")
    return values
