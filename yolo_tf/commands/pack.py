"""`yolo-tf pack`: a data set of any format -> TFRecord shards and a data set YAML for them."""

from pathlib import Path

from yolo_tf.commands.arguments import add_reading
from yolo_tf.config.plain import plain
from yolo_tf.errors import InputError
from yolo_tf.system.atomic import write_text
from yolo_tf.system.tensorflow_start import load_tensorflow
from yolo_tf.terminal.progress import progress_bar

DATASET_YAML = "dataset.yaml"


def add_arguments(parser):
    """Declares the arguments."""
    parser.add_argument("data", type=Path, metavar="DATASET.yaml", help="data set YAML")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="writes DIR/SPLIT and DIR/dataset.yaml")
    parser.add_argument("--split", nargs="+", default=("train",), metavar="SPLIT", help="splits to pack (default train)")
    parser.add_argument("--shards", type=int, metavar="N", help="files per split; default: about 256 MiB each")
    add_reading(parser)


def run(arguments):
    """Packs split by split; returns what was written of each."""
    from yolo_tf.sources import read_dataset, read_source, reading_lines

    source = read_source(arguments.data, path=arguments.path)
    print(*source.notes, sep="\n", end="\n" if source.notes else "")
    datasets = {split: read_dataset(source, split, strict=not arguments.lenient) for split in arguments.split}
    _protect_source(source, arguments.out)
    _check_class_names(datasets, arguments.out)

    load_tensorflow()
    from yolo_tf.data.packing import check_replaceable, pack_dataset

    for split in datasets:
        check_replaceable(arguments.out / split)
    written = {}
    for split, dataset in datasets.items():
        print(*reading_lines(dataset, split), sep="\n")
        progress = progress_bar(len(dataset.records), label=f"{split}: ")
        report = pack_dataset(dataset, arguments.out / split, shards=arguments.shards, progress=progress)
        print(f"{split}: {report.images} images, {report.shards} shards, {report.bytes / 1e6:.1f} MB")
        written[split] = report
    lines = [f"{split}: {split}" for split in _packed_splits(arguments.out)]
    text = "\n".join(["# Written by `yolo-tf pack`.", "format: tfrecord", "path: .", *lines]) + "\n"
    write_text(arguments.out / DATASET_YAML, text)
    print(f"data set: {arguments.out / DATASET_YAML}")
    return plain(written)


def _packed_splits(out):
    """Returns the splits that lie in `out`, those of earlier calls included."""
    from yolo_tf.sources.dataset_yaml import SPLITS
    from yolo_tf.sources.tfrecord import INDEX

    return [split for split in SPLITS if (out / split / INDEX).is_file()]


def _protect_source(source, out):
    """Raises InputError where packing would replace what it reads."""
    if out.resolve() == source.path.resolve() or out.resolve() == source.yaml_path.parent.resolve():
        raise InputError(f"{out}: holds the data set that is to be packed. Expected another directory. Change --out.")


def _check_class_names(datasets, out):
    """Raises InputError where splits that one data set YAML joins have different classes."""
    from yolo_tf.sources.tfrecord import read_class_names

    names = {split: read_class_names(out / split) for split in _packed_splits(out)}
    names |= {split: dataset.class_names for split, dataset in datasets.items()}
    (first, expected), *others = names.items()
    for split, found in others:
        if found != expected:
            raise InputError(
                f"{out}: the classes of {split} are {list(found)[:10]}, those of {first} {list(expected)[:10]}. Expected the"
                " same in one data set. Change --out, or add `names` to the data set YAML."
            )
