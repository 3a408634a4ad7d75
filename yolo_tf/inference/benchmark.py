"""Latency, memory and start of network files, each in a process of its own, measured in turns."""

import contextlib
import dataclasses
import multiprocessing
import os
import re
import signal
import statistics
import time
from pathlib import Path

import numpy as np

from yolo_tf.config.plain import plain
from yolo_tf.errors import InputError
from yolo_tf.files import FORMATS, read_spec
from yolo_tf.system.atomic import size_on_disk
from yolo_tf.system.packages import package_versions
from yolo_tf.system.processor import processor_name
from yolo_tf.system.tensorflow_start import load_tensorflow

WARM_UP = 5  # calls after the first that are not counted: the runtimes choose kernels and grow their buffers
TURN = 10  # calls of one network before it is the next one's turn, so that a slow minute meets all of them


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measurement:
    """What one network file takes."""

    path: str
    kind: str
    device: str  # "CPU" | "GPU"
    image_size: list[int]  # [height, width] px
    bytes: int  # on disk
    load_seconds: float  # TensorFlow is there before
    first_call_seconds: float  # what compiles, compiles there
    median_ms: float  # of a call
    p95_ms: float
    ratio: float  # its median to that of the first path, of each turn; their median
    cpu_ms: float  # of all threads, per call: it hardly grows on a busy machine
    cores: float  # seconds of CPU per second while it runs
    memory_bytes: int | None  # peak over what the process held before it opened the file; None = not told, as outside Linux

    to_json = plain


@dataclasses.dataclass(frozen=True, kw_only=True)
class Machine:
    """What the figures depend on beside the files."""

    processor: str
    cores: int
    versions: dict  # of the runtimes; None = not installed

    to_json = plain


def benchmark(paths, *, image_size=None, batch=1, threads=None, repeats=50):
    """Measures network files one against the other, images in memory -> candidates (network and decode).

    Each file has a process of its own: its memory and its threads are nobody else's. All are opened, one after the
    other, and then called in turns while the others wait, so a load of the machine that comes and goes meets each of
    them and the ratios stand even where the milliseconds do not.

    Args:
        paths: of what open_detector opens, at least one.
        image_size: (height, width) px or one number; None = that of each file.
        batch: images in one call.
        threads: of the CPU for each file; None = all cores.
        repeats: calls that are counted, per file.

    Returns:
        list of Measurement, one per path.

    Raises:
        InputError: a number is below 1, or a file is missing, damaged or not for `image_size`; before any turn.
    """
    threads = os.cpu_count() if threads is None else threads
    for name, number in (("batch", batch), ("threads", threads), ("repeats", repeats)):
        if number < 1:
            raise InputError(f"{name}: got {number}. Expected a whole number above 0.")
    for path in paths:
        read_spec(path)
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(_in_own_process(path, image_size, batch, threads)) for path in paths]
        turns = [[ask(calls) for _, ask in opened] for calls in _turns(repeats)]
        return [
            Measurement(**facts, memory_bytes=ask(0), **_summary([turn[index] for turn in turns], [turn[0] for turn in turns]))
            for index, (facts, ask) in enumerate(opened)
        ]


def describe_machine():
    """Returns the Machine that this process runs on."""
    versions = package_versions("tensorflow", "keras", "ai-edge-litert", "onnxruntime", "openvino")
    return Machine(processor=processor_name(), cores=os.cpu_count(), versions=versions)


@contextlib.contextmanager
def _in_own_process(path, *options):
    """Opens a network file in a new process; yields the first facts of its Measurement and the function calls -> answer."""
    context = multiprocessing.get_context("spawn")  # a fork would inherit the memory and threads of this process
    connection, other_end = context.Pipe()
    process = context.Process(target=_serve, args=(other_end, str(path), *options), daemon=True)
    process.start()
    other_end.close()  # the new process' alone, so that its end is noticed here

    def receive():
        try:
            answer = connection.recv()
        except EOFError:
            process.join()
            raise InputError(
                f"{path}: its process ended with exit code {process.exitcode}. Expected a file that runs on this machine."
                " Look above for the reason; -9 is too little memory, -11 mostly a damaged file."
            ) from None
        if isinstance(answer, InputError):
            raise answer
        return answer

    def ask(calls):
        connection.send(calls)
        return receive()

    try:
        yield receive(), ask
    finally:
        connection.close()
        process.terminate()
        process.join()


def _serve(connection, path, image_size, batch, threads):
    """Opens a file and answers by `connection`: first with its facts, then with calls; the last question is 0."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the asker, who ends this process
    load_tensorflow()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    from yolo_tf.inference.detector import choose_image_size, open_detector

    has_peak = _reset_peak()
    before = _memory_bytes("VmRSS") if has_peak else None
    start = time.perf_counter()
    try:
        detector = open_detector(path, threads=threads)
        opened = time.perf_counter()
        height, width = choose_image_size(detector, image_size)
    except InputError as error:
        connection.send(error)
        return
    images = np.random.default_rng(0).integers(0, 256, (batch, height, width, 3), np.uint8)

    def call():
        start = time.perf_counter()
        for tensor in detector.candidates(images):
            np.asarray(tensor)  # waits for the device
        return time.perf_counter() - start

    first_call = call()
    for _ in range(WARM_UP):
        call()
    on_gpu = FORMATS[detector.kind].tensorflow and tf.config.list_physical_devices("GPU")
    connection.send(
        {
            "path": path,
            "kind": detector.kind,
            "device": "GPU" if on_gpu else "CPU",
            "image_size": [height, width],
            "bytes": size_on_disk(path),
            "load_seconds": opened - start,
            "first_call_seconds": first_call,
        }
    )
    while calls := connection.recv():
        call()  # the others have had the caches meanwhile
        cpu = time.process_time()
        seconds = [call() for _ in range(calls)]
        connection.send((seconds, time.process_time() - cpu))
    # not below 0, for memory that was freed meanwhile
    connection.send(max(_memory_bytes("VmHWM") - before, 0) if has_peak else None)


def _turns(repeats):
    """Returns the calls of each turn, `repeats` in all."""
    return [min(TURN, repeats - done) for done in range(0, repeats, TURN)]


def _summary(turns, first_turns):
    """Returns the figures of one file from (seconds of each call, seconds of CPU) per turn, and those of the first file."""
    seconds = [second for calls, _ in turns for second in calls]
    ratios = [statistics.median(own) / statistics.median(first) for (own, _), (first, _) in zip(turns, first_turns, strict=True)]
    cpu = sum(cpu for _, cpu in turns)
    return {
        "median_ms": 1000 * statistics.median(seconds),
        "p95_ms": 1000 * float(np.percentile(seconds, 95)),
        "ratio": statistics.median(ratios),
        "cpu_ms": 1000 * cpu / len(seconds),
        "cores": cpu / sum(seconds),
    }


def _reset_peak():
    """Lets the peak of this process' memory start anew (import leaves a high one); returns whether the system can."""
    try:
        Path("/proc/self/clear_refs").write_text("5")  # proc(5)
    except OSError:
        return False
    return True


def _memory_bytes(name):
    """Returns a line of /proc/self/status: VmRSS = memory in use, VmHWM = its peak. getrusage's peak has the parent's in it."""
    kib = re.search(rf"^{name}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)[1]
    return 1024 * int(kib)
