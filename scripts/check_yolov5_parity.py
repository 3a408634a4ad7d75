"""Evaluates a network under the conventions of YOLOv5's own validation, to compare its figures digit by digit.

    yolo-tf import-yolov5 yolov5n.pt --out yolov5n.keras
    python scripts/check_yolov5_parity.py yolov5n.keras --data configs/datasets/coco128.yaml --path COCO128 [--rect]

`yolo-tf evaluate` differs from them in three ways, on purpose; docs/parity.md says what each is worth:

- the original maps boxes back by half the free pixels, also where that is not a whole number and the image was
  placed at the whole number below; and by the height's scale on both axes, though rounding makes the two differ;
- it writes boxes in thousandths of a pixel;
- for rect batches it sorts by aspect ratio with a sort that may exchange equal ratios (--sort default), which
  moves images to other batches and thereby to other paddings.
"""

import argparse
import dataclasses
from pathlib import Path

from yolo_tf.system.tensorflow_start import load_tensorflow

load_tensorflow()

import numpy as np  # noqa: E402

from yolo_tf import EVALUATION_DETECT, choose_image_size, detect_images, letterbox_image, open_detector, read_dataset, read_source  # noqa: E402  # noqa: E402
from yolo_tf.data.images import read_record_image  # noqa: E402
from yolo_tf.data.letterbox import rect_canvases  # noqa: E402
from yolo_tf.evaluation.evaluate import measure  # noqa: E402


def evaluate_as_yolov5(detector, dataset, *, side, batch_size, rect, sort):
    """Returns the metrics (see `yolo_tf.evaluation.evaluate.measure`) of a detector on square or rect inputs of `side` px."""
    sizes_hw = np.array([(record.height, record.width) for record in dataset.records])
    ratios = sizes_hw[:, 0] / sizes_hw[:, 1]
    order = np.argsort(ratios, kind="stable" if sort == "stable" else None) if rect else np.arange(len(ratios))
    detections = [None] * len(order)
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        canvas_hw = rect_canvases(sizes_hw[batch], side, batch_size)[1][0] if rect else np.array([side, side])
        images = [read_record_image(dataset.records[index]) for index in batch]
        boxed = np.stack([letterbox_image(image, canvas_hw, fit_size=(side, side))[0] for image in images])
        found = detect_images(detector, boxed, EVALUATION_DETECT).per_image()
        for row, index in enumerate(batch):
            boxes = to_stored_pixels(found[row].boxes.astype(np.float64), sizes_hw[index], canvas_hw, side)
            detections[index] = dataclasses.replace(found[row], boxes=boxes)
        print(f"\r{min(start + batch_size, len(order))}/{len(order)} images", end="", flush=True)
    print()
    return measure(dataset, detections, images_per_second=float("nan")).metrics


def to_stored_pixels(boxes, size_hw, canvas_hw, side):
    """Maps boxes [n, 4] xyxy from the input to the stored image, as the original does."""
    height, width = size_hw
    scale = side / max(size_hw)
    fitted_hw = np.ceil(np.round(size_hw * scale, 9))
    pad_y, pad_x = (canvas_hw - fitted_hw) / 2
    boxes = (boxes - [pad_x, pad_y, pad_x, pad_y]) / (fitted_hw[0] / height)
    return np.round(np.clip(boxes, 0, [width, height, width, height]), 3).astype(np.float32)


def main():
    """Parses the arguments, evaluates at each batch size and prints a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--path", default="")
    parser.add_argument("--split", default="val")
    parser.add_argument("--rect", action="store_true")
    parser.add_argument("--sort", choices=("stable", "default"), default="stable")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[16])
    arguments = parser.parse_args()
    dataset = read_dataset(read_source(arguments.data, path=arguments.path), arguments.split, strict=False)
    detector = open_detector(arguments.model)
    side, _ = choose_image_size(detector)
    for batch_size in arguments.batch_sizes:
        options = dict(batch_size=batch_size, rect=arguments.rect, sort=arguments.sort)
        metrics = evaluate_as_yolov5(detector, dataset, side=side, **options)
        shape = f"rect, {arguments.sort} sort" if arguments.rect else "square"
        print(f"{shape}, batch {batch_size}: " + "  ".join(f"{key} {metrics[key]:.4f}" for key in ("AP", "AP50", "AP75")))


if __name__ == "__main__":
    main()
