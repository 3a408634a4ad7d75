"""Where the anchors of a network come from: the config, or the boxes of its training images."""

import numpy as np

from yolo_tf.errors import InputError
from yolo_tf.heads.anchor.anchors import (
    COCO_ANCHORS,
    ENOUGH_RECALL,
    anchor_set,
    best_possible_recall,
    fit_anchors,
    fitted_box_sizes,
)


def stated_anchors(model, strides):
    """Returns the AnchorSet that `model.anchors` states: YOLOv5's COCO anchors when it is empty.

    Args:
        model: ModelConfig.
        strides: L strides of the levels, px.

    Raises:
        InputError: not L levels with equally many (width, height) pairs above 0.
    """
    if not model.anchors:
        return COCO_ANCHORS
    try:
        sizes = np.array(model.anchors, np.float32)
        usable = sizes.ndim == 3 and sizes.shape[0] == len(strides) and sizes.shape[2] == 2 and (sizes > 0).all()
    except ValueError:  # numpy: levels of unequal length
        usable = False
    if not usable:
        raise InputError(
            f"config.model.anchors: got {model.anchors}. Expected {len(strides)} levels with equally many"
            " [width, height] pairs, px, above 0. Leave it empty for YOLOv5's anchors."
        )
    return anchor_set(strides, sizes)


def refit_anchors(anchors, dataset, *, image_size, loss, seed, keep):
    """Fits anchors to the training boxes where those that are there match too few.

    Args:
        anchors: AnchorSet that is there.
        dataset: DetectionDataset of training.
        image_size: (height, width) of the input, px.
        loss: LossConfig, for its ratio limit.
        seed: of the fit.
        keep: the option that says that the anchors stay, whatever they match; None = they may change.

    Returns:
        ({"anchors": the fitted ones} where they match more, else {}; what was found and done, in words).
    """
    limit, boxes_wh = loss.anchor_ratio_limit, fitted_box_sizes(dataset, image_size)
    recall = best_possible_recall(boxes_wh, anchors, ratio_limit=limit)
    line = f"anchors: best possible recall {recall:.3f} of {len(boxes_wh)} training boxes"
    if recall >= ENOUGH_RECALL:
        return {}, f"{line}, kept"
    if keep:
        whose = "YOLOv5's; model.autoanchor=true fits others" if keep == "model.autoanchor" else f"those of {keep}"
        return {}, f"{line}, kept\nwarning: they match too few boxes (below {ENOUGH_RECALL}). They are {whose}"
    fitted = fit_anchors(boxes_wh, strides=anchors.strides, per_cell=anchors.per_cell, ratio_limit=limit, seed=seed)
    better = best_possible_recall(boxes_wh, fitted, ratio_limit=limit)
    if better <= recall:
        return {}, f"{line}; fitted ones reach {better:.3f}: kept"
    sizes = " | ".join(" ".join(f"{w:.1f}x{h:.1f}" for w, h in level) for level in fitted.sizes)
    stated = tuple(tuple((round(float(w), 1), round(float(h), 1)) for w, h in level) for level in fitted.sizes)
    return {"anchors": stated}, f"{line}; fitted ones reach {better:.3f} and are used: {sizes}"
