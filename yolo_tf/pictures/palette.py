"""One colour per class, the same in every picture and plot."""

import colorsys

import numpy as np

# Okabe & Ito, "Color Universal Design" (2008), without black: distinct under every common colour vision deficiency.
OKABE_ITO = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (213, 94, 0), (204, 121, 167), (240, 228, 66), (0, 114, 178))

GOLDEN_RATIO = 0.618034  # steps of this fraction of the hue circle never come close to each other early
LIGHTNESS_STEPS = (0.40, 0.72, 0.56)  # neighbours in the list also differ without their hue


def class_colors(num_classes):
    """Returns one colour per class; the first seven are colour-blind safe, the others as distinct as can be.

    Args:
        num_classes: C, >= 0.

    Returns:
        uint8 [C, 3] RGB; colour c does not depend on C.
    """
    colors = list(OKABE_ITO[:num_classes])
    for index in range(num_classes - len(colors)):
        hue = (0.05 + index * GOLDEN_RATIO) % 1.0
        lightness = LIGHTNESS_STEPS[index % len(LIGHTNESS_STEPS)]
        colors.append(tuple(round(255 * channel) for channel in colorsys.hls_to_rgb(hue, lightness, 0.75)))
    return np.array(colors, np.uint8).reshape(-1, 3)


def text_color(background):
    """Returns black or white, whichever reads better on `background`.

    Args:
        background: (red, green, blue), 0..255.

    Returns:
        (0, 0, 0) or (255, 255, 255).

    Source: WCAG 2.1, relative luminance; both contrasts are equal at luminance 0.179.
    """
    channels = np.asarray(background, np.float64) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return (0, 0, 0) if linear @ (0.2126, 0.7152, 0.0722) > 0.179 else (255, 255, 255)
