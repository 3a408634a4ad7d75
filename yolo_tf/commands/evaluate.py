"""`yolo-tf evaluate`: a network file and a data set -> COCO numbers."""

from pathlib import Path

from yolo_tf.files import known_formats


def add_arguments(parser):
    """Declares the arguments."""
    parser.add_argument("model", type=Path, metavar="MODEL", help=known_formats())
    parser.add_argument("--data", type=Path, required=True, metavar="DATASET.yaml", help="data set YAML")
    parser.add_argument("--path", default="", metavar="DIR", help="root of the data, instead of the YAML's path")
    parser.add_argument("--split", default="val", help="split to evaluate on (default val)")
    parser.add_argument("--image-size", type=int, metavar="N", help="square input size, px; default: as trained")
    parser.add_argument("--batch-size", type=int, default=16, metavar="N", help="images at a time (default 16)")
    parser.add_argument("--classes", nargs="+", default=(), metavar="NAME", help="keep only these classes of the data set")
    parser.add_argument("--single-class", action="store_true", help="treat every object as one class")
    parser.add_argument("--lenient", action="store_true", help="leave bad labels out and count them instead of stopping")
    parser.add_argument("--score-threshold", type=float, default=0.001, metavar="X", help="least score (default 0.001)")
    parser.add_argument("--iou-threshold", type=float, default=0.6, metavar="X", help="IoU of suppression (default 0.6)")
    parser.add_argument("--max-detections", type=int, default=300, metavar="N", help="most detections of one image (default 300)")
    parser.add_argument("--class-agnostic", action="store_true", help="suppress across classes")
    parser.add_argument("--rect", action="store_true", help="sort the images by shape; each batch gets the smallest input")
    parser.add_argument("--augment", action="store_true", help="look at three scales of each image, one of them mirrored")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="write precision-recall, F1 and confusion plots there")


def run(arguments):
    """Evaluates; prints the table and returns the numbers."""
    import dataclasses

    from yolo_tf.config import EVALUATION_DETECT
    from yolo_tf.errors import InputError
    from yolo_tf.sources import read_dataset, read_source

    if arguments.batch_size < 1:
        raise InputError(f"--batch-size: got {arguments.batch_size}. Expected a whole number above 0.")
    detect = dataclasses.replace(
        EVALUATION_DETECT,
        score_threshold=arguments.score_threshold,
        iou_threshold=arguments.iou_threshold,
        max_detections=arguments.max_detections,
        class_agnostic=arguments.class_agnostic,
    )
    dataset = read_dataset(
        read_source(arguments.data, path=arguments.path),
        arguments.split,
        classes=tuple(arguments.classes),
        single_class=arguments.single_class,
        strict=not arguments.lenient,
    )
    if dataset.problems:
        print(f"{len(dataset.problems)} bad labels left out, the first: {dataset.problems[0]}")

    from yolo_tf.system.tensorflow_start import load_tensorflow

    load_tensorflow()
    import tensorflow as tf

    from yolo_tf.data.images import check_images
    from yolo_tf.evaluation.evaluate import evaluate, format_table
    from yolo_tf.inference.detector import check_any_size, choose_image_size, open_detector
    from yolo_tf.inference.three_views import augment_candidates
    from yolo_tf.pictures.plots import plot_evaluation

    detector = open_detector(arguments.model)
    for option, given in (("--rect", arguments.rect), ("--augment", arguments.augment)):
        if given:
            check_any_size(detector, option)
    candidates = detector.candidates
    if arguments.augment:
        candidates = augment_candidates(candidates, detector.spec.anchors)
    try:
        result = evaluate(
            with_progress(candidates, len(dataset.records)),
            dataset,
            image_size=choose_image_size(detector, arguments.image_size),
            batch_size=arguments.batch_size,
            detect=detect,
            rect=arguments.rect,
        )
    except tf.errors.InvalidArgumentError:
        check_images(dataset)  # names the file, if one does not decode
        raise
    print(format_table(result))
    if arguments.plots:
        plot_evaluation(result.curves, result.confusion, dataset.class_names, arguments.plots)
        print(f"plots: {arguments.plots}")
    return result.metrics


def with_progress(candidates, total):
    """Returns `candidates` that rewrites one line with the number of images done and ends it after the last."""
    done = 0

    def counted(images):
        nonlocal done
        found = candidates(images)
        done += len(images)
        print(f"\r{done}/{total} images", end="\n" if done == total else "", flush=True)
        return found

    return counted
