"""`yolo-tf benchmark`: network files -> latency, memory and start, measured in turns."""

import os
from pathlib import Path

from yolo_tf.system.plain import plain


def add_arguments(parser):
    """Declares the arguments."""
    parser.add_argument(
        "models",
        nargs="+",
        type=Path,
        metavar="MODEL",
        help="a .keras, .tflite or .onnx file or a SavedModel or OpenVINO directory",
    )
    add_measuring_arguments(parser)


def add_measuring_arguments(parser):
    """Declares how to measure."""
    parser.add_argument("--image-size", type=int, metavar="N", help="square input size, px; default: that of each file")
    parser.add_argument("--batch", type=int, default=1, metavar="N", help="images in one timed call (default 1)")
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads of each file (default: all cores)")
    parser.add_argument("--repeats", type=int, default=50, metavar="R", help="timed calls of each file (default 50)")


def run(arguments):
    """Measures; prints the table and returns the rows."""
    from yolo_tf.inference.benchmark import format_measurements

    conditions, rows = measure(arguments)
    print(describe(conditions), format_measurements(rows), sep="\n")
    return {"conditions": conditions, "models": plain(rows)}


def measure(arguments):
    """Returns (what the figures depend on as JSON values, a Measurement per file)."""
    from yolo_tf.inference.benchmark import benchmark, describe_machine

    threads = os.cpu_count() if arguments.threads is None else arguments.threads
    options = {"batch": arguments.batch, "threads": threads, "repeats": arguments.repeats}
    rows = benchmark(arguments.models, image_size=arguments.image_size, **options)
    return options | describe_machine().to_json(), rows


def describe(conditions):
    """Returns the lines above a table: everything the figures depend on beside the files."""
    from yolo_tf.inference.benchmark import TURN, WARM_UP

    versions = ", ".join(f"{name} {version}" for name, version in conditions["versions"].items() if version)
    return (
        f"batch {conditions['batch']}, {conditions['threads']} of {conditions['cores']} cores, {conditions['repeats']} calls"
        f" in turns of {TURN} after {WARM_UP} to warm up\n{conditions['processor']}; {versions}"
    )
