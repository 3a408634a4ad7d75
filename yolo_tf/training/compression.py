"""What a run needs to make a small network good: a teacher, a network that int8 can hold, zeros that stay."""

import json

import numpy as np

from yolo_tf.errors import InputError
from yolo_tf.files.keras import read_detector_network
from yolo_tf.models.reports.sparsity import sparsity
from yolo_tf.surgery.fold import copy_for, fold_batch_norm
from yolo_tf.surgery.pixel_range import move_pixel_range
from yolo_tf.surgery.reparameterize import deploy_form
from yolo_tf.terminal import say


def read_teacher(compress, spec, *, precision):
    """Returns the teacher of a CompressConfig, with nothing that learns, in the dtype policy `precision`; says what it is.

    Batch norms are folded and branches merged: the same answers, sooner. `spec` is that of the network that learns.

    Raises:
        InputError: no such file, or a detector of other classes, of another head or of other anchors.
    """
    teacher, theirs = read_detector_network(compress.teacher, option="config.compress.teacher", class_names=spec.class_names)
    if (theirs.head, theirs.strides, _rounded(theirs.geometry)) != (spec.head, spec.strides, _rounded(spec.geometry)):
        other = theirs.head != spec.head
        what = f"has the head {theirs.head}, not {spec.head} as" if other else "has other anchors or levels than"
        stated = [f"model.head={theirs.head}"] if other else []
        stated += [f"'model.{name}={json.dumps(value, separators=(',', ':'))}'" for name, value in theirs.geometry.items()]
        remedy = f"Set {' '.join(stated)}, or name another teacher." if stated else "Name another teacher."
        raise InputError(
            f"{compress.teacher}: {what} the network that is to learn from it. Expected the same, for what it says is in their"
            f" terms. {remedy}"
        )
    teacher = fold_batch_norm(deploy_form(teacher))
    if precision != "float32":
        teacher = copy_for(teacher, precision)
    teacher.trainable = False
    say(
        f"teacher: {theirs.name} in {compress.teacher}, {teacher.count_params():,} weights;"
        f" distillation {compress.distillation:g}"
    )
    return teacher


def quantizable(network):
    """Returns a copy of a network as an export to int8 will hold it: branches merged, batch norms folded; says so.

    The first kernels of networks that see pixels of 0..255 take the range of these over: see `move_pixel_range`.
    """
    say(
        "quantisation-aware: batch norms are folded into the convolutions; kernels and activations are rounded as int8 rounds"
        " them, in training and in the evaluation after each epoch. The network files stay in float: export them to int8"
    )
    folded = fold_batch_norm(deploy_form(network))
    move_pixel_range(folded)
    return folded


def check_quantize_aware(config, replicas):
    """Raises InputError where `compress.quantize_aware` has nothing to start from, or several devices."""
    if not config.compress.quantize_aware:
        return
    if not config.model.network:
        raise InputError(
            "config.compress.quantize_aware: there is no trained network to fine-tune. Expected one. Add"
            " model.network=best.keras."
        )
    if replicas > 1:
        raise InputError(
            f"config.compress.quantize_aware: got {replicas} devices, each of which would round by the range of its own share."
            " Expected one. Use hardware.devices=one, without TF_CONFIG."
        )


def check_kept_zeros(network):
    """Says how many weights are held at zero; raises InputError where there are none to hold."""
    share = sparsity(network)["total"]
    if not share:
        raise InputError(
            "config.compress.keep_zeros: true, but no kernel weight of the network is zero. Expected a network that was pruned by"
            " magnitude. Name its file in the config, or leave keep_zeros out."
        )
    say(f"keep_zeros: {share:.2%} of the kernel weights are zero and stay so")


def _rounded(geometry):
    """Returns the numbers of the geometry of a DetectorSpec, with the digits that a float32 holds."""
    return {name: np.round(values, 3).tolist() for name, values in geometry.items()}
