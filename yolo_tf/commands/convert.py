"""`yolo-tf convert`: a data set of any format -> COCO JSON, YOLO text or Pascal VOC."""

from pathlib import Path

from yolo_tf.commands.arguments import add_reading
from yolo_tf.doctor.layout import FORMATS, YAML_NAME, check_new, check_outside
from yolo_tf.errors import InputError
from yolo_tf.system.tensorflow_start import load_tensorflow
from yolo_tf.terminal import say


def add_arguments(parser):
    """Declares the arguments."""
    parser.add_argument("data", type=Path, metavar="DATASET.yaml", help="data set YAML, or a name such as bccd")
    parser.add_argument("--to", required=True, choices=FORMATS, help="format to write")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="new directory; images are links to the originals")
    parser.add_argument("--split", nargs="+", default=(), metavar="SPLIT", help="splits to convert (default: all)")
    add_reading(parser)


def run(arguments):
    """Converts; returns what was written."""
    from yolo_tf.doctor.conversion import convert
    from yolo_tf.sources import read_dataset, read_source, reading_lines

    check_new(arguments.out, "out")
    source = read_source(arguments.data, path=arguments.path)
    check_outside(arguments.out, source, "out")
    say(*source.notes)
    splits = tuple(arguments.split) or tuple(source.splits)
    datasets = {split: read_dataset(source, split, strict=not arguments.lenient) for split in splits}
    for split, dataset in datasets.items():
        say(*reading_lines(dataset, split))
    names = {dataset.class_names for dataset in datasets.values()}
    if len(names) != 1:
        raise InputError(
            f"{source.yaml_path}: the splits have different classes: {', '.join(map(str, map(list, names)))}."
            " Expected the same. Add `names` to the data set YAML, or convert one with `split`."
        )
    if any(record.byte_offset is not None for dataset in datasets.values() for record in dataset.records):
        load_tensorflow()
    written = convert(datasets, arguments.to, arguments.out)
    for split in splits:
        left = f", {written.left_out[split]} boxes left out, as the format has no place for them" * bool(written.left_out[split])
        say(f"{split}: {written.images[split]} images, {written.boxes[split]} boxes{left}")
    say(f"data set: {arguments.out / YAML_NAME}")
    return written
