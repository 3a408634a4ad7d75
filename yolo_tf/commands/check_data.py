"""`yolo-tf check-data`: what is wrong with a data set, each finding with its file and line."""

from pathlib import Path

from yolo_tf.commands.arguments import image_size
from yolo_tf.errors import InputError
from yolo_tf.system.tensorflow_start import load_tensorflow
from yolo_tf.terminal import say
from yolo_tf.terminal.progress import progress_bar

INPUT_SIZE = 640  # px; as data.image_size has it by default


def add_arguments(parser):
    """Declares the arguments."""
    add = parser.add_argument
    add("data", type=Path, metavar="DATASET.yaml", help="data set YAML, or a name such as bccd")
    add("--split", nargs="+", default=(), metavar="SPLIT", help="splits to look at (default: all that the YAML has)")
    add("--path", default="", metavar="DIR", help="root of the data, instead of the YAML's path")
    add("--only", nargs="+", default=(), metavar="ID", help="these checks alone: files.truncated, or files for all of files.…")
    add("--skip", nargs="+", default=(), metavar="ID", help="all checks but these")
    add("--strict", action="store_true", help="warnings count as errors for the exit code")
    add(
        "--baseline", metavar="FILE", help="what --json wrote before: findings that it has are left out, those that went are told"
    )
    sizes = f"sizes of the network input to judge boxes by, N or HxW (default {INPUT_SIZE})"
    add("--image-size", nargs="+", type=image_size, default=(INPUT_SIZE,), metavar="N", help=sizes)


def run(arguments):
    """Examines the data set, says what was found; returns it, and the exit code with it."""
    from yolo_tf.doctor.examination import against, chosen_checks, examine, read_baseline
    from yolo_tf.doctor.facts import read_facts
    from yolo_tf.doctor.report import format_examination
    from yolo_tf.sources import read_source

    checks = chosen_checks(arguments.only, arguments.skip)
    baseline = read_baseline(arguments.baseline) if arguments.baseline else None
    source = read_source(arguments.data, path=arguments.path)
    if not source.path.exists():
        raise InputError(f"path: {source.path} does not exist. Expected the directory of the data. Give `path`.")
    splits = tuple(dict.fromkeys(arguments.split)) or tuple(source.splits)
    if missing := [split for split in splits if split not in source.splits]:
        known = ", ".join(source.splits) or "none"
        raise InputError(f"split: {source.yaml_path} has no {missing[0]}. Expected some of: {known}. Correct `split`.")
    sizes = [(size, size) if isinstance(size, int) else size for size in arguments.image_size]
    if bad := [size for size in sizes if min(size) < 1]:
        raise InputError(f"image_size: got {bad[0]}. Expected px above 0. Correct it.")

    load_tensorflow()  # for what knows anchors, and for packed images

    def progress(count, split):
        return progress_bar(count, label=f"{split}: ")

    facts = read_facts(source, splits, image_sizes=sizes, progress=progress)
    examination = examine(facts, checks)
    if baseline is not None:
        examination = against(examination, baseline)
    say(format_examination(examination))
    return examination, exit_code(examination, strict=arguments.strict)


def exit_code(examination, *, strict):
    """Returns 1 where errors remain, and with `strict` warnings; else 0."""
    counts = examination.counts()
    return int(counts["error"] > 0 or (strict and counts["warning"] > 0))
