"""The one Keras model of a training run: a detector network plus its loss."""

import keras
import tensorflow as tf

from yolo_tf.config import LossConfig
from yolo_tf.losses import detection_loss
from yolo_tf.models.fused_batch_norm import fused_batch_norm_view


class DetectorTrainer(keras.Model):
    """Trains a network with `compile` and `fit`.

    Feed it (images [B, H, W, 3] in 0..255, Targets). The progress bar shows the three loss parts; their sum is
    `loss`. The network stays a plain functional model: save `trainer.network`.

    Args:
        network: functional model, images -> L raw predictions [B, Y, X, A, 5 + C].
        anchors: AnchorSet with L levels.
        loss: LossConfig.
        fused_batch_norm: train through fused kernels (faster without XLA, same variables).
    """

    def __init__(self, network, anchors, *, loss=LossConfig(), fused_batch_norm=True):
        super().__init__(name=f"{network.name}_trainer")
        self.anchors = anchors
        self.loss_config = loss
        self.part_means = [keras.metrics.Mean(name=part) for part in ("box", "objectness", "class")]
        self.network = network
        # Kept as a bound method: Keras would track a second model and save every weight of it twice.
        self.forward = (fused_batch_norm_view(network) if fused_batch_norm else network).__call__
        self.built = True

    def call(self, images, training=False):
        """Returns the raw predictions of images [B, H, W, 3]."""
        return self.forward(images, training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Returns the mean loss of the batch, float32 scalar."""
        parts = detection_loss(y, y_pred, self.anchors, loss=self.loss_config)
        for mean in self.part_means:
            mean.update_state(parts[mean.name], sample_weight=tf.shape(y.boxes)[0])
        return tf.add_n(list(parts.values()))
