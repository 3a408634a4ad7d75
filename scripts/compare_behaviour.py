"""Records what a rebuild of the code must not change, and compares two recordings.

    python scripts/compare_behaviour.py record OLD_DIR [--code CHECKOUT] [--shared DIR] [--only PART ...]
    python scripts/compare_behaviour.py compare OLD_DIR NEW_DIR [--only PART ...]

A part is a JSON file of the directory: models (parameters, MACs, taps and first weights of configs/models), losses
(tiny runs, step by step), golden (recorded tensors of the original), exports (what every format answers), json (what every
command writes). Touched are the command line, the public names of `yolo_tf` and files alone, so the newest script records
an old checkout too. An option is found by its key, whatever section it lies in. Both recordings must come from one machine: they
are compared bit by bit, but for what the tables below name. `compare` ends with exit code 1 if anything differs.

Without a directory of real data (--shared or YOLO_TF_SHARED: data/, weights/, golden/) what needs it is skipped, and says so.
"""

import argparse
import datetime
import importlib
import json
import os
import resource
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

from behaviour.checkout import Checkout, Skipped, describe_environment
from behaviour.comparison import Rules, compare_values

PARTS = ("models", "losses", "golden", "exports", "json")
# Values under these keys differ from run to run: time, pace and memory. Compared is only that they are of one kind.
MEASURED = {
    "cores",
    "cpu_ms",
    "first_call_seconds",
    "images_per_second",
    "load_seconds",
    "median_milliseconds",
    "median_ms",
    "memory_bytes",
    "milliseconds",
    "minutes",
    "p95_ms",
    "ratio",
    "seconds",
    "seconds_per_epoch",
}
# Sizes of files that hold versions, names of functions or compressed texts: key -> bytes that they may differ by.
NEARLY = {"bytes": 300}
# Places where the new recording may have further keys; they are listed, and are no differences.
GROWING = {"models", "json"}
# Keys that came later: what `to_json` writes by name, and the option that chooses the head.
ADDED = {"schema_version", "num_images_before", "num_bad_images", "images_per_second", "median_milliseconds", "groups", "head"}
# Where the options of the section `train` went when it was split.
MOVED = {
    "transfer": ("backbone_learning_rate_multiplier", "freeze", "freeze_epochs", "layer_decay"),
    "compress": ("distillation", "keep_zeros", "quantize_aware", "teacher"),
    "hardware": ("devices", "precision", "sync_batch_norm", "worker_timeout", "xla"),
    "run": ("checkpoint_every_steps", "evaluate_every", "patience", "tensorboard"),
}
# Renamed on purpose: dotted key of the old recording -> of the new one, from the name of the part on; [] stands for any index.
# As "json.compare.models[].AP": "json.compare.models[].ap". What lies below a key moves with it.
RENAMED = {
    f"json.show_config.json.train.{key}": f"json.show_config.json.{section}.{key}"
    for section, keys in MOVED.items()
    for key in keys
}


def main(argv=None):
    """Records or compares; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    recording = verbs.add_parser("record")
    recording.add_argument("out", type=Path)
    recording.add_argument("--code", type=Path, default=Path(__file__).parents[1], help="checkout to record; default: this one")
    recording.add_argument("--shared", type=Path, default=os.environ.get("YOLO_TF_SHARED"), help="directory of real data")
    recording.add_argument("--keep", action="store_true", help="keep the directories that the parts work in")
    comparing = verbs.add_parser("compare")
    comparing.add_argument("old", type=Path)
    comparing.add_argument("new", type=Path)
    for verb in (recording, comparing):
        verb.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=", ".join(PARTS))
    arguments = parser.parse_args(argv)
    return record(arguments) if arguments.verb == "record" else compare(arguments)


def record(arguments):
    """Records part by part; returns 1 if one could not be recorded."""
    arguments.out.mkdir(parents=True, exist_ok=True)
    shared = Path(arguments.shared).resolve() if arguments.shared else None
    failures = 0
    for part in arguments.only:
        started, cpu = time.perf_counter(), cpu_seconds()
        folder = Path(tempfile.mkdtemp(prefix="behaviour_")).resolve()
        log = (arguments.out / f"{part}.log").resolve()
        log.write_text("", encoding="utf-8")
        content = record_part(part, Checkout(code=arguments.code.resolve(), shared=shared, folder=folder, log=log))
        if arguments.keep:
            print(f"{part}: its files are kept in {folder}")
        else:
            shutil.rmtree(folder)
        content = {"part": part, "recorded": datetime.datetime.now().isoformat(timespec="seconds"), **content}
        content |= {"seconds": round(time.perf_counter() - started, 1), "cpu_seconds": round(cpu_seconds() - cpu, 1)}
        content["environment"] = describe_environment(arguments.code.resolve())
        write_json(arguments.out / f"{part}.json", content)
        failures += "failed" in content
        what = next((f"{key}: {content[key]}" for key in ("failed", "skipped") if key in content), "recorded")
        partly = "".join(f"\n  {name}: {reason}" for name, reason in notable_places(content.get("result")))
        print(
            f"{part}: {content['seconds']:.0f} s ({content['cpu_seconds']:.0f} s of CPU), {what}{partly}"
            + (f"; see {log}" if "failed" in content else ""),
            flush=True,
        )
    return int(failures > 0)


def cpu_seconds():
    """Returns the CPU time of all processes that have ended under this one."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def record_part(part, checkout):
    """Returns {"result": …}, {"skipped": reason} or {"failed": reason}."""
    module = importlib.import_module(f"behaviour.{part}_part")
    try:
        return {"result": checkout.clean(module.record(checkout))}
    except Skipped as reason:
        return {"skipped": str(reason)}
    except Exception as error:  # the other parts are worth recording all the same
        with open(checkout.log, "a", encoding="utf-8") as log:
            traceback.print_exc(file=log)
        return {"failed": f"{type(error).__name__}: {error}"}


def notable_places(result, where=""):
    """Yields (place, reason) of everything inside a result that was skipped, and of commands that ended with an error."""
    if isinstance(result, dict):
        for kind in ("skipped", "error"):
            if isinstance(result.get(kind), str):
                yield where, f"{kind}: {result[kind]}"
        for key, value in result.items():
            yield from notable_places(value, f"{where}.{key}".lstrip("."))


def compare(arguments):
    """Prints what differs between two recordings; returns 1 if anything does."""
    rules = Rules(measured=MEASURED, nearly=NEARLY, growing=GROWING, added=ADDED, renamed=RENAMED)
    total = 0
    for part in arguments.only:
        old, new = (read_json(folder / f"{part}.json") for folder in (arguments.old, arguments.new))
        outcome = compare_part(part, old, new, rules)
        for line in outcome.notes:
            print(f"  {line}")
        for line in outcome.differences:
            print(f"  DIFFERENT {line}")
        count = len(outcome.differences)
        size = f"{len(new['result'])} entries, " if new and "result" in new else ""
        print(f"{part}: {size}{'equal' if not count else f'{count} differences'}")
        total += count
    print("all equal" if not total else f"{total} differences")
    return int(total > 0)


def compare_part(part, old, new, rules):
    """Returns the Outcome of one part; a part that was recorded, skipped or not recorded on one side alone differs."""
    states = [
        next((key for key in ("result", "skipped", "failed") if content and key in content), None) for content in (old, new)
    ]
    if states == ["result", "result"]:
        outcome = compare_values(old["result"], new["result"], rules, where=part)
    else:
        outcome = compare_values({}, {}, rules, where=part)
        words = ["not recorded" if state is None else state for state in states]
        reason = next(
            (content[state] for content, state in zip((old, new), states, strict=True) if state in ("skipped", "failed")), ""
        )
        alike = states == ["skipped", "skipped"]
        (outcome.notes if alike else outcome.differences).append(f"{part}: {words[0]} -> {words[1]} {reason}".rstrip())
    environments = [content.get("environment", {}) if content else {} for content in (old, new)]
    for key in sorted(set(environments[0]) & set(environments[1])):
        if environments[0][key] != environments[1][key] and key != "commit":
            line = f"recorded elsewhere: {key} {environments[0][key]} -> {environments[1][key]}"
            # Another recorder may have asked something else.
            (outcome.differences if key == "recorder" else outcome.notes).append(line)
    return outcome


def read_json(path):
    """Returns the content of a JSON file, None where there is none."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def write_json(path, content):
    """Writes a JSON file with sorted keys, so that two can also be looked at with diff."""
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
