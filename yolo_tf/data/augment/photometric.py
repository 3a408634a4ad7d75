"""keras-cv's photometric layers by name: they change colours, blur or sharpen, and move no pixel."""

from functools import partial

import keras
import tensorflow as tf

from yolo_tf.errors import InputError, look_up

_PIXELS = (0, 255)

# Layer name -> arguments. Strengths are about those of YOLOv5's Albumentations list. A factor of 0.5 leaves
# the image as it is in keras-cv's saturation, and 0 in its hue, brightness, contrast and sharpness.
PHOTOMETRIC_LAYERS = {
    "AutoContrast": dict(value_range=_PIXELS),
    "ChannelShuffle": dict(groups=3),
    "Equalization": dict(value_range=_PIXELS),
    "Grayscale": dict(output_channels=3),
    "Posterization": dict(value_range=_PIXELS, bits=4),
    "RandomBrightness": dict(value_range=_PIXELS, factor=0.2),
    "RandomChannelShift": dict(value_range=_PIXELS, factor=0.1),
    "RandomColorDegeneration": dict(factor=0.5),
    "RandomColorJitter": dict(
        value_range=_PIXELS, brightness_factor=0.2, contrast_factor=0.2, saturation_factor=(0.4, 0.6), hue_factor=0.05
    ),
    "RandomContrast": dict(value_range=_PIXELS, factor=0.2),
    "RandomGaussianBlur": dict(kernel_size=7, factor=(0.5, 1.5)),
    "RandomHue": dict(value_range=_PIXELS, factor=0.05),
    "RandomSaturation": dict(factor=(0.3, 0.7)),
    "RandomSharpness": dict(value_range=_PIXELS, factor=0.5),
    "Solarization": dict(value_range=_PIXELS, threshold_factor=(128, 255)),
}

# Layers that a user may try, and that would leave the boxes where they are while the objects move, vanish or mix.
GEOMETRIC_LAYERS = (
    "AugMix", "CutMix", "FourierMix", "GridMask", "JitteredResize", "MixUp", "Mosaic", "RandAugment", "RandomAspectRatio",
    "RandomCopyPaste", "RandomCrop", "RandomCropAndResize", "RandomCutout", "RandomFlip", "RandomRotation", "RandomShear",
    "RandomTranslation", "RandomZoom", "Rescaling", "Resizing", "SwapBackground",
)  # fmt: skip


def build_photometric(photometric, seed):
    """Builds the function that applies each layer with its probability to one image.

    keras-cv's layers draw their strengths from random states of their own: after keras.utils.set_random_seed a
    run repeats exactly from its start, but a resumed run continues with other strengths.

    Args:
        photometric: dict, layer name -> probability 0..1 (config.augment.photometric).
        seed: int.

    Returns:
        Function (image uint8 [h, w, 3], draw int [2]) -> uint8 [h, w, 3]; `draw` seeds the choice of layers.

    Raises:
        InputError: a name is unknown, the layer would move or hide pixels without their boxes, or keras-cv does not run here.
    """
    for name in photometric:
        if name in GEOMETRIC_LAYERS:
            raise InputError(
                f"config.augment.photometric: {name} moves, hides or mixes pixels but not their boxes."
                f" Expected one of: {', '.join(sorted(PHOTOMETRIC_LAYERS))}."
                " Use degrees, translate, scale, shear, perspective, flipud, fliplr, mosaic or mixup of config.augment."
            )
        look_up(PHOTOMETRIC_LAYERS, name, kind="photometric layer", where="config.augment.photometric")
    if not photometric:
        return lambda image, draw: image

    keras_cv_layers = _load_keras_cv().layers
    layers = [
        # float32: under a global mixed_float16 policy the layer would return rounded float16 pixels
        (getattr(keras_cv_layers, name)(**PHOTOMETRIC_LAYERS[name], seed=seed + place, dtype="float32"), probability)
        for place, (name, probability) in enumerate(photometric.items())
    ]

    def apply(image, draw):
        chosen = tf.random.stateless_uniform([len(layers)], draw, alg="philox") < [probability for _, probability in layers]
        pixels = tf.cast(image, tf.float32)
        for place, (layer, _) in enumerate(layers):
            pixels = tf.cond(chosen[place], partial(layer, pixels, training=True), partial(tf.identity, pixels))
            pixels.set_shape([None, None, 3])
        return tf.cast(tf.round(tf.clip_by_value(pixels, 0.0, 255.0)), tf.uint8)

    return apply


def _load_keras_cv():
    try:
        import keras_cv  # slow to import, and needed by nobody else
    except ImportError as error:  # it takes names out of Keras that are not public, and 3.16 has others
        raise InputError(
            f"config.augment.photometric: keras-cv cannot be imported with Keras {keras.version()}: {error}. Expected Keras"
            " before 3.16. Install 'keras<3.16', or leave photometric empty."
        ) from error
    return keras_cv
