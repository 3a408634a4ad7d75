"""What the verbs that measure network files share: the measurement, and how a person reads it."""

import os

from yolo_tf.terminal.tables import format_table

LEGEND = (
    "median, p95: images in memory -> candidates (network and decode); ratio: of medians, to the first row, turn by turn;\n"
    "CPU: of all threads, per call; cores: CPU time per time; peak: memory over that of a process that has imported TensorFlow;\n"
    "load: opening the file; first: the first call."
)
BUSY_CORES = 0.9  # a call that computes on the CPU alone uses one core at least, unless something else has it


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


def format_measurements(rows, *, kind="text", accuracy=()):
    """Returns the table of Measurements and, below it, what its columns say, and whether the machine was too busy for them.

    Args:
        rows: at least one Measurement.
        kind: one of TABLE_FORMATS.
        accuracy: one mapping per row of further columns, placed before the latency.
    """
    table = format_table([_cells(row, more) for row, more in zip(rows, accuracy or [{}] * len(rows), strict=True)], kind=kind)
    lines = [table, *([""] if kind == "markdown" else []), LEGEND]
    waited = [row.path for row in rows if row.device == "CPU" and row.cores < BUSY_CORES]
    if waited:
        lines.append(
            f"The machine was busy with other work: {', '.join(waited)} got less than {BUSY_CORES} of a core."
            " median, p95, load and first are too long."
        )
    return "\n".join(lines)


def _cells(row, accuracy):
    """Returns a Measurement as text by column."""
    height, width = row.image_size
    return {
        "model": row.path,
        "kind": row.kind if row.device == "CPU" else f"{row.kind}, {row.device}",
        "input": f"{height} x {width}",
        **accuracy,
        "MB": f"{row.bytes / 1e6:.2f}",
        "median, ms": f"{row.median_ms:.2f}",
        "p95, ms": f"{row.p95_ms:.2f}",
        "ratio": f"{row.ratio:.2f}",
        "CPU, ms": f"{row.cpu_ms:.2f}",
        "cores": f"{row.cores:.2f}",
        "peak, MB": "-" if row.memory_bytes is None else f"{row.memory_bytes / 1e6:.0f}",
        "load, s": f"{row.load_seconds:.2f}",
        "first, s": f"{row.first_call_seconds:.2f}",
    }
