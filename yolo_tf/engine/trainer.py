"""The one Keras model of a training run: a detector network plus its loss, on one device or many."""

import keras
import tensorflow as tf

from yolo_tf.config import Config
from yolo_tf.heads import load_head, loss_options
from yolo_tf.surgery.fused_batch_norm import fused_batch_norm_view
from yolo_tf.terminal import say


class DetectorTrainer(keras.Model):
    """Trains a network with `compile` and `fit`.

    Feed it (images [B, H, W, 3] in 0..255, Targets). The progress bar shows the loss parts; their sum is
    `loss`. The network stays a plain functional model: save `trainer.network`.

    Built under a strategy, N replicas with batch B / N learn what one learns from B: every divisor of the loss is
    counted over all replicas. With synchronized batch norm this is exact but for rounding; otherwise each replica
    normalizes by its own share, and only the moving statistics are averaged.

    Args:
        network: functional keras.Model, images -> raw predictions.
        anchors: AnchorSet with L levels, or the layout of another head, whose loss it is.
        loss: the section of the config with the options of that loss: a LossConfig for "anchor"; None = its defaults.
        fused_batch_norm: train through fused kernels (faster without XLA, same variables).
        sync_batch_norm: batch norm over the batches of all replicas instead; not under XLA.
        augment: what a batch x goes through first, on the device: x -> (images, Targets); None = nothing.

    Raises:
        InputError: the options of the loss do not fit the layout.
    """

    def __init__(self, network, anchors, *, loss=None, fused_batch_norm=True, sync_batch_norm=False, augment=None):
        # The network's policy, for Keras scales the loss of a float16 model; no autocasting, for pixels stay float32.
        super().__init__(name=f"{network.name}_trainer", dtype=network.dtype_policy, autocast=False)
        self.layout, self.head = anchors, load_head(anchors.head)
        self.loss_config = loss_options(self.head, Config()) if loss is None else loss
        self.head.check_loss(self.loss_config, anchors)
        self.plain = False  # whether the loss is that of the last epochs, whose images are augmented less or not at all
        self.sync_batch_norm = sync_batch_norm
        self.augment = augment
        self.part_means = [keras.metrics.Mean(name=part) for part in self.head.loss_parts]
        self.network = network
        # Kept as a bound method: Keras would track a second model and save every weight of it twice.
        replaced = fused_batch_norm or sync_batch_norm
        self.forward = (fused_batch_norm_view(network, synchronized=sync_batch_norm) if replaced else network).__call__
        self.teacher, self.distillation = None, 0.0
        self.built = True

    def train_through(self, view):
        """Runs the network through another model with its variables from now on; call it before `compile`."""
        self.forward = view.__call__

    def distill_from(self, teacher, *, weight):
        """Adds the loss part `distillation`: answering otherwise than a teacher does; call it before `compile`.

        The teacher runs in inference mode. Its variables are no part of this model: nothing trains or keeps them.

        Args:
            teacher: keras.Model with the inputs and outputs of the network.
            weight: factor on the part, 0 or more.
        """
        self.teacher, self.distillation = teacher.__call__, weight
        self.part_means = [*self.part_means, keras.metrics.Mean(name="distillation")]

    def use_plain_loss(self, plain):
        """Takes the loss of the last epochs, or not; builds the step anew and returns True where that changes anything."""
        changed = self.head.plain_loss_differs and plain != self.plain
        if changed:
            self.plain = plain
            self.make_train_function(force=True)
        return changed

    def compile(self, optimizer, *, jit_compile=False, **options):
        """Prepares `fit`. With `jit_compile` XLA compiles augmentation, forward pass, loss and gradients.

        The update stays outside: with several replicas it talks to the others, which a compiled step cannot. Where they must
        talk about the matches between forward pass and loss, too, as some heads need it, nothing is compiled.

        Raises:
            ValueError: XLA and synchronized batch norm, which talks to the others in the forward pass.
        """
        if jit_compile and self.sync_batch_norm:
            raise ValueError("sync_batch_norm cannot be compiled by XLA. Use jit_compile=False, or leave it out.")
        super().compile(optimizer=optimizer, jit_compile=False, **options)
        talks = self.head.matches_need_predictions and self.distribute_strategy.num_replicas_in_sync > 1
        if jit_compile and talks:
            say("XLA is off: the head asks the other devices about its matches within the step, which XLA cannot compile")
        self.xla = jit_compile and not talks

    def call(self, images, training=False):
        """Returns the raw predictions of images [B, H, W, 3]."""
        return self.forward(images, training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Returns this replica's share of the mean loss of the batch, float32 scalar."""
        y = self._needed(y)
        taught = self._taught(x) if self.teacher else None
        parts = self._loss_parts(y, y_pred, self._mean_matches(x, y, y_pred), taught, self._mean_objects(taught))
        self._update_means(parts, y)
        return tf.add_n(list(parts.values())) / _num_replicas()

    def make_train_function(self, force=False):
        """Builds the step, and anew with `force`: the variables that learn are part of it."""
        if self.train_function is None or force:
            self._compiled_augment = self._maybe_compiled(self.augment)
            self._compiled_teacher = self._maybe_compiled(self._taught if self.teacher else None)
            self._compiled_gradients = self._maybe_compiled(self._parts_and_gradients)
        return super().make_train_function(force)

    def train_step(self, data):
        """Learns from one batch; returns the running means of the loss and its parts."""
        images, targets, _ = keras.utils.unpack_x_y_sample_weight(data)
        if self.augment:
            images, targets = self._compiled_augment(images)
        targets = targets if self.xla else self._needed(targets)
        taught = self._compiled_teacher(images) if self.teacher else None
        divisors = self._mean_matches(images, targets, None), self._mean_objects(taught)
        parts, gradients = self._compiled_gradients(images, targets, taught, *divisors)
        if _num_replicas() > 1:
            self._join_statistics()
            gradients = self._join_overflow(gradients)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        self._update_means(parts, targets)
        self._loss_tracker.update_state(tf.add_n(list(parts.values())), sample_weight=tf.shape(targets.boxes)[0])
        return _reducible(self.get_metrics_result())

    def test_step(self, data):
        """Measures the loss of one batch; returns the running means."""
        return _reducible(super().test_step(data))

    def _needed(self, targets):
        """Returns Targets for a step that XLA does not compile: without empty places, where the loss takes any number."""
        return without_empty_places(targets) if self.head.any_places else targets

    def _taught(self, images):
        return self.teacher(images, training=False)

    def _loss_parts(self, targets, predictions, num_matches, taught, num_objects):
        options = {"loss": self.loss_config, "num_matches": num_matches, "plain": self.plain}
        parts = self.head.loss(targets, predictions, self.layout, **options)
        if self.teacher:
            options = {"loss": self.loss_config, "num_objects": num_objects}
            parts["distillation"] = self.distillation * self.head.distillation_loss(taught, predictions, self.layout, **options)
        return parts

    def _parts_and_gradients(self, images, targets, taught, num_matches, num_objects):
        with tf.GradientTape() as tape:
            predictions = self.forward(images, training=True)
            if self.head.matches_need_predictions:
                num_matches = self._mean_matches(images, targets, predictions)
            parts = self._loss_parts(targets, predictions, num_matches, taught, num_objects)
            loss = self.optimizer.scale_loss(tf.add_n(list(parts.values())) / _num_replicas())
        return parts, tape.gradient(loss, self.trainable_variables)

    def _maybe_compiled(self, function):
        return tf.function(function, jit_compile=True, autograph=False) if self.xla and function else function

    def _mean_matches(self, images, targets, predictions):
        """Returns the matches that one replica has on average; None for one alone, or where they cannot be known yet."""
        if _num_replicas() == 1 or (self.head.matches_need_predictions and predictions is None):
            return None
        size = keras.ops.shape(images)[1:3]
        counts = self.head.count_matches(targets, size, self.layout, loss=self.loss_config, predictions=predictions)
        return _all_reduce(tf.distribute.ReduceOp.MEAN, tf.stop_gradient(counts))

    def _mean_objects(self, taught):
        """Returns the objects that the teacher sees on one replica on average; None for a single replica."""
        if self.teacher is None or _num_replicas() == 1:
            return None
        return _all_reduce(tf.distribute.ReduceOp.MEAN, self.head.count_objects(taught))

    def _join_statistics(self):
        """Averages the moving statistics of batch norm over the replicas, which saw different images."""
        if not self.sync_batch_norm:
            statistics = [variable for variable in self.network.non_trainable_variables if "moving_" in variable.path]
            values = [tf.identity(variable) for variable in statistics]  # placed on this device, which reading alone is not
            means = _all_reduce(tf.distribute.ReduceOp.MEAN, values)
            for variable, mean in zip(statistics, means, strict=True):
                variable.assign(mean)

    def _join_overflow(self, gradients):
        """Makes an overflow on one replica one on all: Keras' loss scaling looks at its own gradients only."""
        if not isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            return gradients
        there = [index for index, gradient in enumerate(gradients) if gradient is not None]
        nought = tf.add_n([tf.reduce_sum(gradients[index]) * 0 for index in there])  # NaN if any is not finite
        gradients[there[0]] += _all_reduce(tf.distribute.ReduceOp.SUM, nought)
        return gradients

    def _update_means(self, parts, targets):
        for mean in self.part_means:
            mean.update_state(parts[mean.name], sample_weight=tf.shape(targets.boxes)[0])

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Keras would reduce a batch over all workers here, and fail; all that may be unbuilt is a stock optimizer.
        with self.distribute_strategy.scope():
            if not self.optimizer.built:
                self.optimizer.build(self.trainable_variables)


def without_empty_places(targets):
    """Returns Targets [B, m, ...] without the places at the end that no image of the batch fills; m is 1 at least."""
    filled = tf.reduce_any(targets.class_ids >= 0, 0)
    count = tf.reduce_max(tf.where(filled, tf.range(1, tf.size(filled) + 1), 1))
    return targets._replace(boxes=targets.boxes[:, :count], class_ids=targets.class_ids[:, :count])


def _num_replicas():
    return tf.distribute.get_strategy().num_replicas_in_sync


def _all_reduce(operation, tensors):
    return tf.distribute.get_replica_context().all_reduce(operation, tensors)


def _reducible(logs):
    """Returns the logs as Keras can average them: over workers it takes the mean along an axis."""
    if isinstance(tf.distribute.get_strategy(), tf.distribute.MultiWorkerMirroredStrategy):
        return {name: tf.reshape(value, [1]) for name, value in logs.items()}
    return logs
