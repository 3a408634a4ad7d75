"""What an export costs in accuracy: network and file measured on the same labelled images."""

from yolo_tf.errors import InputError
from yolo_tf.evaluation.evaluate import evaluate
from yolo_tf.export.parity import ParityError

MEASURED = ("AP", "AP50")


def check_accuracy(reference, detector, dataset, *, image_size, max_ap_drop=None):
    """Evaluates the network and the file made from it, and compares their AP.

    Args:
        reference: images -> candidates of the network (inference.detector.network_candidates).
        detector: Detector, opened from what was written.
        dataset: DetectionDataset; every image of it is looked at twice.
        image_size: (height, width) px of the network input.
        max_ap_drop: most AP that the file may lose, 0..1; None = any.

    Returns:
        {"network": {"AP": x, "AP50": x}, "file": {…}}, fractions 0..1; None for x where the data set has no box.

    Raises:
        InputError: there is a `max_ap_drop` and no box, or the classes are not those of the detector.
        ParityError: the file loses more.
    """
    if max_ap_drop is not None and not dataset.num_boxes:
        raise InputError("max_ap_drop: the data set has no box. Expected labelled images. Name another `data` or `split`.")
    numbers = {}
    for name, candidates in (("network", reference), ("file", detector.candidates)):
        metrics = evaluate(candidates, dataset, image_size=image_size, letterbox=detector.spec.letterbox).metrics
        numbers[name] = {key: metrics[key] for key in MEASURED}
    if max_ap_drop is not None and not numbers["network"]["AP"] - numbers["file"]["AP"] <= max_ap_drop:
        raise ParityError(
            f"AP falls from {numbers['network']['AP']:.4f} to {numbers['file']['AP']:.4f} on {len(dataset.records)} images."
            f" Expected at most {max_ap_drop} less. Choose a higher precision or more calibration images."
        )
    return numbers
