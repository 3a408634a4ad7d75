"""Measures one detector that is called from several threads: calls per second, and the memory that it takes.

    python scripts/bench_threads.py MODEL ... [--threads 1 2 6] [--seconds 3] [--rounds 3] [--image-size N]

Three ways to serve T threads are measured in turns, as ratios to the first row of each file, one thread:
"shared" is one Detector, as it is; "in turn" is the same behind a lock of the caller; "own" is a Detector a thread, each
with all cores. CPU is that of all threads per call, which a busy machine hardly moves. The memory is what the process holds
more after it opened and ran them.
"""

import argparse
import re
import statistics
import threading
import time
from pathlib import Path

import numpy as np

from yolo_tf.inference.detector import choose_image_size, open_detector


def calls_per_second(candidates, images, seconds):
    """Calls each function in a thread of its own for `seconds`; returns calls per second of all together, CPU ms of one."""
    counts, start = [0] * len(candidates), threading.Barrier(len(candidates) + 1)
    end = []

    def work(index):
        start.wait()
        while not end:
            for tensor in candidates[index](images):
                np.asarray(tensor)  # waits for the device
            counts[index] += 1

    workers = [threading.Thread(target=work, args=(index,)) for index in range(len(candidates))]
    for worker in workers:
        worker.start()
    start.wait()
    began, cpu = time.perf_counter(), time.process_time()
    time.sleep(seconds)
    end.append(True)
    for worker in workers:
        worker.join()
    return sum(counts) / (time.perf_counter() - began), 1000 * (time.process_time() - cpu) / max(1, sum(counts))


def in_turn(candidates, lock):
    """Returns `candidates` behind a lock."""

    def call(images):
        with lock:
            return candidates(images)

    return call


def memory_mb():
    """Returns the memory in use; Linux only."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())[1]) * 1024 / 1e6


def measure(path, thread_counts, *, seconds, rounds, image_size):
    """Prints a row for each way and number of threads."""
    ways, memory = {}, {}
    before, most = memory_mb(), max(thread_counts)
    detectors = [open_detector(path)]
    images = np.random.default_rng(0).integers(0, 256, (1, *choose_image_size(detectors[0], image_size), 3), np.uint8)
    lock = threading.Lock()
    for count in thread_counts:
        ways["shared", count] = [detectors[0].candidates] * count
        ways["in turn", count] = [in_turn(detectors[0].candidates, lock)] * count
    calls_per_second(ways["shared", most], images, 0.5)
    memory["shared"] = memory_mb() - before
    detectors += [open_detector(path) for _ in range(most - 1)]
    for count in thread_counts:
        ways["own", count] = [detector.candidates for detector in detectors[:count]]
    calls_per_second(ways["own", most], images, 0.5)
    memory["own"] = memory_mb() - before

    speeds = {way: [] for way in ways}
    for _ in range(rounds):
        for way, candidates in ways.items():
            speeds[way].append(calls_per_second(candidates, images, seconds))
    first = next(iter(speeds.values()))
    for (way, count), own in speeds.items():
        ratio = statistics.median(speed / base for (speed, _), (base, _) in zip(own, first, strict=True))
        speed, cpu = (statistics.median(column) for column in zip(*own, strict=True))
        held = f"{memory[way]:.0f}" if count == most and way in memory else "-"
        print(f"{path.name:<24} {way:<8} {count:>7} {speed:>8.1f} {ratio:>6.2f} {cpu:>8.1f} {held:>8}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2, 6])
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement (default 3)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of all of them (default 3)")
    parser.add_argument("--image-size", type=int, default=None, metavar="N")
    arguments = parser.parse_args()
    print(f"{'file':<24} {'way':<8} {'threads':>7} {'calls/s':>8} {'ratio':>6} {'CPU, ms':>8} {'MB more':>8}")
    for path in arguments.models:
        measure(path, arguments.threads, seconds=arguments.seconds, rounds=arguments.rounds, image_size=arguments.image_size)


if __name__ == "__main__":
    main()
