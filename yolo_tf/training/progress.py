"""Where a run is: the one thing that its callbacks share and change."""

import dataclasses
import time

import keras

from yolo_tf.training.checkpoint import RunState


@dataclasses.dataclass(kw_only=True, eq=False)
class RunProgress:
    """Where a run is, what it found until now, and whether it was asked to stop. KeepCheckpoints moves it on."""

    epochs: int  # of the whole run
    steps: int  # batches of one epoch
    state: RunState  # after the last step, but for the seconds that this process spent on the epoch
    rows: list = dataclasses.field(default_factory=list)  # of history.csv, one for each finished epoch
    noted: list = dataclasses.field(default_factory=list)  # signals that asked to stop, see `note_signals`
    began: float = 0.0  # when this process began the epoch, on the clock of time.perf_counter

    def move(self, **changes):
        """Changes fields of the state."""
        self.state = dataclasses.replace(self.state, **changes)

    def seconds(self):
        """Returns the seconds spent on the epoch until now."""
        return self.state.seconds + time.perf_counter() - self.began

    def steps_left(self):
        """Returns the steps from here to the end of the run."""
        return (self.epochs - self.state.epoch) * self.steps - self.state.step

    def state_now(self):
        """Returns the RunState for a checkpoint of this moment."""
        return dataclasses.replace(self.state, seconds=self.seconds()) if self.state.step else self.state


@dataclasses.dataclass(eq=False)
class RunCallback(keras.callbacks.Callback):
    """A callback of a run. Its fields are its arguments, the progress before those of the subclass."""

    progress: RunProgress

    def __post_init__(self):
        super().__init__()
