"""Measures what ConvNeXt gains from DepthwiseConv2D: the same training step, as Keras builds it and as this project does.

    python scripts/bench_depthwise.py --image-size 224 --batch-size 4

keras.applications writes the 7 x 7 convolutions of ConvNeXt as `Conv2D(groups=channels)`, which Keras compiles one by
one; `build_backbone` rebuilds them as `DepthwiseConv2D` with the same weights. Features and gradients of both are compared
first. Then the steps (forward pass and gradients of ConvNeXt-Tiny) run in turn, so that a drifting machine slows both alike.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from yolo_tf import build_backbone
from yolo_tf.models.backbones.spec import IMAGENET_PIXELS


def build_pair():
    """Returns {form: keras.Model, images 0..255 -> three features}, both with the same random weights."""
    application = keras.applications.ConvNeXtTiny(
        include_top=False, include_preprocessing=False, weights=None, input_shape=(None, None, 3)
    )
    for layer in application.layers:
        if layer.name.endswith("_layer_scale"):
            layer.set_weights([np.full(layer.gamma.shape, 0.5)])  # at the initial 1e-6 the branches hardly count
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "convnext_tiny.weights.h5")
        application.save_weights(path)
        rebuilt = build_backbone("convnext_tiny", weights=path)
    ends = [application.get_layer(f"convnext_tiny_downsampling_block_{index}").input for index in (1, 2)]
    features = keras.Model(application.input, [*ends, application.layers[-1].input])
    images = keras.Input((None, None, 3))
    scale, offset = IMAGENET_PIXELS
    grouped = keras.Model(images, features(keras.layers.Rescaling(scale, offset)(images)))
    return {"Conv2D, grouped": grouped, "DepthwiseConv2D": rebuilt}


def make_step(network, images, *, xla):
    """Returns a function that runs forward pass and gradients, and gives (features, gradient of the first kernel)."""
    variables = network.trainable_variables

    @tf.function(jit_compile=xla)
    def step():
        with tf.GradientTape() as tape:
            features = network(images, training=True)
            loss = tf.add_n([tf.reduce_mean(feature**2) for feature in features])
        gradients = tape.gradient(loss, variables)
        # A sum over all of them, so that none is left out as unused.
        return features, gradients[0], tf.add_n([tf.reduce_sum(gradient) for gradient in gradients])

    return step


def largest_difference(first, second):
    """Returns the largest absolute difference, as a share of the largest absolute value."""
    return float(tf.reduce_max(tf.abs(first - second)) / tf.reduce_max(tf.abs(first)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--xla", action="store_true", help="compile both steps with XLA; without it both are plain graphs")
    arguments = parser.parse_args()
    side, count = arguments.image_size, arguments.batch_size
    images = tf.constant(np.random.default_rng(0).uniform(0, 255, (count, side, side, 3)), tf.float32)
    steps = {form: make_step(network, images, xla=arguments.xla) for form, network in build_pair().items()}

    first, second = (step() for step in steps.values())  # builds the graphs
    apart = max(largest_difference(*pair) for pair in zip([*first[0], first[1]], [*second[0], second[1]], strict=True))
    print(f"features and gradient apart by at most {apart:.1e} of the largest value")
    if apart > 1e-2:
        raise SystemExit("the two forms do not compute the same: no comparison")
    seconds = {form: [] for form in steps}
    for _ in range(arguments.rounds):
        for form, step in steps.items():
            start = time.perf_counter()
            step()[2].numpy()  # waits for the device
            seconds[form].append(time.perf_counter() - start)
    medians = {form: statistics.median(values) for form, values in seconds.items()}
    reference = next(iter(medians.values()))
    mode = "XLA" if arguments.xla else "graph"
    print(f"ConvNeXt-Tiny, {side} px, batch {count}, {mode}, {len(tf.config.list_physical_devices('GPU'))} GPUs")
    for form, median in medians.items():
        print(f"{form:<18}{1000 * median:9.1f} ms a step   {reference / median:5.2f} x")


if __name__ == "__main__":
    main()
