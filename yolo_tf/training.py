"""config -> run directory: the only place that wires data, network, loss, optimizer and evaluation."""

import keras
import tensorflow as tf

from yolo_tf.anchors import COCO_ANCHORS, best_possible_recall
from yolo_tf.atomic import write_json
from yolo_tf.callbacks import EvaluateAveraged, Freeze, RecordRun, StopOnNonFiniteLoss
from yolo_tf.config_reader import write_config
from yolo_tf.data.images import check_images
from yolo_tf.data.pipeline import first_batches, make_train_dataset, steps_per_epoch
from yolo_tf.detector_file import carries_spec, detector_spec, read_spec
from yolo_tf.drawing import draw_boxes, draw_grid, write_picture
from yolo_tf.errors import InputError
from yolo_tf.evaluation import evaluate, format_table
from yolo_tf.models.head import scale_new_head
from yolo_tf.models.network import build_network, network_anchors
from yolo_tf.models.report import format_report, network_report
from yolo_tf.models.stages import frozen_layers
from yolo_tf.models.swap_report import format_swap_report, swap_report
from yolo_tf.network_file import load_weights, save_network
from yolo_tf.optimizers import build_optimizer
from yolo_tf.plots import plot_evaluation, plot_history, plot_labels
from yolo_tf.recipes import recipe_for
from yolo_tf.run_directory import FIRST_STATE, RunDirectory, load_checkpoint, new_run_directory, read_history, write_environment
from yolo_tf.runtime import network_candidates, open_detector
from yolo_tf.sources import read_dataset, read_source
from yolo_tf.trainer import DetectorTrainer


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


def read_splits(data):
    """Reads the training and validation split of a DataConfig, and decodes every image once.

    A broken image stops the run here, before its first epoch, not hours later.
    """
    if not data.dataset:
        raise InputError("config.data.dataset: is empty. Expected the path of a data set YAML. Add data.dataset=FILE.")
    source = read_source(data.dataset, path=data.path)
    sets = []
    for split in (data.train_split, data.val_split):
        options = dict(classes=data.classes, single_class=data.single_class, strict=data.strict_labels)
        dataset = read_dataset(source, split, **options)
        if dataset.problems:
            print(f"{split}: {len(dataset.problems)} bad labels left out, the first: {dataset.problems[0]}")
        check_images(dataset)
        sets.append(dataset)
    names = [dataset.class_names for dataset in sets]
    if names[0] != names[1]:
        raise InputError(
            f"{source.yaml_path}: {data.train_split} has the classes {list(names[0])}, {data.val_split} {list(names[1])}."
            " Expected the same. Add `names` to the data set YAML."
        )
    return sets


def start_anchors(model):
    """Returns the anchors of a ModelConfig; those of the detector in `model.weights` where the config states none.

    A head that was trained on other anchors would answer in the wrong units.

    Raises:
        InputError: the detector has other levels than this network.
    """
    if model.anchors or not (model.weights and carries_spec(model.weights)):
        return network_anchors(model)
    anchors = read_spec(model.weights).anchors
    if anchors.strides != COCO_ANCHORS.strides:
        raise InputError(
            f"{model.weights}: has levels of strides {anchors.strides}. Expected {COCO_ANCHORS.strides}. Use other weights,"
            " or state config.model.anchors."
        )
    return anchors


def start_network(config, spec):
    """Builds the network under the precision's policy; loads what fits of `model.weights`, if given.

    Returns:
        (keras.Model, LoadedWeights or None).
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(config.train.precision)
    try:
        network = build_network(config.model, num_classes=len(spec.class_names), anchors=spec.anchors)
    finally:
        keras.config.set_dtype_policy(before)
    loaded = load_weights(network, config.model.weights) if config.model.weights else None
    if loaded:
        print(loaded)
        changed = scale_new_head(network, loaded.loaded, config.model.new_head_scale)
        if changed:
            print(f"new head: initial kernels times {config.model.new_head_scale:g} (model.new_head_scale)")
        theirs = read_spec(config.model.weights).class_names if carries_spec(config.model.weights) else ()
        if len(theirs) == len(spec.class_names) and theirs != spec.class_names:
            print(f"note: their head was trained on {list(theirs)}, in that order")
    return network, loaded


def use_xla(choice):
    """Returns whether the step is compiled: "auto" means on a GPU only (on a CPU oneDNN is faster)."""
    return choice == "true" or (choice == "auto" and bool(tf.config.list_physical_devices("GPU")))


def describe_data(train_set, val_set, spec, config):
    """Prints what will be trained on, and whether the anchors fit it."""
    scale = [min(config.data.image_size[0] / r.height, config.data.image_size[1] / r.width) for r in train_set.records]
    sizes = [(r.boxes[:, 2:] - r.boxes[:, :2]) * s for r, s in zip(train_set.records, scale, strict=True)]
    recall = best_possible_recall(
        [size for image in sizes for size in image], spec.anchors, ratio_limit=config.loss.anchor_ratio_limit
    )
    print(
        f"data: {len(train_set.records)} training images with {train_set.num_boxes} boxes, {len(val_set.records)} validation"
        f" images with {val_set.num_boxes}; {len(spec.class_names)} classes; best possible recall of the anchors {recall:.3f}"
    )
    if recall < 0.98:
        print("warning: anchors fit fewer than 98 % of the boxes; set model.anchors to sizes of this data set")


def picture_batches(batches, class_names, folder, *, images=9):
    """Draws the first training batches with their boxes as PNG: what the network will really see."""
    for number, (pictures, targets) in enumerate(first_batches(batches, 2)):
        drawn = []
        for picture, boxes, class_ids in list(zip(pictures, *targets, strict=True))[:images]:
            real = class_ids >= 0
            drawn.append(draw_boxes(picture, boxes[real], class_ids[real], class_names))
        write_picture(draw_grid(drawn), folder / f"train_batch_{number}.png")


def summarize(run, val_set, config, rows, *, best_epoch):
    """Evaluates best.keras as any user would, writes metrics.json and the plots, prints the table."""
    detector = open_detector(run.best)
    result = evaluate(
        detector.candidates, val_set, image_size=config.data.image_size, batch_size=config.train.batch_size
    )
    plot_evaluation(result.curves, result.confusion, val_set.class_names, run.plots)
    seconds = sorted(row["seconds"] for row in rows)
    metrics = {
        **result.metrics,
        "run": str(run.root),
        "best_epoch": best_epoch,
        "epochs": rows[-1]["epoch"] if rows else 0,
        "seconds_per_epoch": seconds[len(seconds) // 2] if seconds else None,
    }
    write_json(run.metrics, metrics)
    print(f"\nbest network: {run.best} (epoch {best_epoch})")
    print(format_table(result))
    return metrics
