"""The checkout that is recorded: its commands, run in processes of their own, and the sections of its options."""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parents[1]
MODULES = ("tensorflow", "keras", "numpy", "onnxruntime", "tf2onnx", "openvino", "keras_tuner", "pyarrow", "PIL")


class Skipped(RuntimeError):
    """Something that is needed is not there; the message says what."""


@dataclasses.dataclass(frozen=True)
class Checkout:
    """Where the code, the real data and the files of one part lie."""

    code: Path
    shared: Path | None
    folder: Path  # empty at first; all processes run in it, and relative paths are taken from it
    log: Path  # gets what the processes print

    def command(self, *words, result="result.json"):
        """Runs one command of yolo_tf.

        Args:
            words: the command line without --json.
            result: file in `folder` for its result.

        Returns:
            dict: "exit" (its code), "json" (its result; None where it wrote none), and where it failed "error", its last line.
        """
        path = self.folder / result
        path.unlink(missing_ok=True)
        code, output = self.run("-m", "yolo_tf", *words, "--json", path)
        found = {"exit": code, "json": json.loads(path.read_text(encoding="utf-8")) if path.exists() else None}
        return found if code == 0 else {**found, "error": output.strip().rpartition("\n")[2]}

    def succeed(self, *words):
        """Runs a command that others build on; returns its result, and raises RuntimeError where it fails."""
        found = self.command(*words)
        if found["exit"]:
            raise RuntimeError(f"{' '.join(map(str, words))}: {found['error']}")
        return found["json"]

    def work(self, module, *words):
        """Runs `behaviour.<module>` as a program, which prints JSON on its last line; returns that.

        Raises:
            RuntimeError: it failed.
        """
        code, output = self.run("-m", f"behaviour.{module}", *words)
        last = output.strip().rpartition("\n")[2]
        if code:
            raise RuntimeError(f"{module} {' '.join(map(str, words))} ended with code {code}: {last}")
        return json.loads(last)

    def run(self, *words):
        """Runs Python; returns (exit code, what it printed; where it failed, that and its errors). All goes to the log."""
        command = [sys.executable, *map(str, words)]
        done = subprocess.run(command, cwd=self.folder, env=self.environment(), capture_output=True, text=True, errors="replace")
        with open(self.log, "a", encoding="utf-8") as log:
            log.write(f"$ {' '.join(command)}\n{done.stdout}{done.stderr}exit code {done.returncode}\n\n")
        return done.returncode, done.stdout + (done.stderr if done.returncode else "")

    def environment(self):
        """Returns the variables of a process: this checkout, CPU, as many threads wherever, quiet."""
        own = {
            "PYTHONPATH": os.pathsep.join([str(self.code), str(SCRIPTS)]),
            "PYTHONHASHSEED": "0",
            "CUDA_VISIBLE_DEVICES": "-1",
            "KERAS_BACKEND": "tensorflow",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "TF_NUM_INTRAOP_THREADS": "2",  # sums are split by threads, and so are their roundings
            "TF_NUM_INTEROP_THREADS": "2",
        }
        return {key: value for key, value in os.environ.items() if key != "TF_CONFIG"} | own

    @functools.cached_property
    def sections(self):
        """The resolved default config of this checkout: section -> key -> value."""
        return self.succeed("show", "config")

    def key(self, dotted):
        """Returns section.key of an option that may have moved: the section named here if it has the key, else the one that has.

        Raises:
            RuntimeError: none has it, or several.
        """
        section, _, key = dotted.partition(".")
        if key in self.sections.get(section, {}):
            return dotted
        having = [name for name, options in self.sections.items() if isinstance(options, dict) and key in options]
        if len(having) != 1:
            raise RuntimeError(f"{dotted}: found in the sections {having}. Expected one.")
        return f"{having[0]}.{key}"

    def overrides(self, options):
        """Returns the words section.key=value for a dict of them."""
        return [f"{self.key(dotted)}={value}" for dotted, value in options.items()]

    def need(self, *places):
        """Returns paths below the directory of real data; raises Skipped where one is not there."""
        if self.shared is None:
            raise Skipped("no directory of real data was given (--shared or YOLO_TF_SHARED)")
        paths = [self.shared / place for place in places]
        for path in paths:
            if not path.exists():
                raise Skipped(f"{path} is not there")
        return paths

    def clean(self, value):
        """Returns a result without what is no two runs' own: the directories become words, as keys too."""
        if isinstance(value, dict):
            return {self.clean(key): self.clean(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.clean(item) for item in value]
        if not isinstance(value, str):
            return value
        for path, word in ((self.folder, "FOLDER"), (self.shared, "SHARED"), (self.code, "CODE")):
            value = value.replace(str(path), word) if path else value
        return value


def print_result(result):
    """Ends a program that `Checkout.work` runs: prints what it found on one line, after making sure of where it found it."""
    import yolo_tf

    place = Path(yolo_tf.__file__).resolve().parents[1]
    if str(place) != os.environ["PYTHONPATH"].split(os.pathsep)[0]:
        raise RuntimeError(f"yolo_tf was imported from {place}")
    print(f"\n{json.dumps(result)}")


def describe_environment(code):
    """Returns what figures depend on beside the code: versions, processor, the recorder; and the commit, to know it again."""
    from behaviour.hashes import hash_bytes

    packages = importlib.metadata.packages_distributions()  # by module: TensorFlow comes under several names
    versions = {module: [importlib.metadata.version(package) for package in packages.get(module, ())] for module in MODULES}
    commit = subprocess.run(["git", "-C", str(code), "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    try:
        processor = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)[1]
    except (OSError, TypeError):  # another system or processor
        processor = platform.processor() or platform.machine()
    python = platform.python_version()
    recorder = hash_bytes(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))))
    found = {"python": python, "versions": versions, "processor": processor, "cores": os.cpu_count()}
    return {**found, "commit": commit, "recorder": recorder}
