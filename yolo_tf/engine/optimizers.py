"""SGD and AdamW as detectors are trained: accumulation, warm-up, decay of kernels only, EMA.

Keras' own SGD decays weights apart from the momentum (about sixteen times weaker at momentum 0.937), keeps
the learning rate inside the momentum buffer and cannot warm its momentum up; its accumulation counts the
schedule and the average in small batches. Hence these two. Everything is a function of stored counters:
a restored optimizer goes on exactly.

Under a strategy every replica holds the whole state. The gradients are summed over the replicas first; what follows
is the same arithmetic on the same numbers everywhere, so it needs no further message and may stand in a condition.
"""

import math

import keras
import tensorflow as tf

from yolo_tf.config import TrainConfig, TransferConfig
from yolo_tf.engine.schedules import EpochDecay, warmup_steps
from yolo_tf.models.parts import is_kernel, learning_rate_factors

ADAM_BETA_2, ADAM_EPSILON = 0.999, 1e-8


def build_optimizer(
    train: TrainConfig,
    network: keras.Model,
    *,
    steps_per_epoch: int,
    transfer: TransferConfig = TransferConfig(),
    keep_zeros: bool = False,
) -> "DetectorOptimizer":
    """Builds the DetectorOptimizer of a run, with state for every variable of `network`.

    Args:
        train: TrainConfig.
        network: built keras.Model, nothing frozen yet; the average covers its weights and its batch norm statistics.
        steps_per_epoch: batches in one epoch.
        transfer: TransferConfig; uses the factors on learning rates.
        keep_zeros: kernel weights that are zero stay zero.
    """
    schedule = EpochDecay(
        train.schedule,
        learning_rate=train.learning_rate,
        final_fraction=train.final_learning_rate_fraction,
        epochs=train.epochs,
        steps_per_epoch=steps_per_epoch,
    )
    optimizer_class = {"sgd": DetectorSGD, "adamw": DetectorAdamW}[train.optimizer]
    multiplier, layer_decay = transfer.backbone_learning_rate_multiplier, transfer.layer_decay
    optimizer = optimizer_class(
        schedule,
        train=train,
        warmup_steps=warmup_steps(train.warmup_epochs, steps_per_epoch),
        keep_zeros=keep_zeros,
        rate_factors=learning_rate_factors(network, backbone=multiplier, layer_decay=layer_decay),
        averaged=[v for v in network.non_trainable_variables if v.dtype == "float32" and "moving_" in v.path],
    )
    optimizer.build(network.trainable_variables)
    return optimizer


class DetectorOptimizer(keras.optimizers.Optimizer):
    """Sums gradients of small batches up to the nominal batch, then updates once.

    While warming up, the learning rate of kernels and scales rises from 0, that of biases (`bias`, `beta`) falls
    from `warmup_bias_learning_rate`, momentum rises from `warmup_momentum`, and the number of summed batches rises
    from 1. Gradients are scaled by the batch size, because the loss is a mean and the gains were tuned for a sum.

    Args:
        learning_rate: float or schedule of the step, counted in batches.
        train: TrainConfig; uses its batch sizes, momentum, decay, warm-up, clipping and EMA.
        warmup_steps: batches of warm-up; 0 = none.
        keep_zeros: kernel weights that are zero stay zero.
        rate_factors: variable path -> factor on its learning rate; 1 where absent.
        averaged: variables of the EMA besides those that learn: batch norm statistics.
    """

    slots = ()  # what a subclass keeps for every variable

    def __init__(self, learning_rate, *, train, warmup_steps=0, keep_zeros=False, rate_factors=None, averaged=()):
        super().__init__(learning_rate=learning_rate, name="detector_optimizer")
        self.train = train
        self.warmup_steps = warmup_steps
        self.keep_zeros = keep_zeros
        self.accumulation = max(round(train.nominal_batch_size / train.batch_size), 1)
        self.decay = train.weight_decay * train.batch_size * self.accumulation / train.nominal_batch_size
        self.rate_factors = rate_factors or {}
        self.averaged = list(averaged)

    def build(self, variables):
        """Creates the state: gradient sums, counters, averages, slots."""
        if self.built:
            return
        super().build(variables)
        self.gradient_sums = self.add_optimizer_variables(variables, "gradient_sum") if self.accumulation > 1 else []
        self.pending = self.add_variable((), dtype="int64", name="pending_batches")
        self.updates = self.add_variable((), dtype="int64", name="updates")
        self.averaged = [*variables, *self.averaged] if self.train.ema_decay else []
        self.averages = [self.add_variable_from_reference(variable, name="average") for variable in self.averaged]
        for average, variable in zip(self.averages, self.averaged, strict=True):
            average.assign(variable)
        self.slot_variables = {slot: self.add_optimizer_variables(variables, slot) for slot in self.slots}

    def apply(self, grads, trainable_variables=None):
        """Takes the gradients of one batch, or a replica's share; updates the variables when the nominal batch is complete."""
        variables = self._trainable_variables if trainable_variables is None else list(trainable_variables)
        self.build(variables)
        gradients = [
            tf.zeros(variable.shape) if gradient is None else tf.cast(tf.convert_to_tensor(gradient), tf.float32)
            for gradient, variable in zip(grads, variables, strict=True)
        ]
        if tf.distribute.get_strategy().num_replicas_in_sync > 1:
            gradients = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        gradients = [gradient * self.train.batch_size for gradient in gradients]
        warmth = self._warmth()
        if self.accumulation == 1:
            self._update(gradients, variables, warmth)
        else:
            for total, gradient in zip(self._sums_of(variables), gradients, strict=True):
                total.assign_add(gradient)
            self.pending.assign_add(1)
            wanted = tf.round(1 + warmth * (self.accumulation - 1))
            due = tf.cast(self.pending.value, tf.float32) >= wanted
            tf.cond(due, lambda: self._update_from_sums(variables, warmth), lambda: None)
        self.iterations.assign_add(1)
        return self.iterations

    def _warmth(self):
        """Returns how far warm-up has come, float32 0..1."""
        if not self.warmup_steps:
            return tf.constant(1.0)
        return tf.minimum(tf.cast(self.iterations.value, tf.float32) / self.warmup_steps, 1.0)

    def _sums_of(self, variables):
        return [self.gradient_sums[self._get_variable_index(variable)] for variable in variables]

    def _update_from_sums(self, variables, warmth):
        sums = self._sums_of(variables)
        self._update([tf.convert_to_tensor(total.value) for total in sums], variables, warmth)
        for total in sums:
            total.assign(tf.zeros(total.shape))
        self.pending.assign(0)

    def _update(self, gradients, variables, warmth):
        if self.keep_zeros:
            gradients = [
                _zero_where_zero(gradient, variable) if is_kernel(variable) else gradient
                for gradient, variable in zip(gradients, variables, strict=True)
            ]
        if self.train.clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, self.train.clip_norm)
        rate = tf.cast(self._get_current_learning_rate(), tf.float32)
        bias_rate = rate * warmth + self.train.warmup_bias_learning_rate * (1 - warmth)
        momentum = self.train.momentum * warmth + self.train.warmup_momentum * (1 - warmth)
        for gradient, variable in zip(gradients, variables, strict=True):
            leaf = variable.path.rsplit("/", 1)[-1]
            factor = self.rate_factors.get(variable.path, 1.0)
            self.update_variable(
                gradient,
                variable,
                rate=(bias_rate if leaf in ("bias", "beta") else rate * warmth) * factor,
                momentum=momentum,
                decay=self.decay if is_kernel(variable) else 0.0,
            )
        self.updates.assign_add(1)
        self._update_averages()

    def _update_averages(self):
        count = tf.cast(self.updates.value, tf.float32)
        keep = self.train.ema_decay * (1 - tf.exp(-count / self.train.ema_ramp))
        for average, variable in zip(self.averages, self.averaged, strict=True):
            average.assign(average * keep + variable * (1 - keep))

    def swap_averages(self):
        """Exchanges the weights with their averages; a second call undoes it. Eager only."""
        for average, variable in zip(self.averages, self.averaged, strict=True):
            weight = variable.numpy()
            variable.assign(average)
            average.assign(weight)


def _zero_where_zero(gradient, variable):
    """Returns the gradient without its entries for weights that are zero, which then never move.

    Their momenta and moments began at zero and stay there, decay has nothing to shrink, and an average of zeros is zero.
    Since the weights themselves tell where, a resumed run needs no mask. It comes before clipping: what does not learn
    has no part in the gradient's norm.
    """
    return tf.where(tf.equal(tf.convert_to_tensor(variable.value), 0.0), 0.0, gradient)


class DetectorSGD(DetectorOptimizer):
    """SGD with Nesterov momentum as PyTorch writes it; L2 is part of the gradient.

    buffer = momentum * buffer + gradient + decay * weight;  weight -= rate * (gradient + decay * weight + momentum * buffer)

    Source: Sutskever et al. 2013, in the form of torch.optim.SGD's documentation.
    """

    slots = ("momentum",)

    def update_variable(self, gradient, variable, *, rate, momentum, decay):
        """Updates one variable."""
        buffer = self.slot_variables["momentum"][self._get_variable_index(variable)]
        if decay:
            gradient += decay * tf.convert_to_tensor(variable.value)
        velocity = momentum * tf.convert_to_tensor(buffer.value) + gradient
        buffer.assign(velocity)
        variable.assign_sub(rate * (gradient + momentum * velocity))


class DetectorAdamW(DetectorOptimizer):
    """AdamW with `momentum` as beta 1; the decay is apart from the gradient.

    Source: Loshchilov & Hutter, arXiv:1711.05101, algorithm 2.
    """

    slots = ("first_moment", "second_moment")

    def update_variable(self, gradient, variable, *, rate, momentum, decay):
        """Updates one variable. Beta 1 does not warm up: bias correction assumes it constant."""
        index = self._get_variable_index(variable)
        first_moment, second_moment = (self.slot_variables[slot][index] for slot in self.slots)
        beta_1, beta_2 = self.train.momentum, ADAM_BETA_2
        count = tf.cast(self.updates.value, tf.float32) + 1
        first = beta_1 * tf.convert_to_tensor(first_moment.value) + (1 - beta_1) * gradient
        second = beta_2 * tf.convert_to_tensor(second_moment.value) + (1 - beta_2) * tf.square(gradient)
        first_moment.assign(first)
        second_moment.assign(second)
        # 1 - beta 2 ** count; as it stands there float32 would lose half of its digits, for beta 2 is close to 1
        second_correction = -tf.math.expm1(count * math.log(beta_2))
        step = (first / (1 - beta_1**count)) / (tf.sqrt(second / second_correction) + ADAM_EPSILON)
        if decay:
            step += decay * tf.convert_to_tensor(variable.value)
        variable.assign_sub(rate * step)
