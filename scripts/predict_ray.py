"""Spreads the detections of a folder of images over the machines of a Ray cluster: SavedModel -> Parquet or JSON lines.

    yolo-tf export best.keras --format saved_model --out best_saved_model
    python scripts/predict_ray.py best_saved_model FOLDER --out DIR [--workers 4] [--format jsonl] [--address auto]

Needs pip install 'ray[data]' (yolo_tf[ray]). FOLDER, DIR and the SavedModel lie where every machine reaches them. A worker
needs TensorFlow and the SavedModel alone: its signature `image_bytes` decodes, letterboxes, and gives boxes in px of each
file, at the thresholds of the export. Rows come in no particular order. Ray starts a worker that died again and repeats
what it had in hand; an interrupted job begins anew.
"""

import argparse
import json
from pathlib import Path

import pyarrow
import ray

# What the signature says of an image (docs/serving.md); 0 is fine.
ERRORS = {1: "the file is empty", 2: "no known image format", 3: "too many pixels", 4: "the image does not decode"}
DETECTION = pyarrow.struct(
    {
        "class_id": pyarrow.int32(),
        "class_name": pyarrow.string(),
        "score": pyarrow.float32(),
        "box": pyarrow.list_(pyarrow.float32()),  # xyxy, px of the file
    }
)
SCHEMA = pyarrow.schema({"path": pyarrow.string(), "detections": pyarrow.list_(DETECTION), "error": pyarrow.string()})


class Detector:
    """Opens the SavedModel once in each worker and answers batch by batch."""

    def __init__(self, model, threads):
        import tensorflow as tf  # in the worker; the driver does without

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        self.loaded = tf.saved_model.load(model)
        self.class_names = json.loads(Path(model, "assets.extra", "detector.json").read_text(encoding="utf-8"))["class_names"]
        self.constant = tf.constant

    def __call__(self, batch):
        """Turns a batch {"bytes": [B], "path": [B]} into a table of B rows."""
        found = self.loaded.signatures["image_bytes"](image_bytes=self.constant(list(batch["bytes"])))
        found = {name: tensor.numpy() for name, tensor in found.items()}
        return pyarrow.Table.from_pylist(
            [
                {"path": str(path), "detections": self._detections(found, index), "error": ERRORS.get(int(status))}
                for index, (path, status) in enumerate(zip(batch["path"], found["status"], strict=True))
            ],
            schema=SCHEMA,
        )

    def _detections(self, found, index):
        """Returns the detections of one image as plain values."""
        kept = slice(found["num_detections"][index])
        columns = (found[name][index, kept].tolist() for name in ("class_ids", "scores", "boxes"))
        return [
            {"class_id": class_id, "class_name": self.class_names[class_id], "score": score, "box": box}
            for class_id, score, box in zip(*columns, strict=True)
        ]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="SavedModel of `yolo-tf export`")
    parser.add_argument("folder", type=Path, help="with images, and nothing else")
    parser.add_argument("--out", type=Path, required=True, help="directory for the files")
    parser.add_argument("--format", choices=("parquet", "jsonl"), default="parquet")
    parser.add_argument("--workers", type=int, default=1, help="copies of the network (default 1)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of each (default 1)")
    parser.add_argument("--batch", type=int, default=8, help="images in one call (default 8)")
    parser.add_argument("--address", help='of the cluster, or "auto"; default: a cluster of this machine alone')
    arguments = parser.parse_args()

    # A cluster takes its number of cores from its machines; here one more than the workers need, for reading.
    cores = {} if arguments.address else {"num_cpus": arguments.workers * arguments.threads + 1}
    ray.init(address=arguments.address, include_dashboard=False, **cores)
    images = ray.data.read_binary_files(str(arguments.folder.resolve()), include_paths=True)
    rows = images.map_batches(
        Detector,
        fn_constructor_args=(str(arguments.model.resolve()), arguments.threads),
        batch_size=arguments.batch,
        compute=ray.data.ActorPoolStrategy(size=arguments.workers),
        num_cpus=arguments.threads,
    )
    write = {"parquet": rows.write_parquet, "jsonl": rows.write_json}[arguments.format]
    write(str(arguments.out.resolve()))
    ray.shutdown()


if __name__ == "__main__":
    main()
