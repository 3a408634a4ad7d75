"""Every command on fixed input: its options, its --json, and the files it leaves.

As a program: `json_part parquet FOLDER`, the rows and types of Parquet files.
"""

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

from behaviour.inputs import TINY, make_detector, make_labelled, write_shapes

COMMANDS = (
    *("demo", "train", "find-lr", "search", "evaluate", "predict", "export", "serve-bundle", "benchmark", "compare"),
    *("import-yolov5", "prune", "pack", "data-service", "show"),
)
TRAINING = {
    **TINY,
    "model.weights": "detector.keras",  # so that its accuracy is not 0 from the start to the end
    "data.dataset": "labelled.yaml",
    "data.image_size": 64,
    "train.epochs": 2,
    "train.batch_size": 4,
    "train.nominal_batch_size": 8,
    "train.warmup_epochs": 0.0,
}
SPACE = {"train.learning_rate": "{min: 0.001, max: 0.05, log: true}", "augment.mosaic": "[0.0, 1.0]"}
PICTURES = "shapes/images/val"
SERVICE_SECONDS = 60.0  # for a process of the data service to say its address


def record(checkout):
    """Returns {command, or command_case: what it wrote}."""
    data = write_shapes(checkout, train=16, val=6)
    found = {"arguments": {verb: options_of(checkout, verb) for verb in COMMANDS}}
    found["pack"] = {**checkout.command("pack", data, "--out", "packed", "--split", "train", "val", "--shards", 2)}
    found["pack"]["files"] = hash_files(checkout, "packed")
    found["detector"] = make_detector(checkout, PICTURES)
    found["labelled"] = make_labelled(checkout, "detector.keras", "shapes/images/train")
    for cases in (shows, trainings, evaluations, predictions, files_of_networks, prunings, services, imports, demos):
        done = cases(checkout)
        found |= done
        print(f"  json: {', '.join(done)}", flush=True)
    return found


def options_of(checkout, verb):
    """Returns the options that the help of a command names, for show those of its subjects too."""
    subjects = [(), *(("backbones",), ("model",), ("config",), ("scaling",))] if verb == "show" else [()]
    helps = [checkout.run("-m", "yolo_tf", verb, *subject, "--help") for subject in subjects]
    return {
        " ".join([verb, *subject]): [code, *sorted(set(re.findall(r"--[a-z][a-z0-9-]*", text)))]
        for subject, (code, text) in zip(subjects, helps, strict=True)
    }


def shows(checkout):
    """The tables."""
    tiny = checkout.overrides(TINY)
    return {
        "show_backbones": checkout.command("show", "backbones"),
        "show_model": checkout.command("show", "model", "--rows", "--num-classes", 7, *tiny),
        "show_config": checkout.command("show", "config", *checkout.overrides(TRAINING)),
        "show_scaling": checkout.command("show", "scaling", "--phi", 0.5, 1, "--write", "scaled.keras"),
        "show_scaling_csp_darknet": checkout.command("show", "scaling", "--phi", 1, "--backbone", "csp_darknet"),
    }


def trainings(checkout):
    """Training, the same from where it stopped, the rate finder, a search."""
    options = checkout.overrides(TRAINING)
    space = "".join(f"{checkout.key(key)}: {text}\n" for key, text in SPACE.items())
    (checkout.folder / "space.yaml").write_text(space, encoding="utf-8")
    found = {"train": checkout.command("train", "--run", "run", "--profile", *options)}
    found["train"]["files"] = list_files(checkout, "run")
    for name in ("metrics", "swap_report"):
        found["train"][name] = json.loads("".join(read_lines(checkout, f"run/{name}.json") or ["null"]))
    found["train_resumed"] = checkout.command("train", "--run", "run", "--resume")
    plain = checkout.overrides({"augment.mosaic": 0.0, "augment.scale": 0.0, "train.nominal_batch_size": 4})
    found["find-lr"] = checkout.command("find-lr", "--out", "rates", "--steps", 30, *options, *plain)
    found["find-lr"]["curve"] = read_lines(checkout, "rates/lr.csv")
    found["search"] = checkout.command("search", "--space", "space.yaml", "--trials", 2, "--out", "trials", *options)
    found["search"]["table"] = read_lines(checkout, "trials/trials.csv")
    return found


def evaluations(checkout):
    """Accuracy under several options."""
    words = ("evaluate", "detector.keras", "--data", "labelled.yaml", "--batch-size", 4)
    found = {
        "evaluate": checkout.command(*words, "--plots", "plots"),
        "evaluate_rect": checkout.command(*words, "--rect", "--class-agnostic"),
        "evaluate_augment": checkout.command(*words, "--augment", "--score-threshold", 0.3, "--max-detections", 50),
        "evaluate_small": checkout.command(*words, "--image-size", 64, "--iou-threshold", 0.4, "--split", "train"),
        "evaluate_single_class": checkout.command(*words, "--single-class"),  # refused: the detector has five
    }
    found["evaluate"]["files"] = list_files(checkout, "plots")
    return found


def predictions(checkout):
    """Every kind of output, with the content of its files."""
    first = ("predict", "detector.keras", PICTURES, "--score-threshold", 0.4)
    few = ("--no-pictures", "--max-detections", 20)
    found = {
        "predict": checkout.command(*first, "--out", "predicted", "--save-json", "--save-txt"),
        "predict_rect": checkout.command(*first, "--out", "rect", "--save-json", *few, "--rect", "--class-agnostic"),
        "predict_augment": checkout.command(
            *first, "--out", "augmented", "--save-json", *few, "--augment", "--classes", "star", "0"
        ),
        "predict_jsonl": checkout.command(*first, "--out", "lines", "--save-jsonl", *few, "--batch", 4),
        "predict_parquet": checkout.command(*first, "--out", "parquet", "--save-parquet", *few, "--part-images", 4),
    }
    found["predict"]["files"] = hash_files(checkout, "predicted")
    found["predict"]["detections"] = json.loads("".join(read_lines(checkout, "predicted/detections.json") or ["null"]))
    found["predict_jsonl"]["rows"] = [json.loads(line) for line in read_lines(checkout, "lines/detections.jsonl") or ()]
    found["predict_jsonl"]["files"] = list_files(checkout, "lines")
    if found["predict_parquet"]["exit"] == 0:
        found["predict_parquet"]["tables"] = checkout.work("json_part", "parquet", "parquet")
    return found


def files_of_networks(checkout):
    """Exports and what compares them."""
    pictures = ("--images", PICTURES)
    found = {
        "export": checkout.command("export", "detector.keras", "--format", "saved_model", "--out", "saved_model", *pictures),
        "export_data": checkout.command(
            *("export", "detector.keras", "--format", "tflite", "--precision", "float16", "--out", "half.tflite"),
            *("--data", "labelled.yaml", "--max-ap-drop", 0.5),
        ),
        "serve-bundle": checkout.command("serve-bundle", "detector.keras", "--name", "tiny", "--out", "bundle", *pictures),
        "benchmark": checkout.command("benchmark", "detector.keras", "half.tflite", "--repeats", 2, "--threads", 2),
    }
    words = ("--data", "labelled.yaml", "--repeats", 2, "--threads", 2, "--out", "compared")
    found["compare"] = checkout.command("compare", "detector.keras", "half.tflite", *words)
    found["compare"]["files"] = list_files(checkout, "compared")
    return found


def prunings(checkout):
    """Both methods, and the accuracy of what they leave."""
    found = {}
    for method in ("channels", "magnitude"):
        out = f"{method}.keras"
        found[f"prune_{method}"] = checkout.command("prune", "detector.keras", "--out", out, "--method", method, "--amount", 0.3)
        found[f"prune_{method}"]["evaluated"] = checkout.command("evaluate", out, "--data", "labelled.yaml")
    return found


def services(checkout):
    """The data service writes no result: what it says about bad input, and how it starts and stops."""
    bad = {"no_dispatcher": ["worker"], "port": ["dispatcher", "--port", 0], "nobody": ["worker", "--dispatcher", "localhost:1"]}
    found = {f"data-service_{name}": checkout.command("data-service", *words) for name, words in bad.items()}
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    command = [sys.executable, "-u", "-m", "yolo_tf", "data-service", "dispatcher", "--port", str(port)]
    process = subprocess.Popen(
        command, cwd=checkout.folder, env=checkout.environment(), stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL
    )
    try:
        said = next((line for line in process.stdout if "grpc://" in line), "").strip()
        process.terminate()  # not SIGINT: what a shell starts in the background ignores it
        code = process.wait(timeout=SERVICE_SECONDS)
    finally:
        process.kill()
    return {**found, "data-service": {"said": said.replace(str(port), "PORT"), "exit": code}}


def imports(checkout):
    """A checkpoint of the original, whole and its backbone alone."""
    path = checkout.shared / "weights" / "yolov5n.pt" if checkout.shared else Path("weights/yolov5n.pt")
    if not path.exists():
        return {"import-yolov5": {"skipped": f"{path} is not there"}}
    return {
        "import-yolov5": checkout.command("import-yolov5", path, "--out", "imported.keras", "--image-size", 320),
        "import-yolov5_backbone": checkout.command("import-yolov5", path, "--out", "backbone.keras", "--backbone-only"),
    }


def demos(checkout):
    """The whole job, as small as it goes."""
    found = {"demo": checkout.command("demo", "--out", "demo", "--epochs", 1, "--images", 10, "--image-size", 64)}
    found["demo"]["files"] = [name for name in list_files(checkout, "demo") if not name.startswith("shapes/")]
    return found


def read_lines(checkout, path):
    """Returns the lines of a text file, None where the command wrote none."""
    file = checkout.folder / path
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else None


def list_files(checkout, folder):
    """Returns the paths inside a folder, with the numbers of time and process taken out of the names of event files."""
    root = checkout.folder / folder
    names = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
    return sorted({re.sub(r"(tfevents|plugins/profile/)\S*", r"\1", name) for name in names})


def hash_files(checkout, folder):
    """Returns {path inside a folder: hash}; texts without the directories of this recording."""
    from behaviour.hashes import hash_bytes

    root, hashes = checkout.folder / folder, {}
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        content = path.read_bytes()
        if path.suffix in (".json", ".txt", ".yaml"):
            text = re.sub(r'("(?:milliseconds|seconds)": )[\d.e-]+', r"\1TIME", checkout.clean(content.decode("utf-8")))
            content = text.encode()
        hashes[path.relative_to(root).as_posix()] = hash_bytes(content)
    return hashes


def read_parquet(folder):
    """Returns the rows and column types of each Parquet file of a folder."""
    import pyarrow.parquet

    tables = {path.name: pyarrow.parquet.read_table(path) for path in sorted(Path(folder).glob("*.parquet"))}
    return {
        name: {"types": [f"{field.name}: {field.type}" for field in table.schema], "rows": table.to_pylist()}
        for name, table in tables.items()
    }


if __name__ == "__main__":
    from behaviour.checkout import print_result

    print_result(read_parquet(sys.argv[2]))
