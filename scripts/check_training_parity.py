"""Trains the network of a run twice, by this package and by PyTorch, from the same weights on the same batches.

    pip install torch
    python scripts/check_training_parity.py --config configs/bccd_yolov5n_finetuned.yaml --out DIR \\
        model.weights=yolov5n.keras data.path=BCCD model.new_head_scale=1 loss.shared_anchor=last

First weights, batches and evaluation are shared. Everything between is PyTorch's own: convolutions, batch norms, gradients
and SGD; the loss, the warm-up, the accumulation and the average are written here once more, from YOLOv5's documented
formulas, in the form that PyTorch suggests. Shown are both losses of every epoch and the AP of both networks on the
validation split; both are left in DIR, for `yolo-tf evaluate`.

Written for what YOLOv5's recipe is: CSPDarknet under the CSP neck, SGD, a linear schedule, CIoU, float32, no XLA.
"""

import argparse
import math
import sys
from pathlib import Path

import numpy as np

sys.modules["triton"] = None  # a compiler for GPUs whose LLVM does not bear TensorFlow's in one process; not needed here
import torch  # noqa: E402
from torch.nn import functional  # noqa: E402

from yolo_tf.system.tensorflow_start import load_tensorflow  # noqa: E402

load_tensorflow()

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

from yolo_tf import InputError, evaluate, network_candidates, read_config, save_network  # noqa: E402
from yolo_tf.engine.schedules import warmup_steps  # noqa: E402
from yolo_tf.training.prepare import prepare  # noqa: E402

PARTS = ("box", "objectness", "class")
WRITTEN_FOR = {"train.optimizer": "sgd", "train.schedule": "linear", "hardware.precision": "float32", "loss.iou": "ciou"}
WRITTEN_FOR |= {"loss.shared_anchor": "last", "loss.label_smoothing": 0.0, "loss.focal_gamma": 0.0, "augment.multi_scale": ()}
WRITTEN_FOR |= {"loss.objectness_positive_weight": 1.0, "loss.class_positive_weight": 1.0, "loss.classification_per_class": True}
WRITTEN_FOR |= {"transfer.freeze": (), "transfer.layer_decay": 1.0, "transfer.backbone_learning_rate_multiplier": 1.0}


class TorchNetwork(torch.nn.Module):
    """The graph of a functional Keras network, run by PyTorch layers that begin with its weights.

    Args:
        network: keras.Model of convolutions, batch norms, SiLU, padding, pooling, upsampling, sums and joins.
    """

    def __init__(self, network):
        super().__init__()
        self.graph = network.layers
        self.of_layer = torch.nn.ModuleDict()
        for layer in self.graph:
            if isinstance(layer, keras.layers.Conv2D):
                kernel = torch.tensor(layer.kernel.numpy()).permute(3, 2, 0, 1).contiguous()
                out, into, size, _ = kernel.shape
                padding = size // 2 if layer.padding == "same" else 0  # with stride 2 the graph pads in a layer of its own
                convolution = torch.nn.Conv2d(into, out, size, layer.strides[0], padding, bias=layer.use_bias)
                convolution.weight.data = kernel
                if layer.use_bias:
                    convolution.bias.data = torch.tensor(layer.bias.numpy())
                self.of_layer[layer.name] = convolution
            elif isinstance(layer, keras.layers.BatchNormalization):
                values = [torch.tensor(weight.numpy()) for weight in layer.weights]
                norm = torch.nn.BatchNorm2d(len(values[0]), eps=layer.epsilon, momentum=1 - layer.momentum)
                norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var = values
                self.of_layer[layer.name] = norm

    def forward(self, images):
        """Turns float32 [B, 3, H, W], RGB 0..255, into {name of a head layer: its logits [B, A * (5 + C), Y, X]}."""
        outputs, heads = {}, {}
        for layer in self.graph:
            inputs = [outputs.get(tensor._keras_history.operation.name) for tensor in self._inputs(layer)]
            kind = type(layer).__name__
            if kind == "InputLayer":
                value = images
            elif layer.name in self.of_layer:
                value = self.of_layer[layer.name](inputs[0])
            elif kind == "Rescaling":
                value = inputs[0] * layer.scale + layer.offset
            elif kind == "ZeroPadding2D":
                value = functional.pad(inputs[0], [layer.padding[0][0]] * 4)
            elif kind == "MaxPooling2D":
                value = functional.max_pool2d(inputs[0], layer.pool_size, 1, layer.pool_size[0] // 2)
            elif kind == "UpSampling2D":
                value = functional.interpolate(inputs[0], scale_factor=2, mode="nearest")
            elif kind == "Concatenate":
                value = torch.cat(inputs, 1)
            elif kind == "Add":
                value = inputs[0] + inputs[1]
            elif kind == "Activation" and layer.activation is keras.activations.silu:
                value = functional.silu(inputs[0])
            elif kind == "Activation" and layer.activation is keras.activations.linear:
                continue  # behind the head: only the order of the numbers
            else:
                raise InputError(f"{layer.name}: is a {kind} that this script does not run. Expected YOLOv5's layers and SiLU.")
            outputs[layer.name] = value
            if layer.name.startswith("head_"):
                heads[layer.name] = value
        return heads

    def averages_to(self, network, averages):
        """Assigns a state dict of this module to the Keras network it was made from."""
        for layer in network.layers:
            if layer.name in self.of_layer:
                prefix = f"of_layer.{layer.name}."
                names = ["weight", "bias", "running_mean", "running_var"]
                values = [averages[prefix + name].numpy() for name in names if prefix + name in averages]
                if isinstance(layer, keras.layers.Conv2D):
                    values[0] = values[0].transpose(2, 3, 1, 0)
                layer.set_weights(values)

    @staticmethod
    def _inputs(layer):
        return layer._inbound_nodes[0].input_tensors


def complete_iou(one, other):
    """CIoU of boxes [n, 4] (cx, cy, w, h); no gradient through the weight of the aspect ratio. arXiv:1911.08287."""
    low, high = (torch.stack([box[:, :2] + sign * box[:, 2:] / 2 for box in (one, other)]) for sign in (-1, 1))
    intersection = (high.amin(0) - low.amax(0)).clamp(0).prod(1)
    iou = intersection / (one[:, 2:].prod(1) + other[:, 2:].prod(1) - intersection + 1e-7)
    diagonal = ((high.amax(0) - low.amin(0)) ** 2).sum(1) + 1e-7
    distance = ((one[:, :2] - other[:, :2]) ** 2).sum(1)
    angles = [torch.atan(box[:, 2] / (box[:, 3] + 1e-7)) for box in (one, other)]
    ratio = 4 / math.pi**2 * (angles[1] - angles[0]) ** 2
    weight = (ratio / (ratio - iou + 1 + 1e-7)).detach()
    return iou - distance / diagonal - weight * ratio


def torch_loss(predictions, boxes, anchors, *, loss, image_area):
    """The three weighted parts, means over the batch.

    Args:
        predictions: L tensors [B, A, Y, X, 5 + C], logits.
        boxes: float32 [n, 6]: image, class, cx, cy, w, h in px.
        anchors: AnchorSet.
        loss: LossConfig.
        image_area: px of one input.

    Returns:
        [box, objectness, class], float32 scalars.
    """
    box = objectness = classification = torch.zeros(())
    offsets = torch.tensor([[0, 0], [0.5, 0], [0, 0.5], [-0.5, 0], [0, -0.5]])  # own cell, left, upper, right, lower
    for level, raw in enumerate(predictions):
        stride, sizes = anchors.strides[level], torch.tensor(anchors.sizes[level]).float() / anchors.strides[level]
        limit = torch.tensor(raw.shape[2:4][::-1]).float()  # (X, Y)
        ratio = boxes[None, :, 4:6] / stride / sizes[:, None]
        anchor, row = (torch.maximum(ratio, 1 / ratio).amax(2) < loss.anchor_ratio_limit).nonzero(as_tuple=True)
        centre, far = boxes[row, 2:4] / stride, limit - boxes[row, 2:4] / stride
        near = [(side % 1 < 0.5) & (side > 1) for side in (centre, far)]
        chosen = [torch.ones_like(row).bool(), near[0][:, 0], near[0][:, 1], near[1][:, 0], near[1][:, 1]]
        direction, index = torch.stack(chosen).nonzero(as_tuple=True)
        row, anchor, centre = row[index], anchor[index], centre[index]
        cell = torch.floor(centre - offsets[direction])
        x, y = (cell[:, axis].clamp(0, limit[axis] - 1).long() for axis in (0, 1))
        place = (boxes[row, 0].long(), anchor, y, x)
        wanted = np.zeros(raw.shape[:4], np.float32)
        if len(row):
            logits = raw[place]
            size = (logits[:, 2:4].sigmoid() * 2) ** 2 * sizes[anchor]
            target = torch.cat([centre - cell, boxes[row, 4:6] / stride], 1)
            iou = complete_iou(torch.cat([logits[:, :2].sigmoid() * 2 - 0.5, size], 1), target)
            box = box + (1 - iou).mean()
            wanted[tuple(axis.numpy() for axis in place)] = iou.detach().clamp(0).numpy()  # of equal places the last stays
            one_hot = functional.one_hot(boxes[row, 1].long(), raw.shape[4] - 5).float()
            classification = classification + functional.binary_cross_entropy_with_logits(logits[:, 5:], one_hot)
        entropy = functional.binary_cross_entropy_with_logits(raw[..., 4], torch.tensor(wanted))
        objectness = objectness + entropy * loss.level_balance[level]
    gains = (loss.box, loss.objectness * image_area / 640**2, loss.classification * (predictions[0].shape[4] - 5) / 80)
    return [part * gain for part, gain in zip((box, objectness, classification), gains, strict=True)]


def train_by_torch(network, batches, anchors, config, *, steps):
    """Trains a TorchNetwork, prints its losses, and returns ({part: mean of each epoch}, averaged state dict)."""
    train, loss = config.train, config.loss
    modules = list(network.of_layer.values())
    norms = [module for module in modules if isinstance(module, torch.nn.BatchNorm2d)]
    kernels = [module.weight for module in modules if module not in norms]
    accumulation = max(round(train.nominal_batch_size / train.batch_size), 1)
    decay = train.weight_decay * train.batch_size * accumulation / train.nominal_batch_size
    groups = [
        {"params": [module.bias for module in modules if module.bias is not None]},
        {"params": kernels, "weight_decay": decay},
        {"params": [norm.weight for norm in norms]},
    ]
    optimizer = torch.optim.SGD(groups, lr=train.learning_rate, momentum=train.momentum, nesterov=True)
    averages, updates, last_update = {name: value.clone() for name, value in network.state_dict().items()}, 0, -1
    warm = warmup_steps(train.warmup_epochs, steps)
    history = {part: [] for part in PARTS}
    stream = iter(batches)
    for epoch in range(train.epochs):
        final = train.final_learning_rate_fraction
        rate = train.learning_rate * ((1 - epoch / train.epochs) * (1 - final) + final)
        sums = np.zeros(3)
        for step in range(epoch * steps, (epoch + 1) * steps):
            images, targets = next(stream)
            place, slot = np.nonzero(targets.class_ids.numpy() >= 0)
            corners = targets.boxes.numpy()[place, slot]
            middle, size = (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
            boxes = np.concatenate([place[:, None], targets.class_ids.numpy()[place, slot, None], middle, size], 1)
            heads = network(torch.tensor(images.numpy()).permute(0, 3, 1, 2).contiguous())
            raw = [head.view(len(head), anchors.per_cell, -1, *head.shape[2:]).permute(0, 1, 3, 4, 2) for head in heads.values()]
            area = images.shape[1] * images.shape[2]
            parts = torch_loss(raw, torch.tensor(boxes).float(), anchors, loss=loss, image_area=area)
            (sum(parts) * train.batch_size).backward()
            sums += [float(part.detach()) for part in parts]
            warmth = min(step / warm, 1.0)
            for group, start in zip(optimizer.param_groups, (train.warmup_bias_learning_rate, 0.0, 0.0), strict=True):
                group["lr"] = start + warmth * (rate - start)
                group["momentum"] = train.warmup_momentum + warmth * (train.momentum - train.warmup_momentum)
            if step - last_update >= round(1 + warmth * (accumulation - 1)):
                torch.nn.utils.clip_grad_norm_(network.parameters(), train.clip_norm or math.inf)
                optimizer.step()
                optimizer.zero_grad()
                last_update, updates = step, updates + 1
                keep = train.ema_decay * (1 - math.exp(-updates / train.ema_ramp))
                for name, value in network.state_dict().items():
                    if value.is_floating_point():
                        averages[name] = averages[name] * keep + value.detach() * (1 - keep)
        for part, total in zip(PARTS, sums / steps, strict=True):
            history[part].append(total)
        print(f"PyTorch, epoch {epoch + 1} of {train.epochs}: loss {sums.sum() / steps:.4f}, {updates} updates", flush=True)
    return history, averages


def check_written_for(config):
    """Raises InputError for options that the PyTorch side does not follow."""
    for option, expected in WRITTEN_FOR.items():
        section, name = option.split(".")
        found = getattr(getattr(config, section), name)
        if found != expected:
            raise InputError(f"config.{option}: got {found}. Expected {expected}, which is what PyTorch does here. Change it.")


def main():
    """Runs both, prints the comparison, leaves both networks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", help="YAML file of the run")
    parser.add_argument("--out", type=Path, required=True, help="directory for ours.keras and pytorch.keras")
    parser.add_argument("overrides", nargs="*", metavar="section.key=value")
    arguments = parser.parse_intermixed_args()
    config = read_config(arguments.config, arguments.overrides)
    check_written_for(config)
    setup = prepare(config, tf.distribute.get_strategy())
    config, network, spec = setup.config, setup.trainer.network, setup.spec
    theirs = TorchNetwork(network)
    arguments.out.mkdir(parents=True, exist_ok=True)

    fit = dict(epochs=config.train.epochs, steps_per_epoch=setup.steps, shuffle=False, verbose=2)
    ours = setup.trainer.fit(setup.make_batches(0, 0), **fit).history
    setup.optimizer.swap_averages()
    save_network(network, spec, arguments.out / "ours.keras")
    metrics = {"this package": validate(setup, network)}

    pytorch, averages = train_by_torch(theirs, setup.make_batches(0, 0), spec.anchors, config, steps=setup.steps)
    theirs.averages_to(network, averages)
    save_network(network, spec, arguments.out / "pytorch.keras")
    metrics["PyTorch"] = validate(setup, network)

    print("\nmean loss of an epoch, this package / PyTorch\nepoch  " + "".join(f"{part:>19}" for part in PARTS))
    for epoch in range(config.train.epochs):
        pairs = "".join(f"{ours[part][epoch]:>10.4f} / {pytorch[part][epoch]:.4f}" for part in PARTS)
        print(f"{epoch + 1:>5}  {pairs}")
    print(f"\n{len(setup.val_set.records)} images of the validation split, after the last epoch")
    for name, found in metrics.items():
        print(f"{name:>13}: AP {found['AP']:.3f}, AP50 {found['AP50']:.3f}")


def validate(setup, network):
    """Returns the metrics of a network on the validation split."""
    data, letterbox = setup.config.data, setup.spec.letterbox
    options = dict(image_size=data.image_size, batch_size=setup.config.train.batch_size, letterbox=letterbox)
    return evaluate(network_candidates(network, setup.spec), setup.val_set, **options).metrics


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
