"""Ask a server of `yolo-tf serve-bundle` over REST: standard library and Pillow only.

python scripts/serve_client_rest.py --name vehicles photo.jpg more/*.png --out drawn
python scripts/serve_client_rest.py --name vehicles --check
"""

import argparse
import base64
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path

from PIL import Image, ImageDraw, ImageOps

BATCH = 8  # max_batch_size of the server
STATUS = {0: "served", 1: "empty", 2: "no format that is served", 3: "too large", 4: "cannot be read"}
SIGNATURES = {"serving_default", "image_bytes", "candidates"}


def main():
    """Returns the exit code: 0 all served, 1 something was not."""
    arguments = parse_arguments(__doc__)
    model = f"{arguments.url.rstrip('/')}/v1/models/{arguments.name}"
    chosen = model + (f"/versions/{arguments.version}" if arguments.version else f"/labels/{arguments.label}")
    try:
        if arguments.check:
            return check(model, chosen)
        found = ask(chosen, arguments.images)
    except (OSError, ValueError, KeyError) as error:
        print(f"{chosen}: {error}", file=sys.stderr)
        return 1
    return report(found, arguments)


def check(model, chosen):
    """Prints the state of every version, and whether the chosen one has the signatures; returns the exit code."""
    versions = get_json(model)["model_version_status"]
    for version in versions:
        print(f"version {version['version']}: {version['state']} {version['status']['error_message']}".rstrip())
    answer = get_json(f"{chosen}/metadata")
    signatures = set(answer["metadata"]["signature_def"]["signature_def"])
    print(f"version {answer['model_spec']['version']}: signatures {', '.join(sorted(signatures))}")
    return 0 if all(version["state"] == "AVAILABLE" for version in versions) and SIGNATURES <= signatures else 1


def ask(chosen, paths):
    """Sends image files to `image_bytes`; returns [(path, answer: {output: value of this image})]."""
    answers = []
    for start in range(0, len(paths), BATCH):
        files = [{"b64": base64.b64encode(path.read_bytes()).decode()} for path in paths[start : start + BATCH]]
        answers += get_json(f"{chosen}:predict", {"signature_name": "image_bytes", "instances": files})["predictions"]
    return list(zip(paths, answers, strict=True))


def get_json(url, body=None):
    """Returns the answer to GET, or to POST where there is a body; what the server calls an error is raised."""
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode())
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise ValueError(f"{error.code} {error.read().decode(errors='replace').strip()}") from error


def parse_arguments(description, url="http://127.0.0.1:8501"):
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", nargs="*", type=Path, help="image files")
    parser.add_argument("--url", default=url, help=f"of the server (default {url})")
    parser.add_argument("--name", required=True, help="of the model")
    parser.add_argument("--label", default="stable", help="stable (default) or canary")
    parser.add_argument("--version", type=int, help="a number, instead of a label")
    parser.add_argument("--classes", type=Path, help="assets.extra/detector.json of the version, for the class names")
    parser.add_argument("--out", type=Path, help="directory for pictures with boxes")
    parser.add_argument("--json", type=Path, help="file for the detections")
    parser.add_argument("--check", action="store_true", help="health and metadata instead of detections")
    arguments = parser.parse_args()
    if not arguments.images and not arguments.check:
        parser.error("no image is given")
    return arguments


def report(found, arguments):
    """Prints, draws and writes what came back; returns the exit code."""
    names = json.loads(arguments.classes.read_text())["class_names"] if arguments.classes else None
    rows = []
    for path, answer in found:
        count = answer["num_detections"]
        kept = zip(answer["class_ids"][:count], answer["scores"][:count], answer["boxes"][:count], strict=True)
        detections = [{"class_id": class_id, "score": score, "box": box} for class_id, score, box in kept]
        rows.append({"image": str(path), "status": STATUS[answer["status"]], "detections": detections})
        print(f"{path}: {STATUS[answer['status']]}, {count} detections")
        labels = [names[one["class_id"]] if names else f"class {one['class_id']}" for one in detections]
        for label, one in zip(labels, detections, strict=True):
            print(f"  {label} {one['score']:.3f}  " + " ".join(f"{side:.1f}" for side in one["box"]))
        if arguments.out and answer["status"] == 0:
            draw(path, detections, labels, arguments.out)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2))
    return 0 if all(row["status"] == STATUS[0] for row in rows) else 1


def draw(path, detections, labels, out):
    """Saves the image with its boxes."""
    with Image.open(path) as file:
        image = ImageOps.exif_transpose(file).convert("RGB")  # upright, as the server sees it
    pen = ImageDraw.Draw(image)
    for label, one in zip(labels, detections, strict=True):
        pen.rectangle(one["box"], outline="lime", width=2)
        pen.text(one["box"][:2], f"{label} {one['score']:.2f}", fill="lime")
    out.mkdir(parents=True, exist_ok=True)
    image.save(out / f"{path.stem}.png")


if __name__ == "__main__":
    sys.exit(main())
