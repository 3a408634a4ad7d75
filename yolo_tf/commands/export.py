"""`yolo-tf export`: a network file -> SavedModel, TFLite, ONNX or OpenVINO, checked against the network."""

from pathlib import Path

from yolo_tf.commands.arguments import add_data, add_image_size, add_thresholds, read_given_dataset
from yolo_tf.commands.comparison import read_given_images, read_sources_and_detect, say_low_limit, spread
from yolo_tf.commands.naming import network_file
from yolo_tf.errors import InputError
from yolo_tf.system.atomic import size_on_disk
from yolo_tf.system.tensorflow_start import load_tensorflow
from yolo_tf.terminal import say


def add_arguments(parser):
    """Declares the arguments."""
    parser.add_argument(
        "model", type=network_file, metavar="MODEL", help="a .keras file of `yolo-tf train`; last: of the newest run"
    )
    parser.add_argument(
        "overrides", nargs="*", metavar="detect.key=value", help="thresholds, of a SavedModel and with --nms for good"
    )
    parser.add_argument("--format", required=True, metavar="FORMAT", help="saved_model, tflite, onnx or openvino")
    parser.add_argument("--out", type=Path, required=True, metavar="PATH", help="directory, or a .tflite or .onnx file")
    add_image_size(parser, "a TFLite file keeps it")
    add_thresholds(parser)
    parser.add_argument("--images", nargs="+", metavar="SOURCE", help="image files, directories, globs to compare on")
    add_data(parser, required=False, help="data set to compare, and to measure AP, on")
    parser.add_argument("--max-ap-drop", type=float, metavar="X", help="write nothing where the AP falls by more, 0..1")
    tflite = parser.add_argument_group("TFLite")
    tflite.add_argument("--precision", metavar="NAME", help="float32 (default), float16, dynamic or int8")
    tflite.add_argument("--calibration", type=Path, metavar="DATASET.yaml", help="int8: data set to take the scales from")
    tflite.add_argument("--calibration-path", default="", metavar="DIR", help="root of its data, instead of the YAML's path")
    tflite.add_argument("--calibration-split", default="train", metavar="SPLIT", help="split of it (default train)")
    tflite.add_argument("--calibration-images", type=int, default=128, metavar="N", help="images of it, at random (default 128)")
    tflite.add_argument("--seed", type=int, default=0, metavar="N", help="of that choice (default 0)")
    tflite.add_argument("--io", dest="io_type", default="float", metavar="TYPE", help="int8: float (default) or uint8 pixels in")
    tflite.add_argument(
        "--float-start", type=int, metavar="N", help="int8: first convolutions kept in float (default: as needed)"
    )
    tflite.add_argument("--nms", action="store_true", help="suppress inside the file, in float: a second signature, detections")
    tflite.add_argument("--per-layer", type=Path, metavar="FILE", help="int8: write the rounding error of every layer, CSV")


def run(arguments):
    """Exports; prints what was compared and returns it."""
    if arguments.thresholds and not (arguments.format == "saved_model" or arguments.nms):
        raise InputError(
            f"--thresholds: a file of --format {arguments.format} holds none. Expected --format saved_model, or --nms with"
            " tflite. Leave it out, and give it to predict."
        )
    sources, detect = read_sources_and_detect(arguments)

    load_tensorflow()
    from yolo_tf.export import Comparison, export_detector
    from yolo_tf.export.parity import format_parity
    from yolo_tf.export.tflite import read_facts

    images, dataset, origin = _read_comparison(sources, arguments)
    quantization = _read_quantization(arguments)
    if images is None and quantization and quantization.calibration:
        origin = "calibration images"
    report = export_detector(
        arguments.model,
        arguments.format,
        arguments.out,
        detect=detect,
        image_size=arguments.image_size,
        comparison=Comparison(images=images, dataset=dataset, max_ap_drop=arguments.max_ap_drop),
        quantization=quantization,
    )
    if arguments.format == "saved_model" or arguments.nms:
        say_low_limit(detect)
    size = size_on_disk(arguments.out)
    print(f"{arguments.out}: {size / 1e6:.2f} MB. Reopened and compared with {arguments.model} on {report.num_images} {origin}:")
    print(format_parity(report))
    if report.accuracy and dataset.num_boxes:
        print(f"  On all {len(dataset.records)} {arguments.split} images:")
        for name, numbers in report.accuracy.items():
            print(f"  {name:>7}: AP {numbers['AP']:.4f}, AP50 {numbers['AP50']:.4f}")
    told = {"path": str(arguments.out), "format": arguments.format, "bytes": size, "compared_on": origin}
    if arguments.precision == "int8":
        told["float_start"] = read_facts(arguments.out)["float_start"]
        if told["float_start"] and arguments.float_start is None:
            print(
                f"  The first {told['float_start']} convolutions are in float: with fewer, the candidates differ more"
                " (--float-start N sets the number)."
            )
    return told | report.to_json()


def _read_comparison(sources, arguments):
    """Returns (images or None for those that the export has itself, data set or None, words for where they come from)."""
    if sources and arguments.data:
        raise InputError("--images and --data: both are given. Expected one of them. Leave one out.")
    if not sources and not arguments.data:
        return None, None, "generated images (--images or --data compares on real ones)"
    if sources:
        return read_given_images(sources), None, "given images"

    from yolo_tf.data.images import RecordImages

    dataset = read_given_dataset(arguments)
    return RecordImages(spread(dataset.records)), dataset, f"{arguments.split} images of {arguments.data}"


def _read_quantization(arguments):
    """Returns the Quantization of a TFLite file, with its calibration images; None where none of its options is given."""
    given = arguments.precision, arguments.calibration, arguments.per_layer, arguments.io_type != "float", arguments.nms
    if not any(given) and arguments.float_start is None:
        return None
    import numpy as np

    from yolo_tf.data.images import RecordImages
    from yolo_tf.export.tflite import Quantization
    from yolo_tf.files import read_spec
    from yolo_tf.sources import read_dataset, read_source

    images, origin = None, ""
    if arguments.calibration:
        source = read_source(arguments.calibration, path=arguments.calibration_path)
        dataset = read_dataset(source, arguments.calibration_split, strict=False, labels=False)
        if dataset.class_names and set(dataset.class_names) != set(read_spec(arguments.model).class_names):
            say(f"note: {arguments.calibration} has other classes than {arguments.model}: are its pictures of the same kind?")
        records = dataset.records
        chosen = np.random.default_rng(arguments.seed).permutation(len(records))[: max(0, arguments.calibration_images)]
        images = RecordImages([records[index] for index in chosen])
        # without the directories of this machine, for the words travel with the file
        origin = f"{len(images)} {arguments.calibration_split} images of {arguments.calibration.name}, seed {arguments.seed}"
    return Quantization(
        precision=arguments.precision or "float32",
        io_type=arguments.io_type,
        calibration=images,
        calibration_origin=origin,
        per_layer=arguments.per_layer,
        float_start=arguments.float_start,
        nms=arguments.nms,
    )
