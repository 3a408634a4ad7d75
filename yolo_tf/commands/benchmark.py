"""`yolo-tf benchmark`: network files -> latency, memory and start, measured in turns."""

import os

from yolo_tf.commands.arguments import add_measuring
from yolo_tf.system.plain import plain


def add_arguments(parser):
    """Declares the arguments."""
    add_measuring(parser)


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
