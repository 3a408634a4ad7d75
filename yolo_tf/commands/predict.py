"""`yolo-tf predict`: a network file and images -> pictures, JSON, txt; JSON lines and Parquet for any number of images."""

from pathlib import Path

from yolo_tf.files import known_formats


def add_arguments(parser):
    """Declares the arguments."""
    parser.add_argument("model", type=Path, metavar="MODEL", help=known_formats())
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help="image files, directories, globs, .txt lists of paths")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where to write; default: runs/predict, -2, -3 ...")
    parser.add_argument("--save-json", action="store_true", help="write DIR/detections.json")
    parser.add_argument("--save-txt", action="store_true", help="write DIR/labels/NAME.txt: class cx cy w h (fractions) score")
    parser.add_argument("--score-threshold", type=float, default=0.25, metavar="X", help="least score (default 0.25)")
    parser.add_argument("--iou-threshold", type=float, default=0.45, metavar="X", help="IoU of suppression (default 0.45)")
    parser.add_argument("--max-detections", type=int, default=300, metavar="N", help="most detections of one image (default 300)")
    parser.add_argument(
        "--classes",
        nargs="+",
        default=(),
        metavar="CLASS",
        help="keep only these classes: names or numbers, also separated by commas; give the SOURCEs before",
    )
    parser.add_argument("--class-agnostic", action="store_true", help="suppress across classes")
    parser.add_argument("--rect", action="store_true", help="the smallest input that holds the image at its scale; faster")
    parser.add_argument("--augment", action="store_true", help="look at three scales of each image, one of them mirrored")
    parser.add_argument("--image-size", type=int, metavar="N", help="square input size, px; default: as trained")
    parser.add_argument("--no-pictures", action="store_true", help="draw nothing")
    bulk = parser.add_argument_group("any number of images (docs/predict.md)")
    bulk.add_argument("--save-jsonl", action="store_true", help="write DIR/detections.jsonl, one image per line, as they come")
    bulk.add_argument("--save-parquet", action="store_true", help="write DIR/detections-00000.parquet, ... (needs pyarrow)")
    bulk.add_argument("--batch", type=int, metavar="N", help="images in one call of the network (default 8)")
    bulk.add_argument("--part-images", type=int, metavar="N", help="images of one Parquet file (default 1000)")
    bulk.add_argument("--resume", action="store_true", help="go on in --out behind the last image that is written")
    bulk.add_argument("--on-bad-image", choices=("skip", "stop"), help="write its error and go on (default), or stop there")


def run(arguments):
    """Predicts and writes the files; prints a line for each image, or a progress bar for many, and returns the totals."""
    import dataclasses

    from yolo_tf.config import DetectConfig
    from yolo_tf.files import read_spec
    from yolo_tf.files.run_directory import next_free_directory

    in_bulk = _check_options(arguments)
    detect = DetectConfig(
        score_threshold=arguments.score_threshold,
        iou_threshold=arguments.iou_threshold,
        max_detections=arguments.max_detections,
        class_agnostic=arguments.class_agnostic,
        class_ids=find_class_ids(arguments.classes, read_spec(arguments.model).class_names),
    )
    out = arguments.out or next_free_directory("runs", "predict")

    from yolo_tf.system.tensorflow_start import load_tensorflow

    load_tensorflow()
    import numpy as np

    from yolo_tf.inference.detector import check_any_size, choose_image_size, detect_images, open_detector
    from yolo_tf.inference.prediction import list_images, output_names
    from yolo_tf.inference.three_views import augment_candidates

    bulk_options = _bulk_options(arguments) if in_bulk else None
    paths = list_images(arguments.sources)
    pictures = [out / f"{name}.jpg" for name in output_names(paths)] if _writes_per_image(arguments) else []
    _protect_sources(paths, pictures)
    detector = open_detector(arguments.model)
    for option, given in (("--rect", arguments.rect), ("--augment", arguments.augment)):
        if given:
            check_any_size(detector, option)
    if arguments.augment:
        augmented = augment_candidates(detector.candidates, detector.spec.anchors)
        detector = dataclasses.replace(detector, candidates=augmented)
    image_size = choose_image_size(detector, arguments.image_size)
    detect_images(detector, np.zeros([1, *image_size, 3], np.uint8), detect)  # so that no figure holds the start-up
    how = {"image_size": image_size, "detect": detect}
    if in_bulk:
        return _predict_bulk(detector, paths, pictures, out, arguments, options=bulk_options, **how)
    return _predict_one_by_one(detector, paths, pictures, out, arguments, **how)


def _predict_one_by_one(detector, paths, pictures, out, arguments, *, image_size, detect):
    """Predicts image by image, all results in memory; prints a line each."""
    import numpy as np

    from yolo_tf.errors import InputError
    from yolo_tf.inference.prediction import predict_image, prediction_to_json
    from yolo_tf.system.atomic import write_json
    from yolo_tf.system.image_formats import IMAGE_WORDS

    class_names = detector.spec.class_names
    rows, milliseconds, unreadable = [], [], []
    for index, path in enumerate(paths):
        try:
            prediction = predict_image(detector, path, image_size=image_size, detect=detect, rect=arguments.rect)
        except InputError as error:
            unreadable.append((path, error))
            continue
        if pictures:
            _write_files(prediction, pictures[index], class_names, arguments)
        rows.append(prediction_to_json(prediction, class_names))
        milliseconds.append(prediction.milliseconds)
        print(f"{path}: {_summary(rows[-1]['detections'])}  ({prediction.milliseconds:.1f} ms)")
    if arguments.save_json:
        write_json(out / "detections.json", {"model": str(arguments.model), "class_names": list(class_names), "images": rows})

    detections = sum(len(row["detections"]) for row in rows)
    if rows:
        print(f"{len(rows)} images, {detections} detections, {np.median(milliseconds):.1f} ms an image (median) -> {out}")
    if len(unreadable) == 1:
        raise unreadable[0][1]
    if unreadable:
        raise InputError(
            f"{', '.join(str(path) for path, _ in unreadable)}: {len(unreadable)} of {len(paths)} images do not decode."
            f" Expected {IMAGE_WORDS}. Replace or remove them; the others were written."
        )
    return {
        "out": str(out),
        "images": rows,
        "num_images": len(rows),
        "num_detections": detections,
        "median_milliseconds": float(np.median(milliseconds)),
    }


def _predict_bulk(detector, paths, pictures, out, arguments, *, options, image_size, detect):
    """Predicts in batches, row by row into files; shows how far it is."""
    import time

    from yolo_tf.data.images import read_image
    from yolo_tf.inference.bulk import predict_to_files
    from yolo_tf.inference.prediction import Prediction
    from yolo_tf.terminal.progress import progress_bar

    show = progress_bar(len(paths))

    def watch(start, results):
        for index, result in enumerate(results, start=start):
            if pictures and result.error is None:
                image = read_image(result.path)  # a second time: few would fit into memory as they are
                found = {"boxes": result.boxes, "scores": result.scores, "class_ids": result.class_ids}
                prediction = Prediction(path=result.path, image=image, milliseconds=0.0, **found)
                _write_files(prediction, pictures[index], detector.spec.class_names, arguments)
        show(start + len(results))

    began = time.perf_counter()
    totals = predict_to_files(
        detector, paths, out, image_size=image_size, detect=detect, options=options, augmented=arguments.augment, watch=watch
    )
    speed = totals.images / (time.perf_counter() - began)
    before = f" after the {totals.images_before} there were" if totals.images_before else ""
    bad = f", {totals.bad_images} of them unreadable (rows with an error)" if totals.bad_images else ""
    print(f"{totals.images} images{before}{bad}, {totals.detections} detections, {speed:.1f} images/s -> {out}")
    return {
        "out": str(out),
        "num_images_before": totals.images_before,
        "num_images": totals.images,
        "num_bad_images": totals.bad_images,
        "num_detections": totals.detections,
        "images_per_second": speed,
    }


def _check_options(arguments):
    """Returns whether any number of images is predicted; raises InputError where options do not go together."""
    from yolo_tf.errors import InputError

    in_bulk = arguments.save_jsonl or arguments.save_parquet
    given = {
        "--batch": arguments.batch is not None,
        "--part-images": arguments.part_images is not None,
        "--resume": arguments.resume,
        "--on-bad-image": arguments.on_bad_image is not None,
    }
    alone = next((option for option in given if given[option] and not in_bulk), None)
    if alone:
        raise InputError(f"{alone}: belongs to --save-jsonl or --save-parquet. Expected one of them. Add it, or leave this out.")
    if in_bulk and arguments.save_json:
        raise InputError("--save-json: holds all images in memory. Expected --save-jsonl or --save-parquet alone. Leave it out.")
    if arguments.resume and arguments.out is None:
        raise InputError("--resume: there is no --out. Expected the directory of the run to go on with. Add --out DIR.")
    if arguments.no_pictures and not (in_bulk or arguments.save_json or arguments.save_txt):
        raise InputError("--no-pictures: nothing is left to write. Expected --save-jsonl, -parquet, -json or -txt. Add one.")
    return in_bulk


def _bulk_options(arguments):
    """Returns the BulkOptions of the command line."""
    from yolo_tf.inference.bulk import BulkOptions

    batch = 1 if arguments.rect and arguments.batch is None else arguments.batch
    given = {"batch_size": batch, "part_images": arguments.part_images}
    return BulkOptions(
        formats=("jsonl",) * arguments.save_jsonl + ("parquet",) * arguments.save_parquet,
        rect=arguments.rect,
        stop_on_bad_image=arguments.on_bad_image == "stop",
        resume=arguments.resume,
        **{name: number for name, number in given.items() if number is not None},
    )


def _writes_per_image(arguments):
    """Returns whether each image gets a file of its own."""
    return arguments.save_txt or not arguments.no_pictures


def _write_files(prediction, picture, class_names, arguments):
    """Writes the picture and the txt file of a Prediction, or one of them."""
    from yolo_tf.inference.prediction import draw_prediction, prediction_to_yolo_txt
    from yolo_tf.pictures.drawing import write_picture
    from yolo_tf.system.atomic import write_text

    if not arguments.no_pictures:
        write_picture(draw_prediction(prediction, class_names), picture)
    if arguments.save_txt:
        write_text(picture.parent / "labels" / f"{picture.stem}.txt", prediction_to_yolo_txt(prediction))


def find_class_ids(words, class_names):
    """Returns the class numbers that words of the command line stand for.

    Args:
        words: each one class, or several separated by commas: names, or numbers from 0. A name wins over a
            number, and a name with a comma in it over its parts.
        class_names: names of the C classes.

    Returns:
        tuple of int, each once, in the order given.

    Raises:
        InputError: no such class.

    Example: ["car,2", "traffic light"] of ("car", "traffic light", "bus") gives (0, 2, 1).
    """
    from yolo_tf.errors import InputError, did_you_mean

    numbers = {str(number): number for number in range(len(class_names))}
    numbers |= {name: number for number, name in enumerate(class_names)}
    found = []
    for word in words:
        for part in [word] if word in numbers else map(str.strip, word.split(",")):
            if part not in numbers:
                raise InputError(
                    f"--classes: there is no class '{part}'.{did_you_mean(part, class_names)} Expected numbers"
                    f" 0..{len(class_names) - 1} or names of: {', '.join(class_names)}. Correct it; SOURCE goes before --classes."
                )
            found.append(numbers[part])
    return tuple(dict.fromkeys(found))


def _protect_sources(paths, pictures):
    """Raises InputError where a picture would be written over an image that it is made from."""
    from yolo_tf.errors import InputError

    sources = {path.resolve() for path in paths}
    for picture in pictures:
        if picture.resolve() in sources:
            raise InputError(f"{picture}: would be written over its source. Expected another directory. Change --out.")


def _summary(detections):
    """Returns "3 car, 1 bus", most frequent first."""
    from collections import Counter

    counts = Counter(detection["class_name"] for detection in detections)
    return ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "nothing found"
