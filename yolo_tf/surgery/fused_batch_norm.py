"""Views of a network for training: the same variables, another computation of batch norm.

Keras 3 computes batch norm from a dozen small operations; TensorFlow has one kernel for it (1.2 times the
training speed on a CPU, no difference under XLA). Over several devices the statistics can be those of the
whole batch. A saved network must open with Keras alone, so a view is for training only: it holds no variables
of its own, and the plain network is what gets saved.
"""

import keras
import tensorflow as tf


def fused_batch_norm_view(network, *, synchronized=False):
    """Returns a functional model that shares every layer of `network`, its batch norms replaced.

    Args:
        network: functional keras.Model.
        synchronized: the statistics are those of the batches of all replicas, instead of by the fused kernel.

    Returns:
        keras.Model with the same inputs, outputs and variables. Training it trains `network`.
    """

    def view_of(layer):
        if type(layer) is not keras.layers.BatchNormalization or layer.synchronized:
            return layer
        axes = len(layer.output.shape)
        if layer.axis not in (-1, axes - 1) or (axes != 4 and not synchronized):  # keras.applications count from 0
            return layer
        return SynchronizedBatchNormalization(layer) if synchronized else FusedBatchNormalization(layer)

    return keras.models.clone_model(network, clone_function=view_of)


class BatchNormalizationView(keras.layers.Layer):
    """Computes what `plain` computes, on its variables, in another way when training.

    The running variance takes the unbiased batch variance, as PyTorch and cuDNN do; Keras takes the biased one.

    Args:
        plain: built keras.layers.BatchNormalization over the last axis.
    """

    def __init__(self, plain):
        # float32 and no autocasting: activations may be half precision, statistics are float32.
        super().__init__(name=f"fused_{plain.name}", dtype="float32", autocast=False)
        self.plain = plain
        self.built = True

    def call(self, inputs, training=False, mask=None):
        """Normalizes [B, ..., channels]; updates the running statistics when training a trainable layer.

        `mask` is part of the call that is taken over; images have none.
        """
        plain = self.plain
        moving_mean, moving_variance = tf.convert_to_tensor(plain.moving_mean), tf.convert_to_tensor(plain.moving_variance)
        scale = tf.convert_to_tensor(plain.gamma) if plain.scale else tf.ones_like(moving_mean)
        offset = tf.convert_to_tensor(plain.beta) if plain.center else tf.zeros_like(moving_mean)
        if not (training and plain.trainable):
            return self.normalize_by(inputs, scale, offset, moving_mean, moving_variance)
        result, mean, variance = self.normalize_batch(inputs, scale, offset)
        keep = plain.momentum
        plain.moving_mean.assign(moving_mean * keep + mean * (1 - keep))
        plain.moving_variance.assign(moving_variance * keep + variance * (1 - keep))
        return result

    def normalize_by(self, inputs, scale, offset, mean, variance):
        """Normalizes [B, ..., channels] by given statistics [channels]."""
        x = tf.cast(inputs, tf.float32)
        return tf.cast(tf.nn.batch_normalization(x, mean, variance, offset, scale, self.plain.epsilon), inputs.dtype)

    def normalize_batch(self, inputs, scale, offset):
        """Returns (normalized [B, ..., channels], mean [channels], unbiased variance [channels])."""
        raise NotImplementedError

    def compute_output_shape(self, input_shape):
        """Returns `input_shape`."""
        return input_shape


class FusedBatchNormalization(BatchNormalizationView):
    """Uses TensorFlow's fused kernel for the statistics of a batch of maps [B, Y, X, channels].

    Not for given statistics: TensorFlow 2.21 joins convolution, that kernel and Mish into one that a CPU does not have.
    """

    def normalize_batch(self, inputs, scale, offset):
        """Normalizes by the statistics of this batch."""
        result = tf.raw_ops.FusedBatchNormV3(
            x=inputs, scale=scale, offset=offset, mean=[], variance=[], epsilon=self.plain.epsilon, is_training=True
        )
        return result.y, result.batch_mean, result.batch_variance


class SynchronizedBatchNormalization(BatchNormalizationView):
    """Uses the statistics of the batches of all replicas, which must be equally large."""

    def normalize_batch(self, inputs, scale, offset):
        """Normalizes by the statistics of all replicas."""
        x = tf.cast(inputs, tf.float32)
        mean, variance = tf.nn.moments(x, list(range(len(inputs.shape) - 1)))
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        if replicas > 1:  # E[x^2] is what can be averaged; one message for both
            both = tf.stack([mean, variance + tf.square(mean)])
            both = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, both)
            mean, variance = both[0], tf.maximum(both[1] - tf.square(both[0]), 0.0)
        count = tf.cast(tf.size(x) // tf.shape(x)[-1] * replicas, tf.float32)
        return self.normalize_by(inputs, scale, offset, mean, variance), mean, variance * count / (count - 1)
