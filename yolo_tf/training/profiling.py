"""Where the time of a run goes: a page of seconds per stage, and a TensorBoard trace of a few steps."""

import collections
import functools
import time

import keras
import numpy as np
import tensorflow as tf

from yolo_tf.system.atomic import write_text

TRACED_STEPS = (10, 15)  # of the whole run: after the graph is built and the caches are warm

# stage -> how its seconds are measured; the page lists them in this order
STAGES = {
    "start": "from the call of `train` to the first step: reading the labels, checking the images, building the network",
    "first step": "the first step of the run: tracing the graph, compiling it, filling the input pipeline",
    "input wait": "in all other steps, from their start until their batch has left the input pipeline",
    "steps": "all other steps without their input wait: forward and backward pass, update, and the progress bar's numbers",
    "evaluation": "the evaluations after the epochs",
    "network files": "last.keras and best.keras",
    "end of epoch": "the rest between the last step of an epoch and the next: checkpoint, history, curves, event files",
    "other": "what is left of the whole: callbacks between steps, start of epochs",
}


class WhereTimeGoes(keras.callbacks.Callback):
    """Measures the stages of a run and writes `where_time_goes.md` and a trace; make it before the run's work begins.

    It must be the last of the callbacks, lest the work of those behind it be missed. Page and trace go to `folder`, which
    `tensorboard --logdir` shows, with its profile plugin.
    """

    def __init__(self, folder):
        super().__init__()
        self.folder = folder
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self.made = time.perf_counter()
        self.steps = 0
        self.arrivals = collections.deque()  # when each batch left the pipeline; appended by the pipeline's thread
        self.tracing = False

    def stamp(self, batches):
        """Returns the tf.data.Dataset `batches` that notes when each of its batches is handed to the training step.

        The step itself fetches its batch, so nothing outside of it could tell waiting from work.
        """

        def note():
            self.arrivals.append(time.perf_counter())
            return np.int32(0)

        def pass_on(*batch):
            tensors = [values for values in tf.nest.flatten(batch) if values is not None]
            with tf.control_dependencies(tensors):  # tf.data may make one function of this map and the one before it
                noted = tf.numpy_function(note, [], tf.int32)
            with tf.control_dependencies([noted]):
                return tf.nest.map_structure(lambda values: values if values is None else tf.identity(values), batch)

        return batches.map(pass_on)

    def timed(self, stage, function):
        """Returns `function` so that its seconds count for `stage`."""

        @functools.wraps(function)
        def measured(*arguments):
            started = time.perf_counter()
            try:
                return function(*arguments)
            finally:
                self.seconds[stage] += time.perf_counter() - started

        return measured

    def on_train_begin(self, logs=None):
        """Ends the start, the first time: a run that was interrupted within an epoch calls `fit` twice."""
        self.arrivals.clear()  # of batches that the `fit` before left in the pipeline
        self.ended = time.perf_counter()
        self.counted = self._outside_steps()
        self.seconds["start"] = self.seconds["start"] or self.ended - self.made - self.counted

    def on_train_batch_begin(self, batch, logs=None):
        """Starts the clock of one step, and the trace when it is due."""
        if self.steps == TRACED_STEPS[0]:
            tf.profiler.experimental.start(str(self.folder))
            self.tracing = True
        self.started = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        """Shares the step's seconds between waiting and work; ends the trace when it is due."""
        self.ended = time.perf_counter()
        arrival = self.arrivals.popleft() if self.arrivals else self.started
        self.steps += 1
        if self.steps == 1:
            self.seconds["first step"] += self.ended - self.started
        else:
            wait = max(arrival - self.started, 0.0)
            self.seconds["input wait"] += wait
            self.seconds["steps"] += self.ended - self.started - wait
        if self.steps == TRACED_STEPS[1]:
            self._stop_trace()

    def on_epoch_end(self, epoch, logs=None):
        """Counts what the other callbacks did after the epoch's last step, evaluation and network files apart."""
        counted = self._outside_steps()
        self.seconds["end of epoch"] += time.perf_counter() - self.ended - (counted - self.counted)
        self.counted = counted

    def on_train_end(self, logs=None):
        """Writes the page."""
        self._stop_trace()
        whole = time.perf_counter() - self.made
        self.seconds["other"] += whole - sum(self.seconds.values())
        write_text(self.folder / "where_time_goes.md", time_page(self.seconds, steps=self.steps))

    def _outside_steps(self):
        return self.seconds["evaluation"] + self.seconds["network files"]

    def _stop_trace(self):
        if self.tracing:
            tf.profiler.experimental.stop()
            self.tracing = False


def time_page(seconds, *, steps):
    """Returns the Markdown page of a run of 1 or more `steps`, from its `seconds` by stage of STAGES."""
    whole = sum(seconds.values())
    rows = [f"| {stage} | {seconds[stage]:.1f} | {seconds[stage] / whole:.1%} | {how} |" for stage, how in STAGES.items()]
    others = max(steps - 1, 1)
    return "\n".join(
        [
            "# Where the time goes",
            "",
            f"{whole:.1f} s up to the end of the last epoch, {steps} steps. Each step but the first:"
            f" {seconds['steps'] / others:.3f} s of work and {seconds['input wait'] / others:.3f} s of waiting for input.",
            "",
            "| stage | seconds | share | how it is measured |",
            "|---|---:|---:|---|",
            *rows,
            "",
            "An input wait above some percent of the steps means that the input pipeline is too slow for the network: see",
            "data.cache, data.workers and a smaller data.image_size. The trace beside this page shows"
            f" steps {TRACED_STEPS[0] + 1} to {TRACED_STEPS[1]} op by op",
            "in TensorBoard with its profile plugin (a shorter run has a shorter trace, or none).",
            "",
        ]
    )
