"""`yolo-tf predict`: a network file and images -> pictures, JSON, txt."""

from pathlib import Path


def add_arguments(parser):
    """Declares the arguments."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="a .keras, .tflite or .onnx file or a SavedModel directory")
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help="image files, directories, globs")
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


def run(arguments):
    """Predicts image by image; writes the files, prints a line each and returns the totals."""
    import dataclasses

    from yolo_tf.config import DetectConfig
    from yolo_tf.detector_file import read_spec
    from yolo_tf.errors import InputError
    from yolo_tf.run_directory import next_free_directory

    detect = DetectConfig(
        score_threshold=arguments.score_threshold,
        iou_threshold=arguments.iou_threshold,
        max_detections=arguments.max_detections,
        class_agnostic=arguments.class_agnostic,
        class_ids=find_class_ids(arguments.classes, read_spec(arguments.model).class_names),
    )
    out = arguments.out or next_free_directory("runs", "predict")

    from yolo_tf.tensorflow_start import load_tensorflow

    load_tensorflow()
    import numpy as np

    from yolo_tf.atomic import write_json, write_text
    from yolo_tf.drawing import write_picture
    from yolo_tf.prediction import (
        draw_prediction,
        list_images,
        output_names,
        predict_image,
        prediction_to_json,
        prediction_to_yolo_txt,
    )
    from yolo_tf.runtime import check_any_size, choose_image_size, detect_images, open_detector
    from yolo_tf.test_time_augmentation import augment_candidates

    paths = list_images(arguments.sources)
    pictures = [out / f"{name}.jpg" for name in output_names(paths)]
    _protect_sources(paths, pictures)
    detector = open_detector(arguments.model)
    for option, given in (("--rect", arguments.rect), ("--augment", arguments.augment)):
        if given:
            check_any_size(detector, option)
    if arguments.augment:
        augmented = augment_candidates(detector.candidates, detector.spec.anchors)
        detector = dataclasses.replace(detector, candidates=augmented)
    image_size = choose_image_size(detector, arguments.image_size)
    class_names = detector.spec.class_names
    detect_images(detector, np.zeros([1, *image_size, 3], np.uint8), detect)  # so that no figure holds the start-up

    rows, milliseconds, unreadable = [], [], []
    for path, picture in zip(paths, pictures, strict=True):
        try:
            prediction = predict_image(detector, path, image_size=image_size, detect=detect, rect=arguments.rect)
        except InputError as error:
            unreadable.append((path, error))
            continue
        write_picture(draw_prediction(prediction, class_names), picture)
        if arguments.save_txt:
            write_text(out / "labels" / f"{picture.stem}.txt", prediction_to_yolo_txt(prediction))
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
            " Expected JPEG, PNG, BMP or GIF. Replace or remove them; the others were written."
        )
    return {
        "out": str(out),
        "images": rows,
        "num_images": len(rows),
        "num_detections": detections,
        "median_milliseconds": float(np.median(milliseconds)),
    }


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
    from yolo_tf.errors import InputError
    from yolo_tf.lookup import did_you_mean

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
