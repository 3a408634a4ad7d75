"""Paints pictures of textured shapes and knows exactly where each shape can be seen."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

CLASS_NAMES = ("circle", "square", "triangle", "star", "cross")
SIZES = (28.0, 160.0)  # px, longer side of the box around a whole shape
LEAST_VISIBLE = 0.7  # of the area of every shape, after all others are painted
ATTEMPTS = 8  # places tried for one shape before it is given up
USUAL_HUE = 0.95  # of the shapes have about the hue of their class: colour hints at the class, only the outline decides it
HUE_SPREAD = 0.03  # standard deviation around the hue of the class, fraction of the circle
SUPERSAMPLING = 3  # each mask is drawn this much larger and averaged down, for smooth edges


def paint_scene(rng, *, height, width, max_objects):
    """Paints one picture: a soft noisy background with stray lines, and shapes that overlap.

    Shapes are placed one after another, the large ones first; a place that would hide too much of an earlier
    shape is not taken. So every labelled shape is seen well, and every shape that is seen is labelled.

    Args:
        rng: numpy Generator; the picture depends on it alone.
        height, width: px.
        max_objects: most shapes; fewer are as likely, except none, which is rare.

    Returns:
        (image uint8 [H, W, 3], boxes float32 [N, 4] xyxy px around the visible pixels, class ids int32 [N]).
    """
    image = _paint_background(rng, height, width)
    owner = np.full((height, width), -1, np.int32)  # which shape is seen at each pixel
    areas, class_ids = [], []
    count = int(rng.integers(0, max_objects + 1) or rng.integers(0, max_objects + 1))
    # Uniform in the logarithm: as many from 30 to 60 px as from 60 to 120.
    sizes = np.sort(np.exp(rng.uniform(*np.log(SIZES), count)))[::-1]
    for size in sizes:
        class_id = int(rng.integers(len(CLASS_NAMES)))
        mask = _draw_mask(rng, CLASS_NAMES[class_id], min(size, 0.7 * min(height, width)))
        place = _find_place(rng, mask, owner, areas)
        if place is None:
            continue
        usual = rng.uniform() < USUAL_HUE
        hue = class_id / len(CLASS_NAMES) + rng.normal(0, HUE_SPREAD) if usual else rng.uniform()
        _paint_shape(rng, image, mask, place, hue)
        window, patch = _overlap(mask, place, owner.shape)
        owner[window][mask[patch] >= 0.5] = len(areas)
        areas.append(np.count_nonzero(mask >= 0.5))
        class_ids.append(class_id)
    boxes = [Image.fromarray(owner == index).getbbox() for index in range(len(areas))]
    return _add_grain(rng, image), np.array(boxes, np.float32).reshape(-1, 4), np.array(class_ids, np.int32)


def _outline(name):
    """Returns the corners of a shape, float64 [n, 2], within -1..1."""
    if name == "square":
        return np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], float)
    if name == "cross":
        arm = 0.36
        quarter = np.array([(arm, -1), (arm, -arm), (1, -arm)])
        turn = np.array([(0, 1), (-1, 0)])  # row vectors times this: a quarter turn
        return np.concatenate([quarter @ np.linalg.matrix_power(turn, k) for k in range(4)])
    corners, inner = {"circle": (90, 1.0), "triangle": (3, 0.5), "star": (5, 0.42)}[name]
    angles = np.pi * np.arange(2 * corners) / corners - np.pi / 2
    radii = np.where(np.arange(2 * corners) % 2, inner, 1.0)
    if name == "triangle":
        angles, radii = angles[::2], radii[::2]
    return radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _draw_mask(rng, name, size):
    """Returns how much of each pixel a shape covers: float32 [h, w], 0..1, turned and stretched a little."""
    points = _outline(name) * rng.uniform(0.8, 1.2, 2)
    angle = rng.uniform(0, 2 * np.pi)
    cosine, sine = np.cos(angle), np.sin(angle)
    points = points @ np.array([(cosine, sine), (-sine, cosine)])
    low, high = points.min(axis=0), points.max(axis=0)
    scale = size / (high - low).max()
    width, height = (np.ceil((high - low) * scale).astype(int) + 2).tolist()  # a pixel of margin all around
    corners = ((points - low) * scale + 1) * SUPERSAMPLING
    canvas = Image.new("L", (width * SUPERSAMPLING, height * SUPERSAMPLING))
    ImageDraw.Draw(canvas).polygon([tuple(corner) for corner in corners.tolist()], fill=255)
    return np.asarray(canvas.reduce(SUPERSAMPLING), np.float32) / 255


def _find_place(rng, mask, owner, areas):
    """Returns the (x, y) of the mask's corner, or None when every place tried hides too much."""
    height, width = owner.shape
    rows, columns = mask.shape
    solid = mask >= 0.5
    visible = np.bincount(owner[owner >= 0], minlength=len(areas))
    for _ in range(ATTEMPTS):
        # Up to a tenth of the shape may lie outside the picture.
        x = int(rng.integers(-columns // 10, max(width - columns + columns // 10, 1)))
        y = int(rng.integers(-rows // 10, max(height - rows + rows // 10, 1)))
        window, patch = _overlap(mask, (x, y), owner.shape)
        covered = owner[window][solid[patch]]
        hidden = np.bincount(covered[covered >= 0], minlength=len(areas))
        if np.all(visible - hidden >= LEAST_VISIBLE * np.array(areas)) and covered.size >= LEAST_VISIBLE * solid.sum():
            return x, y
    return None


def _overlap(mask, place, shape):
    """Returns the same rectangle twice, as slices of the picture and of the mask."""
    slices = []
    for start, length, limit in zip(place[::-1], mask.shape, shape, strict=True):
        first, last = max(start, 0), min(start + length, limit)
        slices.append((slice(first, last), slice(first - start, last - start)))
    (rows, mask_rows), (columns, mask_columns) = slices
    return (rows, columns), (mask_rows, mask_columns)


def _paint_shape(rng, image, mask, place, hue):
    """Paints a textured shape and its shadow into `image`, float32 [H, W, 3], in place."""
    height, width, _ = image.shape
    window, patch = _overlap(mask, place, (height, width))
    shift = 2 + max(mask.shape) // 24  # px, shadow to the lower right
    shadow = np.pad(mask, ((shift, shift), (shift, shift)))
    blurred = Image.fromarray((shadow * 255).astype(np.uint8)).filter(ImageFilter.BoxBlur(shift / 2))
    shadow = np.asarray(blurred, np.float32) / 255
    shadow_window, shadow_patch = _overlap(shadow, (place[0] - shift // 2, place[1] - shift // 2), (height, width))
    image[shadow_window] *= 1 - 0.45 * shadow[shadow_patch][..., None]
    alpha = mask[patch][..., None]
    texture = _texture(rng, hue, *mask.shape)[patch]
    image[window] = image[window] * (1 - alpha) + texture * alpha


def _texture(rng, hue, height, width):
    """Returns a bright patch, float32 [height, width, 3]: plain, shaded, striped, dotted, chequered or mottled."""
    base = _colour(hue, rng.uniform(0.65, 1.0), rng.uniform(0.7, 1.0))
    other = _colour(hue + rng.uniform(-0.08, 0.08), rng.uniform(0.5, 1.0), rng.uniform(0.35, 0.75))
    y, x = np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)
    angle = rng.uniform(0, np.pi)
    cosine, sine = float(np.cos(angle)), float(np.sin(angle))  # Python numbers keep the arrays float32
    along, across = x * cosine + y * sine, y * cosine - x * sine
    period = max(4.0, max(height, width) * rng.uniform(0.12, 0.3))
    waves = np.sin(2 * np.pi * along / period), np.sin(2 * np.pi * across / period)
    blends = (
        lambda: np.zeros((height, width), np.float32),
        lambda: (along - along.min()) / max(np.ptp(along), 1),
        lambda: np.clip(0.5 + 2 * waves[0], 0, 1),
        lambda: np.clip(2 * (waves[0] + waves[1]) - 1, 0, 1),
        lambda: np.clip(0.5 + 4 * waves[0] * waves[1], 0, 1),
        lambda: _smooth_noise(rng, height, width, cell=period),
    )
    patch = base + (other - base) * blends[rng.integers(6)]()[..., None]
    light = 1.08 - 0.22 * (x + y)[..., None] / (height + width)  # from the upper left, as the shadow says
    return patch * light


def _paint_background(rng, height, width):
    """Returns a muted background, float32 [H, W, 3], with stray lines and arcs that are no shapes."""
    value = rng.uniform(0.25, 0.85)
    first = _colour(rng.uniform(), rng.uniform(0.02, 0.3), value)
    second = _colour(rng.uniform(), rng.uniform(0.02, 0.3), np.clip(value + rng.uniform(-0.25, 0.25), 0.15, 0.95))
    coarse = _smooth_noise(rng, height, width, cell=rng.uniform(60, 160))
    fine = _smooth_noise(rng, height, width, cell=rng.uniform(6, 24))
    blend = 0.75 * coarse + 0.25 * fine
    picture = Image.fromarray(np.clip(first + (second - first) * blend[..., None], 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(0, 9))):
        colour = tuple(_colour(rng.uniform(), rng.uniform(0, 0.6), rng.uniform(0.15, 0.95)).astype(int).tolist())
        x1, x2 = rng.uniform(0, width, 2)
        y1, y2 = rng.uniform(0, height, 2)
        thickness = int(rng.integers(1, 4))
        if rng.uniform() < 0.6:
            draw.line((x1, y1, x2, y2), fill=colour, width=thickness)
        else:
            start, sweep = rng.uniform(0, 360), rng.uniform(30, 150)
            box = (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
            draw.arc(box, start, start + sweep, fill=colour, width=thickness)
    return np.asarray(picture, np.float32).copy()


def _add_grain(rng, image):
    """Returns `image` as uint8 with noise that is the same in all channels, as a camera's is in dim light."""
    deviation = np.float32(rng.uniform(1, 7))
    grain = deviation * rng.standard_normal((*image.shape[:2], 1), np.float32)
    return np.clip(image + grain, 0, 255).astype(np.uint8)


def _smooth_noise(rng, height, width, *, cell):
    """Returns noise that changes over about `cell` px: float32 [height, width], 0..1."""
    rows, columns = int(height / cell) + 2, int(width / cell) + 2
    grid = Image.fromarray(rng.integers(0, 256, (rows, columns), np.uint8))
    return np.asarray(grid.resize((width, height), Image.Resampling.BICUBIC), np.float32) / 255


def _colour(hue, saturation, value):
    """Returns RGB, float32 [3], 0..255, of a hue (any real number, period 1), saturation and value 0..1."""
    ramp = np.abs((hue * 6 + np.array([0, 4, 2])) % 6 - 3) - 1
    return (255 * value * (1 - saturation * (1 - np.clip(ramp, 0, 1)))).astype(np.float32)
