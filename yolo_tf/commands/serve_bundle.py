"""`yolo-tf serve-bundle`: a network file -> a versioned directory that TensorFlow Serving serves."""

from pathlib import Path

from yolo_tf.commands.arguments import add_image_size, add_thresholds
from yolo_tf.commands.comparison import read_given_images, read_sources_and_detect, say_low_limit
from yolo_tf.commands.naming import network_file
from yolo_tf.system.tensorflow_start import load_tensorflow


def add_arguments(parser):
    """Declares the arguments."""
    parser.add_argument(
        "model", type=network_file, metavar="MODEL", help="a .keras file of `yolo-tf train`; last: of the newest run"
    )
    parser.add_argument(
        "overrides", nargs="*", metavar="detect.key=value", help="thresholds, of the version for good (`yolo-tf show config`)"
    )
    parser.add_argument("--name", required=True, metavar="NAME", help="under which clients ask for it")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the bundle: new, or one to add a version to")
    parser.add_argument("--version", type=int, metavar="N", help="number of the version (default: the next free one)")
    parser.add_argument("--images", nargs="+", metavar="SOURCE", help="image files, directories, globs to compare on")
    add_image_size(parser, "encoded images are scaled into it")
    add_thresholds(parser)


def run(arguments):
    """Writes the version; prints what is served now and returns it."""
    sources, detect = read_sources_and_detect(arguments)

    load_tensorflow()
    from yolo_tf.export import Comparison
    from yolo_tf.export.parity import format_parity
    from yolo_tf.export.serving import write_serving_bundle

    bundle = write_serving_bundle(
        arguments.model,
        arguments.out,
        name=arguments.name,
        version=arguments.version,
        detect=detect,
        image_size=arguments.image_size,
        comparison=Comparison(images=read_given_images(sources) if sources else None),
    )
    origin = "given images" if sources else "generated images (--images compares on real ones)"
    print(f"{bundle.path}: {bundle.bytes / 1e6:.2f} MB. Reopened and compared with {arguments.model} on {origin}:")
    print(format_parity(bundle.parity))
    say_low_limit(detect)
    served = ", ".join(f"{label} = version {version}" for label, version in bundle.labels.items())
    print(f"Served by {arguments.out / 'serving' / 'models.config'}: {served}.")
    print(f"How to run it: {arguments.out / 'README.md'}")
    return bundle.to_json() | {"compared_on": origin}
