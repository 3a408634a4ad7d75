"""`yolo-tf compare`: network files and a data set -> accuracy, size, latency and memory side by side."""

from pathlib import Path

from yolo_tf.commands.arguments import add_data, add_measuring, evaluate_with_progress, read_given_dataset
from yolo_tf.commands.measuring import describe, format_measurements, measure
from yolo_tf.system.atomic import write_json, write_text
from yolo_tf.system.tensorflow_start import load_tensorflow


def add_arguments(parser):
    """Declares the arguments."""
    add_measuring(parser)
    add_data(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", help="write comparison.txt, .md, .json and .png there")


def run(arguments):
    """Compares; prints the table, writes the files and returns the rows."""
    from yolo_tf.evaluation.classes import match_classes
    from yolo_tf.files import read_spec

    dataset = read_given_dataset(arguments)
    matched = {str(path): match_classes(dataset, read_spec(path).class_names, of=path) for path in arguments.models}

    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)  # where it cannot be, said before minutes of measuring
    conditions, rows = measure(arguments)
    conditions |= {"data": str(arguments.data), "split": arguments.split, "images": len(dataset.records)}
    load_tensorflow()  # not before the measurement: an idle TensorFlow takes memory, too
    from yolo_tf.pictures.plots import plot_comparison

    found = [_evaluate(row.path, matched[row.path], tuple(row.image_size)) for row in rows]
    accuracy = [{name: one.metrics[name] for name in ("AP", "AP50")} for one in found]
    differences = _differences([(matched[row.path], one.detections) for row, one in zip(rows, found, strict=True)])
    title = f"{len(dataset.records)} images of {arguments.data}, {arguments.split}; {describe(conditions)}"
    columns = [{name: "-" if value is None else f"{value:.3f}" for name, value in one.items()} for one in accuracy]
    told = [
        f"{row.path} against {rows[0].path}: {one.describe()}"
        for row, one in zip(rows, differences, strict=True)
        if one is not None
    ]
    if len(rows) > 1 and not told:
        told = [f"too few images ({len(dataset.records)}), or no box to find, to say which difference is real"]
    text = "\n".join([title, format_measurements(rows, accuracy=columns), *told])
    models = [
        row.to_json() | one | {"difference": difference and difference.to_json()}
        for row, one, difference in zip(rows, accuracy, differences, strict=True)
    ]
    result = {"conditions": conditions, "models": models}
    print(text)
    if arguments.out:
        table = format_measurements(rows, accuracy=columns, kind="markdown")
        markdown = "\n\n".join([title, table, *told])
        write_text(arguments.out / "comparison.txt", text + "\n")
        write_text(arguments.out / "comparison.md", markdown + "\n")
        write_json(arguments.out / "comparison.json", result)
        plot_comparison(models, arguments.out / "comparison.png")
        print(f"written: {arguments.out}")
    return result


def _evaluate(path, dataset, image_size):
    """Returns the EvaluationResult of a network file at the size that its latency was measured at."""
    from yolo_tf.inference.detector import open_detector

    print(path)
    detector = open_detector(path)
    looks = {"image_size": image_size, "letterbox": detector.spec.letterbox}
    return evaluate_with_progress(detector.candidates, dataset, **looks)


def _differences(pairs):
    """Returns the Difference of each (data set, detections) to the first; None for the first, and where there are few images."""
    from yolo_tf.insight.resolution import measure_difference

    first, *others = pairs
    return [None, *(measure_difference(first, other) for other in others)]
