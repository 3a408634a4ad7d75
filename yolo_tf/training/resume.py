"""How a run goes on: with which options, and from which step."""

import dataclasses

import keras

from yolo_tf.config.reader import config_to_dict, read_config
from yolo_tf.errors import InputError
from yolo_tf.files.run_directory import read_history
from yolo_tf.terminal import is_terminal, say
from yolo_tf.training.checkpoint import RunState, load_checkpoint
from yolo_tf.training.data_sets import fingerprint
from yolo_tf.training.progress import RunProgress

# Options that may change when a run goes on: where it runs and reads, how long it may last, what it keeps. All others
# would make it another run from here on. The data set is held to its fingerprint instead.
MAY_CHANGE = {"data.dataset", "data.path", "data.cache", "data.cache_gib", "data.scan", "data.workers", "data.service"}
MAY_CHANGE |= {"augment.device", "hardware.devices", "hardware.worker_timeout", "hardware.xla", "run.tensorboard"}
MAY_CHANGE |= {"run.checkpoint_every_steps", "run.patience"}
# Values that leave the choice to the start of a run; its config.yaml holds what was chosen.
CHOSEN_AT_START = {"train.batch_size": "auto", "model.anchors": (), "data.max_boxes": "auto"}
HINTS = {
    "train.epochs": " A longer run has another learning rate from its first step on: start a new one with model.weights={last}.",
    "train.batch_size": " Another batch size is another run: start a new one with model.weights={last}.",
}


def resumed_config(run, config):
    """Returns the Config that a run goes on with: `config`, with the choices that the run made at its start.

    Raises:
        InputError: an option that decides what is learned differs; the line shows each with both values.
    """
    began = read_config(run.config)
    for option, unchosen in CHOSEN_AT_START.items():
        section, name = option.split(".")
        if getattr(getattr(config, section), name) == unchosen:
            chosen = {name: getattr(getattr(began, section), name)}
            config = dataclasses.replace(config, **{section: dataclasses.replace(getattr(config, section), **chosen)})
    before, after = _options(began), _options(config)
    changed = [option for option in before if before[option] != after[option] and option not in MAY_CHANGE]
    if changed:
        differences = ", ".join(f"{option} {before[option]} -> {after[option]}" for option in changed)
        hints = "".join(HINTS.get(option, "").format(last=run.last) for option in changed)
        raise InputError(
            f"{run.root}: began with other options than it is to go on with: {differences}. Expected the same values."
            f" Leave the new ones out, or start a new run.{hints}"
        )
    return config


def first_progress(before, setup):
    """Restores the newest checkpoint of the run in `before` (None: a new one begins) into the trainer of a Setup.

    Returns:
        RunProgress; of the very beginning where there is no checkpoint.

    Raises:
        InputError: see `load_checkpoint`.
    """
    data, rows = fingerprint(setup.train_set), []
    state = load_checkpoint(before.checkpoints, setup.trainer, data=data) if before else RunState(data=data)
    if before:
        rows = read_history(before.history, before_epoch=state.epoch + 1)
    return RunProgress(epochs=setup.config.train.epochs, steps=setup.steps, state=state, rows=rows)


def fit_from(progress, trainer, batches, next_batches, *, epochs, callbacks):
    """Trains what is left of a run: the rest of the epoch that was begun, then the other epochs.

    Keras' bar moves where a person watches; elsewhere it would write hundreds of lines.

    Args:
        progress: RunProgress.
        trainer: compiled DetectorTrainer, as it was then.
        batches: endless tf.data.Dataset from there on.
        next_batches: () -> the same from the beginning of the next epoch; called after an epoch that was continued,
            because every `fit` begins its data set anew.
        epochs: epochs after which to stop.
        callbacks: keras callbacks, KeepCheckpoints among them.
    """
    epoch, step, steps = progress.state.epoch, progress.state.step, progress.steps
    trainer.stop_training = False
    options = dict(callbacks=callbacks, shuffle=False, verbose="auto" if is_terminal() else 0)
    if step == steps:  # stopped while it was evaluated
        chain = keras.callbacks.CallbackList(callbacks, model=trainer)
        chain.on_train_begin()
        chain.on_epoch_begin(epoch)
        chain.on_epoch_end(epoch, trainer.get_metrics_result())
        chain.on_train_end()
        epoch += 1
    elif step:
        say(f"epoch {epoch + 1} of {epochs} goes on after step {step} of {steps}")
        trainer.fit(batches, initial_epoch=epoch, epochs=epoch + 1, steps_per_epoch=steps - step, **options)
        epoch += 1
        batches = next_batches()
    if epoch < epochs and not trainer.stop_training:
        trainer.fit(batches, initial_epoch=epoch, epochs=epochs, steps_per_epoch=steps, **options)


def _options(config):
    """Returns every option that is about training by its dotted name; those of `detect` are thresholds of use."""
    sections = config_to_dict(config).items()
    return {f"{section}.{key}": value for section, keys in sections if section != "detect" for key, value in keys.items()}
