"""config -> run directory: the only place that wires data, network, loss, optimizer and evaluation."""

import keras
import tensorflow as tf

from yolo_tf.atomic import write_json
from yolo_tf.callbacks import EvaluateAveraged, Freeze, RecordRun, StopOnNonFiniteLoss
from yolo_tf.config_reader import write_config
from yolo_tf.data.pipeline import make_train_dataset, steps_per_epoch
from yolo_tf.detector_file import detector_spec
from yolo_tf.evaluation import evaluate
from yolo_tf.models.report import format_report, network_report
from yolo_tf.models.stages import frozen_layers
from yolo_tf.models.swap_report import format_swap_report, swap_report
from yolo_tf.network_file import save_network
from yolo_tf.optimizers import build_optimizer
from yolo_tf.plots import plot_history, plot_labels
from yolo_tf.recipes import recipe_for
from yolo_tf.run_directory import FIRST_STATE, RunDirectory, load_checkpoint, new_run_directory, read_history, write_environment
from yolo_tf.runtime import network_candidates
from yolo_tf.trainer import DetectorTrainer
from yolo_tf.training_report import describe_data, picture_batches, summarize
from yolo_tf.training_start import read_splits, start_anchors, start_network


def train(config, root, *, resume=False):
    """Trains a detector and leaves everything about the run in a directory.

    Args:
        config: Config.
        root: the run directory; must hold no run unless `resume`.
        resume: go on after the last finished epoch of the run in `root`; the rest of the run is what it would
            have been without the interruption.

    Returns:
        dict: the metrics of the best network on the validation split, plus "run", "best_epoch", "epochs" and
        "seconds_per_epoch".

    Raises:
        InputError: anything about the config, the data set, the run directory or the weights that cannot work.
    """
    train_set, val_set = read_splits(config.data)
    run = RunDirectory(root.resolve()) if resume else new_run_directory(root)
    keras.utils.set_random_seed(config.train.seed)

    anchors = start_anchors(config.model)
    spec = detector_spec(
        class_names=train_set.class_names, image_size=config.data.image_size, anchors=anchors, name=config.model.name
    )
    network, loaded = start_network(config, spec)
    frozen = frozen_layers(network, config.train.freeze)
    steps = steps_per_epoch(train_set, config.train.batch_size)
    report = network_report(network, model=config.model, num_classes=len(spec.class_names), image_size=spec.image_size)
    swap = swap_report(network, report, loaded=loaded, frozen=frozen, steps=steps * config.train.epochs)
    start = {**report, **swap}
    print(format_report(start), format_swap_report(start), sep="\n\n")
    recipe = recipe_for(config.model.backbone) if config.train.recipe == "auto" else None
    if recipe:
        print(f"recipe of {recipe.family}: {recipe.settings or 'nothing to change'} ({recipe.source})")
    describe_data(train_set, val_set, spec, config)
    optimizer = build_optimizer(config.train, network, steps_per_epoch=steps)
    compiled = use_xla(config.train.xla)
    trainer = DetectorTrainer(network, anchors, loss=config.loss, fused_batch_norm=not compiled)
    trainer.compile(optimizer=optimizer, jit_compile=compiled)
    state = load_checkpoint(run, trainer) if resume else FIRST_STATE
    batches = make_train_dataset(
        train_set,
        data=config.data,
        augment=config.augment,
        train=config.train,
        first_epoch=state["epoch"],
    )
    run.plots.mkdir(parents=True, exist_ok=True)
    if not resume:
        write_config(config, run.config)
        write_environment(run.root / "environment.json")
        write_json(run.root / "swap_report.json", start)
        plot_labels(train_set, run.plots / "labels.png")
        picture_batches(batches, train_set.class_names, run.plots)

    candidates = network_candidates(trainer.forward, anchors)
    evaluation = EvaluateAveraged(
        optimizer,
        evaluate=lambda: evaluate(
            candidates, val_set, image_size=config.data.image_size, batch_size=config.train.batch_size
        ).metrics,
        save_last=lambda: save_network(network, spec, run.last),
        save_best=lambda: save_network(network, spec, run.best),
        train=config.train,
        best=state["best"],
    )
    rows = read_history(run.history, before_epoch=state["epoch"] + 1) if resume else []
    recording = RecordRun(
        run,
        evaluation,
        rows=rows,
        plot=lambda rows: plot_history(rows, run.plots / "history.png"),
        tensorboard=config.train.tensorboard,
    )
    print(f"run directory: {run.root}  (interrupt with Ctrl-C, go on with --resume)")
    try:
        trainer.fit(
            batches,
            epochs=config.train.epochs,
            initial_epoch=state["epoch"],
            steps_per_epoch=steps,
            callbacks=[Freeze(frozen, epochs=config.train.freeze_epochs), StopOnNonFiniteLoss(), evaluation, recording],
            shuffle=False,  # the batches come shuffled
        )
    except KeyboardInterrupt:
        print(f"\nThe last finished epoch is kept. Go on with: yolo-tf train --resume --run {run.root}")
        raise
    return summarize(run, val_set, config, rows, best_epoch=evaluation.best["epoch"])


def use_xla(choice):
    """Returns whether the step is compiled: "auto" means on a GPU only (on a CPU oneDNN is faster)."""
    return choice == "true" or (choice == "auto" and bool(tf.config.list_physical_devices("GPU")))
