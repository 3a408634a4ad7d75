"""What a run needs to make a small network good: a teacher, a network that int8 can hold, zeros that stay."""

from yolo_tf.errors import InputError
from yolo_tf.files.keras import read_detector_network
from yolo_tf.models.reports.sparsity import sparsity
from yolo_tf.surgery.fold import copy_for, fold_batch_norm
from yolo_tf.surgery.reparameterize import deploy_form
from yolo_tf.terminal import say


def read_teacher(compress, spec, *, precision):
    """Reads the network whose answers a run learns; says what it is.

    Batch norms are folded and branches merged: the same answers, sooner.

    Args:
        compress: CompressConfig, with a teacher.
        spec: DetectorSpec of the network that learns.
        precision: dtype policy of the run.

    Returns:
        keras.Model in the run's precision, with nothing that learns.

    Raises:
        InputError: no such file, or a detector of other classes or anchors.
    """
    teacher, theirs = read_detector_network(compress.teacher, option="config.compress.teacher", class_names=spec.class_names)
    if (theirs.strides, _rounded(theirs)) != (spec.strides, _rounded(spec)):
        stated = str([[list(size) for size in level] for level in theirs.anchor_sizes]).replace(" ", "")
        raise InputError(
            f"{compress.teacher}: has other anchors than the network that is to learn from it. Expected the same, for what it"
            f" says is in their terms. Set 'model.anchors={stated}'."
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
    """Returns a copy of a network as an export to int8 will hold it: branches merged, batch norms folded; says so."""
    say(
        "quantisation-aware: batch norms are folded into the convolutions; kernels and activations are rounded as int8 rounds"
        " them, in training and in the evaluation after each epoch. The network files stay in float: export them to int8"
    )
    return fold_batch_norm(deploy_form(network))


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


def _rounded(spec):
    """Returns the anchor sizes of a DetectorSpec, with the digits that a float32 holds."""
    return tuple(tuple(tuple(round(side, 3) for side in size) for size in level) for level in spec.anchor_sizes)
