"""`yolo-tf predict`: a network file and images -> pictures, JSON, txt; JSON lines and Parquet for any number of images."""

import contextlib
import dataclasses
from pathlib import Path

from yolo_tf.commands import predict_lines as lines
from yolo_tf.commands.arguments import (
    add_detecting,
    add_model,
    add_thresholds,
    find_class_ids,
    given_detect,
    given_thresholds,
    open_given_detector,
    say_undrawable,
)
from yolo_tf.errors import InputError, shown
from yolo_tf.system.tensorflow_start import load_tensorflow
from yolo_tf.terminal import say
from yolo_tf.terminal.progress import progress_bar

SCORE_THRESHOLD = 0.25


def add_arguments(parser):
    """Declares the arguments."""
    add_model(parser)
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help="image files, directories, globs, .txt lists of paths")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where to write; default: runs/predict, -2, -3 ...")
    parser.add_argument("--no-pictures", dest="save_pictures", action="store_false", help="draw nothing")
    parser.add_argument("--save-txt", action="store_true", help="write DIR/labels/NAME.txt: class cx cy w h (fractions)")
    score = "with --save-txt: the score behind each line"
    parser.add_argument("--save-conf", dest="save_txt_scores", action="store_true", help=score)
    parser.add_argument("--save-json", action="store_true", help="write DIR/detections.json")
    parser.add_argument("--save-coco", action="store_true", help="write DIR/coco.json: loads into pycocotools, and as labels")
    parser.add_argument(
        "--classes",
        nargs="+",
        default=(),
        metavar="CLASS",
        help="keep only these classes: names or numbers, also separated by commas; give the SOURCEs before",
    )
    rect = "the smallest input that holds the image at its scale; faster"
    add_detecting(parser, score_threshold=SCORE_THRESHOLD, iou_threshold=0.45, rect=rect)
    add_thresholds(parser)
    many = parser.add_argument_group("any number of images (docs/predict.md)")
    many.add_argument("--save-jsonl", action="store_true", help="write DIR/detections.jsonl, one image per line, as they come")
    many.add_argument("--save-parquet", action="store_true", help="write DIR/detections-00000.parquet, ... (needs pyarrow)")
    many.add_argument("--batch", dest="batch_size", type=int, metavar="N", help="images in one call of the network (default 8)")
    many.add_argument("--part-images", type=int, metavar="N", help="images of one Parquet file (default 1000)")
    many.add_argument("--resume", action="store_true", default=None, help="go on in --out behind the last image that is written")
    many.add_argument("--on-bad-image", choices=("skip", "stop"), help="write its error and go on (default), or stop there")


def run(arguments):
    """Predicts and writes the files; says a line for each image, or how far it is with many, and returns the totals."""
    from yolo_tf.config import DetectConfig
    from yolo_tf.files import read_spec
    from yolo_tf.files.run_directory import reserved_directory
    from yolo_tf.inference.outputs import OUTPUTS

    if arguments.save_txt_scores and not arguments.save_txt:
        raise InputError("--save-conf: there is no --save-txt, whose lines it is for. Expected both. Add it, or leave this out.")
    arguments.save_txt &= not arguments.save_txt_scores  # one file, with or without
    outputs = tuple(name for name in OUTPUTS if getattr(arguments, f"save_{name}"))
    many = any(OUTPUTS[name].cut for name in outputs)  # a stopped run goes on in them: they are made for any number
    _check_together(arguments, many, not outputs)
    class_names = read_spec(arguments.model).class_names
    thresholds = given_thresholds(arguments, ("--score-threshold", arguments.score_threshold, SCORE_THRESHOLD))
    detect = given_detect(arguments, DetectConfig(), class_ids=find_class_ids(arguments.classes, class_names), **thresholds)

    load_tensorflow()
    from yolo_tf.inference.best_score import best_score
    from yolo_tf.inference.frames.files import list_images
    from yolo_tf.inference.prediction import PredictOptions, predict_to_files

    batch_size = 1 if arguments.batch_size is None and (arguments.rect or not many) else arguments.batch_size
    given = {"batch_size": batch_size, "part_images": arguments.part_images}
    options = PredictOptions(
        outputs=outputs,
        image_size=arguments.image_size,
        detect=detect,
        ahead=2 if many else 0,
        rect=arguments.rect,
        augmented=arguments.augment,
        stop_on_bad_image=arguments.on_bad_image == "stop",
        resume=bool(arguments.resume),
        **{name: number for name, number in given.items() if number is not None},
    )
    paths = list_images(arguments.sources)
    say(*lines.describe_pictures(paths))
    if "pictures" in outputs:
        say_undrawable(class_names)
    rows, unreadable, show = [], [], progress_bar(len(paths))

    def watch(done, results):
        if many:
            show(done)
            return
        for result in results:
            if result.error:
                unreadable.append(result)
            else:
                rows.append(result.to_json(class_names))
                say(f"{shown(result.path)}: {lines.count_names(rows[-1]['detections'])}  ({result.milliseconds:.1f} ms)")

    detector = open_given_detector(arguments)
    with contextlib.nullcontext(arguments.out) if arguments.out else reserved_directory("runs", "predict") as out:
        totals = predict_to_files(detector, paths, out, options, watch=watch)
    if many or rows:
        say(f"{lines.describe_totals(totals, many)} -> {out}")
    if totals.num_images_cut:
        say(lines.describe_cut(totals, totals.num_images, detect.candidate_limit))
    if totals.num_images > totals.num_bad_images and not totals.num_detections:
        given = arguments.thresholds and f"the thresholds of {shown(arguments.thresholds)}"
        asked = given or f"--score-threshold {detect.score_threshold:g}"
        say(*lines.describe_nothing(best_score(detector, paths, options), arguments.model, asked))
    lines.raise_faults(unreadable, totals, len(paths))
    return {"out": str(out), **({} if many else {"images": rows}), **dataclasses.asdict(totals)}


def _check_together(arguments, many, nothing):
    """Raises InputError where options do not go together; `nothing`: no output is left."""
    for name in ("batch_size", "part_images", "resume", "on_bad_image"):
        if getattr(arguments, name) is not None and not many:
            raise InputError(
                f"{name}: belongs to --save-jsonl or --save-parquet. Expected one of them. Add it, or leave this out."
            )
    for option, given in (("--save-json", arguments.save_json), ("--save-coco", arguments.save_coco)):
        if many and given:
            raise InputError(
                f"{option}: holds all images in memory. Expected --save-jsonl or --save-parquet alone. Leave it out."
            )
    if arguments.resume and arguments.out is None:
        raise InputError("--resume: there is no --out. Expected the directory of the run to go on with. Add --out DIR.")
    if nothing:
        raise InputError("--no-pictures: nothing is left to write. Expected --save-jsonl, -parquet, -json or -txt. Add one.")
