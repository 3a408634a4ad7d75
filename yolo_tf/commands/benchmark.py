"""`yolo-tf benchmark`: network files -> latency, memory and start, measured in turns."""

from yolo_tf.commands.arguments import add_measuring
from yolo_tf.commands.measuring import describe, format_measurements, measure
from yolo_tf.config.plain import plain


def add_arguments(parser):
    """Declares the arguments."""
    add_measuring(parser)


def run(arguments):
    """Measures; prints the table and returns the rows."""
    conditions, rows = measure(arguments)
    print(describe(conditions), format_measurements(rows), sep="\n")
    return {"conditions": conditions, "models": plain(rows)}
