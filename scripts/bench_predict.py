"""Measures `yolo-tf predict --save-jsonl`: images per second and peak memory, each run in a process of its own.

    python scripts/bench_predict.py MODEL FOLDER [--counts 128 2000] [--batches 1 8] [--parquet]

FOLDER's images are taken again and again, under names of their own, until there are enough. Seconds include reading
and decoding the files and writing the rows, not the start of TensorFlow. Peak memory is that of the whole process.
"""

import argparse
import itertools
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

RUN = (
    "import pathlib, re, sys; from yolo_tf.cli import main; code = main(sys.argv[1:])\n"
    "print(re.search(r'VmHWM:\\s+(\\d+)', pathlib.Path('/proc/self/status').read_text())[1]); sys.exit(code)"
)


def link_images(folder, count, place):
    """Fills the directory `place` with `count` links to the images of `folder`."""
    images = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    place.mkdir()
    for number, image in zip(range(count), itertools.cycle(images)):
        (place / f"{number:07d}{image.suffix}").symlink_to(image.resolve())


def measure(model, images, out, *, batch, parquet):
    """Returns (images per second, peak memory in MB) of one run."""
    result = out.with_suffix(".json")
    words = ["predict", model, images, "--out", out, "--save-jsonl", "--no-pictures", "--batch", batch, "--json", result]
    words += ["--save-parquet"] * parquet
    shown = subprocess.run([sys.executable, "-c", RUN, *map(str, words)], check=True, capture_output=True, text=True).stdout
    return json.loads(result.read_text())["images_per_second"], int(re.search(r"(\d+)\s*$", shown)[1]) * 1024 / 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--counts", type=int, nargs="+", default=[128, 2000])
    parser.add_argument("--batches", type=int, nargs="+", default=[8])
    parser.add_argument("--parquet", action="store_true", help="write Parquet, too")
    arguments = parser.parse_args()
    print(f"{'images':>7}  {'batch':>5}  {'images/s':>8}  {'peak, MB':>8}")
    with tempfile.TemporaryDirectory() as scratch:
        for count, batch in itertools.product(arguments.counts, arguments.batches):
            place = Path(scratch) / f"images{count}"
            if not place.exists():
                link_images(arguments.folder, count, place)
            out = Path(scratch) / f"out{count}_{batch}"
            speed, peak = measure(arguments.model, place, out, batch=batch, parquet=arguments.parquet)
            print(f"{count:>7}  {batch:>5}  {speed:>8.1f}  {peak:>8.0f}", flush=True)


if __name__ == "__main__":
    main()
