"""`yolo-tf export`: a network file -> SavedModel or TFLite, checked against the network."""

from pathlib import Path

MOST_IMAGES = 16  # compared; more take time and say little


def add_arguments(parser):
    """Declares the arguments."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="a .keras file of `yolo-tf train`")
    parser.add_argument(
        "overrides", nargs="*", metavar="detect.key=value", help="thresholds, of a SavedModel for good (`yolo-tf show config`)"
    )
    parser.add_argument("--format", required=True, metavar="FORMAT", help="saved_model or tflite")
    parser.add_argument("--out", type=Path, required=True, metavar="PATH", help="directory of the SavedModel, or .tflite file")
    parser.add_argument("--image-size", type=int, metavar="N", help="square input size, px; a TFLite file keeps it")
    parser.add_argument("--images", nargs="+", metavar="SOURCE", help="image files, directories, globs to compare on")
    parser.add_argument("--data", type=Path, metavar="DATASET.yaml", help="data set whose val images to compare on")


def run(arguments):
    """Exports; prints what was compared and returns it."""
    from yolo_tf.config_reader import read_config
    from yolo_tf.errors import InputError

    for override in arguments.overrides:
        if not override.startswith("detect."):
            raise InputError(
                f"'{override}': is no option of an export. Expected detect.key=value, as detect.score_threshold=0.3."
            )
    # --images takes every word up to the next option, overrides among them
    sources = [word for word in arguments.images or () if not word.startswith("detect.")]
    overrides = arguments.overrides + [word for word in arguments.images or () if word.startswith("detect.")]
    detect = read_config(overrides=overrides).detect

    from yolo_tf.tensorflow_start import load_tensorflow

    load_tensorflow()
    import dataclasses

    from yolo_tf.atomic import size_on_disk
    from yolo_tf.export import export_detector
    from yolo_tf.export.parity import ParityError

    images, origin = _read_images(sources, arguments.data)
    try:
        report = export_detector(
            arguments.model, arguments.format, arguments.out, detect=detect, image_size=arguments.image_size, images=images
        )
    except ParityError as error:
        raise InputError(str(error)) from error
    size = size_on_disk(arguments.out)
    print(f"{arguments.out}: {size / 1e6:.2f} MB. Reopened and compared with {arguments.model} on {report.num_images} {origin}:")
    print(f"  {report.num_candidates} candidates and {report.num_detections} detections agree,")
    print(f"  within {report.box_difference:.2g} px and {report.score_difference:.2g} in score.")
    return {
        "path": str(arguments.out),
        "format": arguments.format,
        "bytes": size,
        "compared_on": origin,
        **dataclasses.asdict(report),
    }


def _read_images(sources, data):
    """Returns (images or None for generated ones, words for where they come from)."""
    from yolo_tf.errors import InputError

    if sources and data:
        raise InputError("--images and --data: both are given. Expected one of them. Leave one out.")
    if not sources and not data:
        return None, "generated images (--images or --data compares on real ones)"

    from yolo_tf.data.images import read_image
    from yolo_tf.prediction import list_images
    from yolo_tf.sources import read_dataset, read_source

    if sources:
        paths, origin = list_images(sources), "given images"
    else:
        dataset = read_dataset(read_source(data), "val", strict=False)  # the labels do not matter here
        paths, origin = [record.path for record in dataset.records], f"val images of {data}"
    step = -(-len(paths) // MOST_IMAGES)  # evenly from the whole list
    return [read_image(path) for path in paths[::step]], origin
