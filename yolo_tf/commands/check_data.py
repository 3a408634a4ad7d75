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
    add("--fix", type=Path, metavar="DIR", help="write a corrected copy: links to the images, labels mended, changes.jsonl")
    resplit = "with --fix: share the images out anew, what looks alike or is one sequence on one side, classes in balance"
    add("--resplit", action="store_true", help=resplit)
    add(
        "--html",
        metavar="FILE",
        help="write a page to look at: findings drawn, classes, sizes, anchors",
    )
    sizes = f"sizes of the network input to judge boxes by, N or HxW (default {INPUT_SIZE})"
    add("--image-size", nargs="+", type=image_size, default=(INPUT_SIZE,), metavar="N", help=sizes)


def run(arguments):
    """Examines the data set, says what was found, and writes a corrected copy; returns the result and the exit code."""
    from yolo_tf.doctor.examination import against, chosen_checks, examine, read_baseline
    from yolo_tf.doctor.facts import read_facts
    from yolo_tf.doctor.layout import check_new, check_outside
    from yolo_tf.doctor.report import format_examination
    from yolo_tf.sources import read_source

    if arguments.resplit and not arguments.fix:
        raise InputError("resplit: is for a corrected copy. Expected `fix` with it. Give a directory.")
    if arguments.fix:
        check_new(arguments.fix, "fix")
    checks = chosen_checks(arguments.only, arguments.skip)
    baseline = read_baseline(arguments.baseline) if arguments.baseline else None
    source = read_source(arguments.data, path=arguments.path)
    if not source.path.exists():
        raise InputError(f"path: {source.path} does not exist. Expected the directory of the data. Give `path`.")
    if arguments.fix:
        check_outside(arguments.fix, source, "fix")
    splits = tuple(dict.fromkeys(arguments.split)) or tuple(source.splits)
    if missing := [split for split in splits if split not in source.splits]:
        known = ", ".join(source.splits) or "none"
        raise InputError(f"split: {source.yaml_path} has no {missing[0]}. Expected some of: {known}. Correct `split`.")
    sizes = [(size, size) if isinstance(size, int) else size for size in arguments.image_size]
    if bad := [size for size in sizes if min(size) < 1]:
        raise InputError(f"image_size: got {bad[0]}. Expected px above 0. Correct it.")

    load_tensorflow()  # for what knows anchors, and for packed images

    facts = read_facts(source, splits, image_sizes=sizes, progress=_progress)
    examination = examine(facts, checks)
    if baseline is not None:
        examination = against(examination, baseline)
    say(format_examination(examination))
    if arguments.html:
        from yolo_tf.doctor.html_page import write_page

        write_page(arguments.html, facts, examination)
        say(f"page: {arguments.html}")
    if not arguments.fix:
        return examination, exit_code(examination, strict=arguments.strict)
    changes, copy = _corrected(arguments, facts, checks)
    document = examination.to_json() | {"changes": len(changes), "copy": copy.to_json()}
    return document, exit_code(copy, strict=arguments.strict)


def _corrected(arguments, facts, checks):
    """Writes the corrected copy, and looks at it; returns the Changes and its Examination."""
    from yolo_tf.doctor.examination import examine
    from yolo_tf.doctor.facts import read_facts
    from yolo_tf.doctor.layout import YAML_NAME
    from yolo_tf.doctor.repair.copy import LOG, format_changes, repair
    from yolo_tf.doctor.report import format_brief
    from yolo_tf.sources import read_source

    changes = repair(facts, arguments.fix, resplit=arguments.resplit)
    say(f"{arguments.fix / LOG}: {format_changes(changes)}")
    source = read_source(arguments.fix / YAML_NAME)
    copy = examine(read_facts(source, tuple(facts.splits), image_sizes=facts.image_sizes, progress=_progress), checks)
    say(f"{arguments.fix / YAML_NAME}, the corrected copy:", format_brief(copy))
    return changes, copy


def _progress(count, split):
    return progress_bar(count, label=f"{split}: ")


def exit_code(examination, *, strict):
    """Returns 1 where errors remain, and with `strict` warnings; else 0."""
    counts = examination.counts()
    return int(counts["error"] > 0 or (strict and counts["warning"] > 0))
