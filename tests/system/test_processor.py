"""What the machine says of itself."""

import pytest

from yolo_tf.system import processor
from yolo_tf.system.processor import available_memory, processor_name


def test_the_processor_has_a_name():
    assert processor_name() == processor_name().strip() != ""


def test_the_available_memory_is_part_of_the_machine_s():
    with open("/proc/meminfo", encoding="utf-8") as file:
        whole = int(file.readline().split()[1]) * 1024 / 1e6
    assert 0 < available_memory() <= whole


def test_a_container_s_limit_counts_without_its_cached_files(monkeypatch):
    files = {
        "meminfo": "MemTotal: 9000000 kB\nMemAvailable: 8000000 kB\n",
        "memory.max": "3000000000\n",
        "memory.current": "2500000000\n",
        "memory.stat": "anon 1\ninactive_file 400000000\n",
    }
    monkeypatch.setattr(processor.Path, "read_text", lambda path, encoding: files[path.name])
    assert available_memory() == pytest.approx(900)
    files["memory.max"] = "max\n"
    assert available_memory() == pytest.approx(8192)
    files["meminfo"] = ""
    assert available_memory() is None
