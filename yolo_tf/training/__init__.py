"""config -> run directory: the only place that wires a run's data, network, evaluation, files and signals."""

import contextlib

from yolo_tf.config.reader import write_config
from yolo_tf.engine.devices import chief_only, choose_strategy, distribute_batches, worker_of
from yolo_tf.engine.trainer import ReportFirstStep
from yolo_tf.evaluation.evaluate import evaluate_shared
from yolo_tf.files.keras import save_network
from yolo_tf.files.run_directory import RunDirectory, new_run_directory, read_history, write_environment
from yolo_tf.inference.detector import network_candidates
from yolo_tf.pictures.plots import plot_history, plot_labels
from yolo_tf.system.atomic import remove_leftovers, write_json
from yolo_tf.system.interruption import Interrupted, note_signals, stop_if_noted
from yolo_tf.training.callbacks import EvaluateAveraged, Freeze, KeepCheckpoints, RecordRun, StopOnNonFiniteLoss
from yolo_tf.training.checkpoint import RunState, load_checkpoint
from yolo_tf.training.data_sets import fingerprint
from yolo_tf.training.estimate import PromiseTime
from yolo_tf.training.failures import explained
from yolo_tf.training.prepare import set_up
from yolo_tf.training.profiling import WhereTimeGoes
from yolo_tf.training.report import picture_batches, summarize
from yolo_tf.training.resume import fit_from, resumed_config


def train(config, root, *, resume=False, profile=False, callbacks=()):
    """Trains a detector and leaves everything about the run in a directory.

    With TF_CONFIG this is one of many workers: all go through the same steps, the chief alone writes to `root` and speaks.

    Args:
        config: Config.
        root: the run directory; must hold no run unless `resume`.
        resume: go on from the newest checkpoint of the run in `root`; the rest of the run is what it would have
            been without the interruption.
        profile: measure where the time goes; written to the run's directory `profile` with a trace of a few steps.
        callbacks: keras callbacks of your own, called before those of the run; their model is the DetectorTrainer.

    Returns:
        dict: the metrics of the best network on the validation split, plus "run", "best_epoch", "epochs" and
        "seconds_per_epoch". None on a worker that is not the chief.

    Raises:
        InputError: anything about the config, the data set, the run directory or the weights that cannot work; a loss
            that is no number, too little memory or a full disk.
        Interrupted: Ctrl-C or SIGTERM came; the checkpoint of the last step is written.
    """
    strategy = choose_strategy(config.hardware.devices, worker_timeout=config.hardware.worker_timeout)
    with chief_only(root, strategy) as own_root:
        run = RunDirectory(own_root.resolve()) if resume else new_run_directory(own_root)
        before = RunDirectory(root.resolve()) if resume else None
        return _train(config, run, before, strategy=strategy, profile=profile, callbacks=callbacks)


def _train(config, run, before, *, strategy, profile, callbacks):
    """Does what `train` promises: writes to `run`; goes on with the run in `before` unless that is None."""
    clock = WhereTimeGoes(run.root / "profile")
    if before:
        config = resumed_config(before, config)
        remove_leftovers(run.root)
    setup = set_up(config, strategy)
    config, train = setup.config, setup.config.train
    begin = RunState(data=fingerprint(setup.train_set))
    state = load_checkpoint(before.checkpoints, setup.trainer, data=begin.data) if before else begin
    rows = read_history(before.history, before_epoch=state.epoch + 1) if before else []
    batches = setup.make_batches(state.epoch, state.step)
    run.plots.mkdir(parents=True, exist_ok=True)
    write_config(config, run.config)
    if state == begin:
        _write_start(run, setup, batches)

    noted = []  # signals
    evaluation = EvaluateAveraged(
        setup.optimizer,
        evaluate=clock.timed("evaluation", _evaluator(setup, strategy, noted)),
        epochs=train.epochs,
        options=config.run,
        best=state.best,
    )
    recording = RecordRun(
        run,
        setup.optimizer,
        rows=rows,
        plot=lambda rows: plot_history(rows, run.plots / "history.png"),
        tensorboard=config.run.tensorboard,
        seconds=state.seconds,
    )
    write_network = clock.timed("network files", lambda path: save_network(setup.trainer.network, setup.spec, path))
    checkpoints = KeepCheckpoints(
        run,
        evaluation,
        recording,
        write_network=write_network,
        state=state,
        every_steps=config.run.checkpoint_every_steps,
        noted=noted,
    )
    if state.epoch and not state.step:
        checkpoints.write_networks(state.epoch)
    callbacks = [
        *callbacks,
        ReportFirstStep(),
        Freeze(setup.frozen, epochs=config.transfer.freeze_epochs),
        StopOnNonFiniteLoss(state, draw_batch=_batch_drawer(run, setup)),
        evaluation,
        recording,
        checkpoints,
        PromiseTime(epochs=train.epochs, steps=setup.steps),
        *([clock] if profile else []),  # the last: it measures the others
    ]

    def stream(batches):
        return distribute_batches(clock.stamp(batches) if profile else batches, train.batch_size, strategy)

    print(f"run directory: {run.root}  (interrupt with Ctrl-C, go on with --resume)")
    worker = worker_of(strategy)
    with explained(run, batch_size=train.batch_size, image_size=config.data.image_size):
        try:
            with note_signals(noted) if worker == (0, 1) else contextlib.nullcontext():  # one of many cannot stop alone
                fit_from(
                    state,
                    setup.trainer,
                    stream(batches),
                    lambda: stream(setup.make_batches(state.epoch + 1, 0)),
                    steps=setup.steps,
                    epochs=state.epoch if evaluation.finished(state.epoch) else train.epochs,
                    callbacks=callbacks,
                )
        except Interrupted:
            checkpoints.save()
            print(f"\nEvery finished step is kept. Go on with: yolo-tf train --resume --run {run.root}")
            raise
    if worker[0] != 0:
        return None
    return summarize(run, setup.val_set, config, rows, best_epoch=evaluation.best["epoch"])


def _write_start(run, setup, batches):
    """Writes what a run begins with: versions, the report on its network, pictures of its labels and first batches."""
    write_environment(run.root / "environment.json")
    write_json(run.root / "swap_report.json", setup.report.to_json())
    plot_labels(setup.train_set, run.plots / "labels.png")
    pictures = [run.plots / f"train_batch_{number}.png" for number in range(2)]
    picture_batches(batches, setup.train_set.class_names, pictures, augment=setup.augment)


def _evaluator(setup, strategy, noted):
    """Returns the function () -> COCO numbers of the network as it is, shared out over the workers; signals stop it."""
    candidates = network_candidates(setup.trainer.forward, setup.spec.anchors)

    def interruptible_candidates(images):
        stop_if_noted(noted)
        return candidates(images)

    return lambda: (
        evaluate_shared(
            interruptible_candidates,
            setup.val_set,
            image_size=setup.config.data.image_size,
            batch_size=setup.config.train.batch_size,
            worker=worker_of(strategy),
            strategy=strategy,
        ).metrics
    )


def _batch_drawer(run, setup):
    """Returns the function (epoch, step) -> path of a picture of that whole batch, drawn anew from its number."""

    def draw_batch(epoch, step):
        path = run.plots / "nonfinite_batch.png"
        batches, class_names = setup.make_batches(epoch, step, cache="none"), setup.train_set.class_names
        picture_batches(batches, class_names, [path], images=setup.config.train.batch_size, augment=setup.augment)
        return path

    return draw_batch
