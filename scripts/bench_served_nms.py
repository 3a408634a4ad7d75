"""Measures suppression inside the served graph: a SavedModel with it, against the network and suppression in NumPy.

    yolo-tf export best.keras --format saved_model --out saved_model
    python scripts/bench_served_nms.py best.keras saved_model PHOTO.jpg ... --batch-size 8

Three ways from the same letterboxed images to the same detections take turns, so that a drifting machine slows all alike:
signature `serving_default`; signature `candidates` and NumPy; the Keras network, its decode and NumPy. The NumPy side is
what a careful client writes: one vectorised suppression over all classes, shifted apart, of the candidates above the
threshold. Before it measures, the script checks that all three find the same.
"""

import argparse
import statistics
import time

import numpy as np
import tensorflow as tf

from yolo_tf import DetectConfig, letterbox_image, open_detector, read_image


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", help=".keras file")
    parser.add_argument("saved_model", help="what `yolo-tf export --format saved_model` made of it, thresholds as given here")
    parser.add_argument("images", nargs="+", help="image files")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--score-threshold", type=float, default=DetectConfig.score_threshold)
    parser.add_argument("--iou-threshold", type=float, default=DetectConfig.iou_threshold)
    parser.add_argument("--max-detections", type=int, default=DetectConfig.max_detections)
    parser.add_argument("--repeats", type=int, default=20, help="turns over all images")
    arguments = parser.parse_args()
    network, served = open_detector(arguments.network), open_detector(arguments.saved_model)
    size = network.spec.image_size
    images = np.stack([letterbox_image(read_image(path), size)[0] for path in arguments.images]).astype(np.uint8)
    starts = range(0, len(images), arguments.batch_size)
    batches = [tf.constant(images[start : start + arguments.batch_size]) for start in starts]
    limits = arguments.score_threshold, arguments.iou_threshold, arguments.max_detections

    def in_numpy(candidates):
        return lambda batch: [suppress_numpy(*one, *limits) for one in zip(*map(np.asarray, candidates(batch)), strict=True)]

    def in_graph(batch):
        found = [np.asarray(tensor) for tensor in served.serve(batch)]
        return [tuple(tensor[index, :count] for tensor in found[:3]) for index, count in enumerate(found[3])]

    ways = {
        "SavedModel, suppression inside": in_graph,
        "SavedModel, candidates, NumPy": in_numpy(served.candidates),
        "Keras network, decode, NumPy": in_numpy(network.candidates),
    }
    count = check_equal(ways, batches)
    seconds = {name: [] for name in ways}
    for _ in range(arguments.repeats):
        for name, way in ways.items():
            start = time.perf_counter()
            for batch in batches:
                way(batch)
            seconds[name].append((time.perf_counter() - start) / len(images))
    yardstick = seconds["Keras network, decode, NumPy"]
    print(f"{len(images)} images of {size[1]} x {size[0]} px, batch {arguments.batch_size}, {count} detections in each way")
    for name, values in seconds.items():
        ratio = statistics.median(one / other for one, other in zip(values, yardstick, strict=True))
        print(f"{name:34}{1000 * statistics.median(values):8.2f} ms an image{ratio:8.2f} x")


def suppress_numpy(boxes, scores, score_threshold, iou_threshold, max_detections):
    """Suppresses the candidates of one image, each standing for its best class.

    Args:
        boxes: float32 [D, 4] xyxy px.
        scores: float32 [D, C].

    Returns:
        (boxes [n, 4], scores [n], class_ids [n]), best first.
    """
    class_ids, best = scores.argmax(-1), scores.max(-1)
    order = np.flatnonzero(best > score_threshold)
    order = order[np.argsort(-best[order], kind="stable")]
    boxes, best, class_ids = boxes[order], best[order], class_ids[order]
    apart = boxes + (class_ids * (np.ptp(boxes) + 1 if len(boxes) else 0))[:, None]  # so that classes do not meet
    area = (apart[:, 2] - apart[:, 0]) * (apart[:, 3] - apart[:, 1])
    kept, left = [], np.arange(len(best))
    while len(left) and len(kept) < max_detections:
        first, left = left[0], left[1:]
        kept.append(first)
        low, high = np.maximum(apart[first, :2], apart[left, :2]), np.minimum(apart[first, 2:], apart[left, 2:])
        overlap = np.prod(np.maximum(high - low, 0), -1)
        left = left[overlap / (area[first] + area[left] - overlap) <= iou_threshold]
    return boxes[kept], best[kept], class_ids[kept]


def check_equal(ways, batches):
    """Raises SystemExit where a way finds something else; returns the number of detections."""
    count = 0
    for batch in batches:
        expected, *others = [way(batch) for way in ways.values()]
        count += sum(len(scores) for _, scores, _ in expected)
        for name, found in zip(list(ways)[1:], others, strict=True):
            for (boxes, scores, classes), (their_boxes, their_scores, their_classes) in zip(expected, found, strict=True):
                same = np.array_equal(classes, their_classes) and np.abs(boxes - their_boxes).max(initial=0) < 0.05
                if not same or np.abs(scores - their_scores).max(initial=0) > 1e-4:
                    raise SystemExit(f"{name} finds something else than the served suppression. Are the thresholds the same?")
    return count


if __name__ == "__main__":
    main()
