"""Whether a run from random weights is long enough to learn anything, said before its first epoch."""

import itertools

from yolo_tf.engine.schedules import warmup_steps
from yolo_tf.terminal import say

# optimizer -> updates of the shortest run from random weights that learned here, and which it was: README.md, Results.
SHORTEST = {
    "sgd": (349, "YOLOv5n on BCCD, 100 epochs: AP .51"),
    "adamw": (65, "EfficientNet-B0 on BCCD, 5 epochs without mosaic: AP .19"),
}


def update_steps(train, *, steps):
    """Yields the number of the batch, from 1, with which each update of a run comes, as DetectorOptimizer sums batches up.

    Args:
        train: TrainConfig; the batch sizes and warm-up count.
        steps: batches of an epoch.
    """
    accumulation = max(round(train.nominal_batch_size / train.batch_size), 1)
    warmup, pending = warmup_steps(train.warmup_epochs, steps), 0
    for step in itertools.count():
        pending += 1
        warmth = min(step / warmup, 1.0) if warmup else 1.0
        if pending >= round(1 + warmth * (accumulation - 1)):
            pending = 0
            yield step + 1


def warn_if_short(config, *, steps):
    """Says that a run from random weights has fewer updates than any that learned here, and what to set; `steps` of an epoch."""
    model, train = config.model, config.train
    if model.network or model.weights or model.backbone_weights != "none" or model.backbone_file:
        return
    shortest, which = SHORTEST[train.optimizer]
    enough = list(itertools.islice(update_steps(train, steps=steps), shortest))
    total = steps * train.epochs
    if total >= enough[-1]:
        return
    updates = sum(step <= total for step in enough)
    say(
        f"warning: {total} steps make {updates} updates, and no run from random weights learned here with {train.optimizer} from"
        f" fewer than {shortest} ({which}). Set train.epochs={-(-enough[-1] // steps)} or more, or begin with trained"
        " weights: the config yolox_nano with model.weights=yolox_nano, or model.weights=FILE.keras of any detector"
    )
