"""`yolo-tf serve-bundle`: a network file -> a versioned directory that TensorFlow Serving serves."""

from pathlib import Path


def add_arguments(parser):
    """Declares the arguments."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="a .keras file of `yolo-tf train`")
    parser.add_argument(
        "overrides", nargs="*", metavar="detect.key=value", help="thresholds, of the version for good (`yolo-tf show config`)"
    )
    parser.add_argument("--name", required=True, metavar="NAME", help="under which clients ask for it")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the bundle: new, or one to add a version to")
    parser.add_argument("--version", type=int, metavar="N", help="number of the version (default: the next free one)")
    parser.add_argument("--images", nargs="+", metavar="SOURCE", help="image files, directories, globs to compare on")
    parser.add_argument("--image-size", type=int, metavar="N", help="square size encoded images are scaled into, px")


def run(arguments):
    """Writes the version; prints what is served now and returns it."""
    from yolo_tf.commands.export import describe_comparison, read_given_images, read_sources_and_detect

    sources, detect = read_sources_and_detect(arguments)

    from yolo_tf.system.tensorflow_start import load_tensorflow

    load_tensorflow()
    import dataclasses

    from yolo_tf.errors import InputError
    from yolo_tf.export import Comparison
    from yolo_tf.export.parity import ParityError
    from yolo_tf.export.serving import write_serving_bundle
    from yolo_tf.system.atomic import size_on_disk

    try:
        bundle = write_serving_bundle(
            arguments.model,
            arguments.out,
            name=arguments.name,
            version=arguments.version,
            detect=detect,
            image_size=arguments.image_size,
            comparison=Comparison(images=read_given_images(sources) if sources else None),
        )
    except ParityError as error:
        raise InputError(str(error)) from error
    size = size_on_disk(bundle.version_dir)
    origin = "given images" if sources else "generated images (--images compares on real ones)"
    print(f"{bundle.version_dir}: {size / 1e6:.2f} MB. Reopened and compared with {arguments.model} on {origin}:")
    print(describe_comparison(bundle.parity))
    served = ", ".join(f"{label} = version {version}" for label, version in bundle.labels.items())
    print(f"Served by {arguments.out / 'serving' / 'models.config'}: {served}.")
    print(f"How to run it: {arguments.out / 'README.md'}")
    return {
        "path": str(bundle.version_dir),
        "name": arguments.name,
        "version": int(bundle.version_dir.name),
        "labels": bundle.labels,
        "bytes": size,
        "compared_on": origin,
        **dataclasses.asdict(bundle.parity),
    }
