"""The smallest detectors with any head: strided blocks whose predictions go all over their range."""

import keras
import numpy as np
from detector_files import disturb_batch_norms

from yolo_tf.config import ModelConfig
from yolo_tf.files.keras import save_network
from yolo_tf.files.spec import detector_spec
from yolo_tf.heads import load_head
from yolo_tf.layers.blocks import conv_block
from yolo_tf.models.backbones.repvgg import repvgg_block
from yolo_tf.models.network import network_layout
from yolo_tf.pictures.generated_images import generated_images

NAMES, SIZE = ("car", "bus", "tram"), (96, 160)
IMAGES = generated_images(SIZE, count=16, seed=3).astype(np.uint8)


def strided_detector(head, *, kernel_scale=1.5, repvgg=False):
    """Builds a detector whose batch norms fit the images; with `repvgg` its blocks are of several branches."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    model, features = ModelConfig(head=head, depthwise=True), []
    images = keras.Input((None, None, 3), name="images")
    x = keras.layers.Rescaling(1 / 255, name="pixel_scaling")(images)
    for index, width in enumerate((8, 16, 24, 32, 40)):
        if repvgg:
            x = repvgg_block(x, width, 2, name=f"repvgg_stage{index}_block1")
            x = repvgg_block(x, width, 1, name=f"repvgg_stage{index}_block2")
        else:
            x = conv_block(x, width, 3, 2, name=f"{'backbone' if index < 2 else 'neck'}_stage{index}")
        features.append(x)
    outputs = load_head(head).build(features[2:], network_layout(model), num_classes=len(NAMES), model=model)
    network = keras.Model(images, outputs, name="tiny")
    disturb_batch_norms(network, rng)
    batch_norms = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for momentum in (0.0, 0.97):  # takes the statistics of the images over, then is as before
        for layer in batch_norms:
            layer.momentum = momentum
        if not momentum:
            network(IMAGES.astype(np.float32), training=True)
    for layer in network.layers:
        if isinstance(layer, keras.layers.Conv2D) and layer.use_bias:
            layer.set_weights([layer.kernel * kernel_scale, rng.normal(0, 1, layer.bias.shape)])
    return network


def spec_of(head, **fields):
    """Returns the DetectorSpec of such a detector."""
    layout = network_layout(ModelConfig(head=head))
    return detector_spec(class_names=NAMES, image_size=SIZE, anchors=layout, name="tiny", **fields)


def save_strided_detector(head, path, *, letterbox="center", **options):
    """Writes the file of such a detector, and returns its path."""
    save_network(strided_detector(head, **options), spec_of(head, letterbox=letterbox), path)
    return path
