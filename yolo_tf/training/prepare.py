"""config -> everything that a run trains with, built and described, before its first step."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import keras
import tensorflow as tf

from yolo_tf.config import Config
from yolo_tf.config.presets import chosen_recipe
from yolo_tf.data.augment.raw_batch import augments_on, batch_augmenter
from yolo_tf.data.order import steps_per_epoch
from yolo_tf.data.pipeline import make_train_dataset
from yolo_tf.engine.devices import check_batch_size, use_xla
from yolo_tf.engine.optimizers import DetectorOptimizer, build_optimizer
from yolo_tf.engine.trainer import DetectorTrainer
from yolo_tf.files.spec import DetectorSpec, detector_spec
from yolo_tf.heads import load_head, loss_options
from yolo_tf.models.parts import frozen_layers
from yolo_tf.models.reports.cost import network_report
from yolo_tf.models.reports.start import StartReport, format_start, start_report
from yolo_tf.structures import DetectionDataset
from yolo_tf.surgery.fake_quantization import fake_quantized_view
from yolo_tf.system.processor import available_memory
from yolo_tf.terminal import say
from yolo_tf.training.capacity import choose_max_boxes
from yolo_tf.training.compression import check_kept_zeros, check_quantize_aware, read_teacher
from yolo_tf.training.data_sets import in_order_of_files, read_splits
from yolo_tf.training.estimate import bytes_of_boxes, choose_batch_size, estimate_memory, format_memory
from yolo_tf.training.origin import choose_layout, first_layout, first_name, first_network, read_origin, settle_origin


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Setup:
    """What a run trains with."""

    config: Config  # anchors and batch size as they were chosen
    train_set: DetectionDataset
    val_set: DetectionDataset
    spec: DetectorSpec
    trainer: DetectorTrainer  # compiled
    optimizer: DetectorOptimizer
    steps: int  # of an epoch
    frozen: list  # layers that do not learn, or not yet
    augment: Callable | None  # RawBatch -> (images, Targets), in the training step; None = the batches come augmented
    report: StartReport

    @property
    def chooses_epoch(self):
        """Whether there are validation images enough to tell by them which epoch is the best."""
        return len(self.val_set.records) >= self.config.run.choose_from

    def make_batches(self, epoch, step, **data):
        """Makes the endless training batches from a step of an epoch on; `data` replaces options of that section."""
        return make_train_dataset(
            self.train_set,
            data=dataclasses.replace(self.config.data, **data),
            augment=self.config.augment,
            train=self.config.train,
            first_epoch=epoch,
            first_step=step,
            augment_on="accelerator" if self.augment else "host",
        )


def prepare(config, strategy):
    """Reads the data, builds network, optimizer and trainer under the strategy, and says what a person should know of them.

    Raises:
        InputError: anything about the config, the data set or the weights that cannot work.
    """
    replicas = strategy.num_replicas_in_sync
    check_quantize_aware(config, replicas)
    train_set, val_set = in_order_of_files(config, read_splits(config.data, seed=config.train.seed))
    synchronized = config.hardware.sync_batch_norm and replicas > 1
    compiled = use_xla(config.hardware.xla, sync_batch_norm=synchronized)
    with strategy.scope():
        config, spec, network, loaded = _begin(config, train_set)
        teacher = read_teacher(config.compress, spec, precision=config.hardware.precision) if config.compress.teacher else None
    if config.compress.keep_zeros:
        check_kept_zeros(network)
    config = choose_max_boxes(config, train_set, spec)
    config = choose_batch_size(config, network, len(train_set.records), spec=spec, compiled=compiled, replicas=replicas)
    check_batch_size(config.train.batch_size, strategy)
    steps = steps_per_epoch(train_set, config.train.batch_size, least=config.train.min_steps)
    frozen = frozen_layers(network, config.transfer.freeze)
    named = dataclasses.replace(config.model, name=spec.name)
    report = network_report(network, model=named, num_classes=len(spec.class_names), image_size=spec.image_size)
    report = start_report(network, report, loaded=loaded, frozen=frozen, steps=steps * config.train.epochs)
    _describe(config, train_set, val_set, report, network, spec)

    on_device = augments_on(config.augment.device, replicas) == "accelerator"
    augment = batch_augmenter(max_boxes=config.data.max_boxes) if on_device else None
    with strategy.scope():
        optimizer = build_optimizer(
            config.train, network, steps_per_epoch=steps, transfer=config.transfer, keep_zeros=config.compress.keep_zeros
        )
        trainer = DetectorTrainer(
            network,
            spec.layout,
            loss=loss_options(load_head(spec.head), config),
            fused_batch_norm=not compiled,
            sync_batch_norm=synchronized,
            augment=augment,
        )
        if config.compress.quantize_aware:
            trainer.train_through(fake_quantized_view(network, trainer.head.channel_parts))
        if teacher:
            trainer.distill_from(teacher, weight=config.compress.distillation)
        trainer.compile(optimizer=optimizer, jit_compile=compiled)
    return Setup(
        config=config,
        train_set=train_set,
        val_set=val_set,
        spec=spec,
        trainer=trainer,
        optimizer=optimizer,
        steps=steps,
        frozen=frozen,
        augment=augment,
        report=report,
    )


def _begin(config, train_set):
    """Reads what the run begins with; returns (config with its anchors, DetectorSpec, network, LoadedWeights or None)."""
    keras.utils.set_random_seed(config.train.seed)
    origin = read_origin(config.model, class_names=train_set.class_names, precision=config.hardware.precision)
    settle_origin(origin, train_set, config.data)
    config = choose_layout(config, origin, train_set)
    spec = detector_spec(
        class_names=train_set.class_names,
        image_size=config.data.image_size,
        anchors=first_layout(config.model, origin),
        name=first_name(config.model, origin),
        letterbox=config.data.letterbox,
    )
    return config, spec, *first_network(config, origin, spec)


def _describe(config, train_set, val_set, report, network, spec):
    """Says cost and start of the network, its recipe, the data, and the memory that a step needs."""
    say(format_start(report))
    recipe = chosen_recipe(config.train.recipe, config.model.backbone)
    if recipe:
        name, preset = recipe
        settings = ", ".join(f"{key}={value}" for key, value in preset.settings.items()) or "nothing to change"
        say(f"recipe {name}: {settings} ({preset.source})")
    say(
        f"data: {len(train_set.records)} training images with {train_set.num_boxes} boxes, {len(val_set.records)} validation"
        f" images with {val_set.num_boxes}; {len(train_set.class_names)} classes"
    )
    if not val_set.num_truths:
        say(
            f"warning: the {len(val_set.records)} images of the split {config.data.val_split} have no object to find, so there is"
            " no AP: best.keras is the last epoch, and run.patience is off. Correct the labels, or name another data.val_split"
        )
    elif len(val_set.records) < config.run.choose_from:
        say(
            f"the {len(val_set.records)} images of the split {config.data.val_split} are too few to tell epochs apart"
            f" (run.choose_from = {config.run.choose_from}): best.keras is the last epoch, and run.patience is off"
        )
    if config.data.service:
        say(f"note: batches come from {config.data.service} in the order they are ready: no run repeats this one bit by bit")
    batch_size = config.train.batch_size
    options = dict(image_size=config.data.image_size, train=config.train, box_bytes=bytes_of_boxes(spec, config.data.max_boxes))
    memory = estimate_memory(network, **options, batch_size=batch_size)
    gpus = tf.config.list_physical_devices("GPU")  # their free memory is not to be asked for
    say(format_memory(memory, None if gpus else available_memory(), batch_size))
