"""How a person reads measurements."""

from yolo_tf.commands.measuring import LEGEND, format_measurements
from yolo_tf.inference.benchmark import Measurement


def measurement(**figures):
    """A Measurement with the given figures."""
    names = ("median_ms", "p95_ms", "ratio", "load_seconds", "first_call_seconds", "cpu_ms", "cores")
    facts = {"path": "a", "kind": "keras", "device": "CPU", "image_size": [3, 5], "bytes": 7, "memory_bytes": None}
    return Measurement(**dict.fromkeys(names, 1.0) | facts | figures)


def test_a_gpu_is_named():
    lines = format_measurements([measurement(), measurement(device="GPU", path="b")]).splitlines()
    assert lines[1].startswith("a      keras       3 x 5") and lines[2].startswith("b      keras, GPU  3 x 5")


def test_a_busy_machine_is_named():
    """A network on a GPU leaves the cores idle by itself."""
    figures = (("a", "CPU", 0.9), ("b", "CPU", 0.4), ("c", "GPU", 0.1), ("d", "CPU", 0.6))
    rows = [measurement(path=path, device=device, cores=cores) for path, device, cores in figures]
    assert format_measurements(rows[::2]).endswith(LEGEND)
    text = format_measurements(rows)
    assert LEGEND in text and "busy with other work: b, d got less than 0.9 of a core." in text
