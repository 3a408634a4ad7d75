"""A tiny detector in every format: that it can be written, how large it is, what it answers, bit by bit.

As a program: `exports_part PICTURES FILE`, the answers of a network file.
"""

import re
import sys

from behaviour.inputs import TINY, make_detector, read_pictures, write_shapes

CALIBRATION = ("--calibration", "shapes.yaml", "--calibration-images", 16)
# name -> words of `yolo-tf export`
EXPORTS = {
    "saved_model": ("--format", "saved_model", "--out", "saved_model"),
    "tflite_float32": ("--format", "tflite", "--out", "float32.tflite"),
    "tflite_float16": ("--format", "tflite", "--precision", "float16", "--out", "float16.tflite"),
    "tflite_dynamic": ("--format", "tflite", "--precision", "dynamic", "--out", "dynamic.tflite"),
    "tflite_int8": ("--format", "tflite", "--precision", "int8", *CALIBRATION, "--out", "int8.tflite"),
    "tflite_int8_uint8_nms": (
        *("--format", "tflite", "--precision", "int8", *CALIBRATION, "--io", "uint8", "--nms"),
        *("--per-layer", "per_layer.csv", "--out", "int8_nms.tflite"),
    ),
    "onnx": ("--format", "onnx", "--out", "detector.onnx"),
    "openvino": ("--format", "openvino", "--out", "openvino"),
}
REPVGG = {**TINY, "model.backbone": "repvgg_a0"}  # its branches are joined on the way out
TEXTS = {".txt", ".config", ".yaml", ".yml", ".json", ".md"}


def record(checkout):
    """Returns {format: exit code, report, files, bytes, answers}."""
    data = write_shapes(checkout, train=24, val=6)
    checkout.succeed("pack", data, "--out", "packed", "--split", "val")  # paints the pictures
    pictures = "shapes/images/val"
    found = {
        "detector": make_detector(checkout, pictures),
        "detector_repvgg": make_detector(checkout, pictures, "repvgg.keras", REPVGG),
    }
    found["keras"] = {"answers": checkout.work("exports_part", pictures, "detector.keras")}
    for name, words in EXPORTS.items():
        found[name] = export(checkout, pictures, "detector.keras", words)
        print(f"  exports: {name}", flush=True)
    found["repvgg_saved_model"] = export(checkout, pictures, "repvgg.keras", ("--format", "saved_model", "--out", "repvgg"))
    found["serve-bundle"] = bundle(checkout, pictures)
    return found


def export(checkout, pictures, model, words):
    """Returns the export's report, its files and their size, and the answers of what was written."""
    found = checkout.command("export", model, *words, "--images", pictures, *thresholds(checkout))
    path = checkout.folder / words[-1]
    if found["exit"]:
        return found
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    found["files"] = [file.relative_to(checkout.folder).as_posix() for file in files]
    found["bytes"] = sum(file.stat().st_size for file in files)
    found["answers"] = checkout.work("exports_part", pictures, words[-1])
    if "--per-layer" in words:
        found["per_layer"] = (checkout.folder / "per_layer.csv").read_text(encoding="utf-8").splitlines()
    return found


def bundle(checkout, pictures):
    """Returns the report of two versions of a serving bundle, its files, the hashes of its texts, and the answers."""
    words = ["serve-bundle", "detector.keras", "--name", "tiny", "--out", "bundle", "--images", pictures]
    found = {f"version_{number}": checkout.command(*words, *thresholds(checkout, 0.1 * number)) for number in (1, 2)}
    if any(version["exit"] for version in found.values()):
        return found
    found["files"], found["bytes"] = {}, 0
    for path in sorted(path for path in (checkout.folder / "bundle").rglob("*") if path.is_file()):
        # The form of detector.json has versions; what is read from it stands in the answers.
        text = path.suffix in TEXTS and path.name != "detector.json"
        found["files"][path.relative_to(checkout.folder).as_posix()] = text_without_versions(checkout, path) if text else "binary"
        found["bytes"] += path.stat().st_size
    found["answers"] = checkout.work("exports_part", pictures, "bundle/models/tiny/2")
    return found


def text_without_versions(checkout, path):
    """Returns the hash of a text file with the directories, version numbers and dates taken out."""
    from behaviour.hashes import hash_bytes

    text = checkout.clean(path.read_text(encoding="utf-8"))
    return hash_bytes(re.sub(r"\d+\.\d+\.\d+\S*|\d{4}-\d\d-\d\d\S*", "VERSION", text).encode())


def thresholds(checkout, score=0.3):
    """Returns the words of thresholds that are not the default ones."""
    options = {"detect.score_threshold": score, "detect.iou_threshold": 0.5, "detect.max_detections": 40}
    return checkout.overrides(options)


def answers(pictures, path):
    """Returns hashes and figures of the candidates of a network file, of its detections, and of its own suppression."""
    from behaviour.hashes import hash_array
    from yolo_tf import DetectConfig, detect_images, open_detector

    detector = open_detector(path, threads=2)
    images = read_pictures(pictures, count=3)
    boxes, scores = detector.candidates(images)
    found = {"kind": detector.kind, "fixed_image_size": detector.fixed_image_size, "class_names": detector.spec.class_names}
    found |= {"boxes": hash_array(boxes), "scores": hash_array(scores)}
    detections = {"detections": detect_images(detector, images, DetectConfig())}
    if detector.serve:
        detections["served"] = detector.serve(images)
    for name, (*arrays, count) in detections.items():
        found[name] = {"count": [int(number) for number in count]}
        found[name] |= {kind: hash_array(array) for kind, array in zip(("boxes", "scores", "class_ids"), arrays, strict=True)}
    return found


if __name__ == "__main__":
    from behaviour.checkout import print_result

    print_result(answers(*sys.argv[1:]))
