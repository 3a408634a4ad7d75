"""Pictures made from numbers, for a check of an export when no image is at hand."""

import numpy as np


def generated_images(image_size, *, count=4, seed=0):
    """Draws soft noise with rectangles and ellipses of many sizes on it: edges, texture and plain areas.

    Args:
        image_size: (height, width) px.
        count: number of images.
        seed: of the random numbers; equal seeds give equal images.

    Returns:
        uint8 [count, height, width, 3].
    """
    rng = np.random.default_rng(seed)
    height, width = image_size
    rows, columns = np.mgrid[:height, :width]
    images = []
    for _ in range(count):
        coarse = rng.uniform(0, 255, (-(-height // 16), -(-width // 16), 3))
        image = coarse.repeat(16, 0).repeat(16, 1)[:height, :width] + rng.normal(0, 12, (height, width, 3))
        for index in range(12):
            y, x = rng.uniform(0, (height, width))
            half_height, half_width = rng.uniform(0.02, 0.3, 2) * (height, width)
            distance_y, distance_x = np.abs(rows - y) / half_height, np.abs(columns - x) / half_width
            inside = distance_y**2 + distance_x**2 < 1 if index % 2 else np.maximum(distance_y, distance_x) < 1
            image[inside] = 0.2 * image[inside] + 0.8 * rng.uniform(0, 255, 3)
        images.append(image.clip(0, 255).astype(np.uint8))
    return np.stack(images)
