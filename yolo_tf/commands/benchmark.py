"""`yolo-tf benchmark`: network files -> latency, memory and start, measured in turns."""

from yolo_tf.commands.arguments import add_measuring

LEGEND = (
    "median, p95: images in memory -> candidates (network and decode); ratio: of medians, to the first row, turn by turn;\n"
    "CPU: of all threads, per call; cores: CPU time per time; peak: memory over that of a process that has imported TensorFlow;\n"
    "load: opening the file; first: the first call."
)
BUSY_CORES = 0.9  # a call that computes on the CPU alone uses one core at least, unless something else has it


def add_arguments(parser):
    """Declares the arguments."""
    add_measuring(parser)


def run(arguments):
    """Measures; prints the table and returns the rows."""
    from yolo_tf.terminal.tables import format_table

    conditions, rows = measure(arguments)
    print(describe(conditions))
    print(format_table([cells(row) for row in rows]))
    print(notes(rows))
    return {"conditions": conditions, "models": rows}


def measure(arguments):
    """Returns (what the figures depend on, a row per file; see yolo_tf.inference.benchmark.benchmark)."""
    import os

    from yolo_tf.inference.benchmark import benchmark, describe_machine

    threads = os.cpu_count() if arguments.threads is None else arguments.threads
    options = {"batch": arguments.batch, "threads": threads, "repeats": arguments.repeats}
    rows = benchmark(arguments.models, image_size=arguments.image_size, **options)
    return options | describe_machine(), rows


def describe(conditions):
    """Returns the lines above a table: everything the figures depend on beside the files."""
    from yolo_tf.inference.benchmark import TURN, WARM_UP

    versions = ", ".join(f"{name} {version}" for name, version in conditions["versions"].items() if version)
    return (
        f"batch {conditions['batch']}, {conditions['threads']} of {conditions['cores']} cores, {conditions['repeats']} calls"
        f" in turns of {TURN} after {WARM_UP} to warm up\n{conditions['processor']}; {versions}"
    )


def notes(rows):
    """Returns the lines below a table: what its columns say, and whether the machine was too busy for them."""
    waited = [row["path"] for row in rows if row["device"] == "CPU" and row["cores"] < BUSY_CORES]
    if not waited:
        return LEGEND
    return (
        f"{LEGEND}\nThe machine was busy with other work: {', '.join(waited)} got less than {BUSY_CORES} of a core."
        " median, p95, load and first are too long."
    )


def cells(row, accuracy=()):
    """Returns a row as text by column; `accuracy` is a mapping of further columns, placed before the latency."""
    height, width = row["image_size"]
    peak = row["memory_bytes"]
    return {
        "model": row["path"],
        "kind": row["kind"] if row["device"] == "CPU" else f"{row['kind']}, {row['device']}",
        "input": f"{height} x {width}",
        **dict(accuracy),
        "MB": f"{row['bytes'] / 1e6:.2f}",
        "median, ms": f"{row['median_ms']:.2f}",
        "p95, ms": f"{row['p95_ms']:.2f}",
        "ratio": f"{row['ratio']:.2f}",
        "CPU, ms": f"{row['cpu_ms']:.2f}",
        "cores": f"{row['cores']:.2f}",
        "peak, MB": "-" if peak is None else f"{peak / 1e6:.0f}",
        "load, s": f"{row['load_seconds']:.2f}",
        "first, s": f"{row['first_call_seconds']:.2f}",
    }
