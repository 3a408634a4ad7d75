"""The command line: a table of verbs. Imports no TensorFlow, so that `--help` answers at once."""

import argparse
import contextlib
import importlib
import io
import os
import re
import sys

from yolo_tf.errors import InputError, did_you_mean
from yolo_tf.system.atomic import naming
from yolo_tf.system.interruption import Interrupted
from yolo_tf.system.targets import check_target, describe_room, out_of_room
from yolo_tf.system.version import VERSION

# verb -> (module of yolo_tf.commands, one line of help). Its add_arguments(parser) declares the arguments of the verb, its
# run(arguments) does the work and returns what --json writes.
COMMANDS = {
    "demo": ("demo", "generated data set -> training -> evaluation -> pictures -> SavedModel and TFLite, checked"),
    "train": ("train", "train a detector from a config file"),
    "find-lr": ("find_lr", "the loss over a rising learning rate, and a rate to take"),
    "search": ("search", "many training runs over a space of options (needs KerasTuner)"),
    "evaluate": ("evaluate", "COCO numbers of a network file: .keras, SavedModel, TFLite, ONNX, OpenVINO"),
    "predict": ("predict", "detect objects in images; pictures, JSON, txt; JSON lines and Parquet for any number"),
    "export": ("export", "write a SavedModel, TFLite, ONNX or OpenVINO and check it against the network"),
    "serve-bundle": ("serve_bundle", "a versioned directory for TensorFlow Serving: warm-up, batching, A/B of two versions"),
    "benchmark": ("benchmark", "latency, memory and start of network files of any format, measured in turns"),
    "compare": ("compare", "network files of any format side by side: accuracy, size, latency, memory"),
    "import-yolov5": ("import_yolov5", "a YOLOv5 checkpoint (.pt) becomes a .keras file, without PyTorch"),
    "import-yolox": ("import_yolox", "the published weights of YOLOX (.pth, .onnx) become a .keras file, without PyTorch"),
    "prune": ("prune", "a trained detector with fewer channels, or with zeros for its smallest weights"),
    "check-data": ("check_data", "what is wrong with a data set: files, labels, leaks between splits; file and line"),
    "convert": ("convert", "a data set of any format becomes COCO JSON, YOLO text or Pascal VOC"),
    "pack": ("pack", "a data set becomes TFRecord shards: a few large files instead of many small ones"),
    "data-service": ("data_service", "a dispatcher or worker that prepares training batches on other machines"),
    "show": ("show", "tables: backbones, one network's cost, the resolved config"),
}

STANDARD_OUTPUT = "standard output"  # as the errors of it name it
JSON_HELP = "write the result there too; - is standard output, where nothing else goes then"
TARGETS = ("out", "run", "plots", "per_layer", "json", "html", "fix")  # arguments that name where results go
SCHEMA_VERSION = 1  # of the documents that --json writes; raised when a key changes its meaning


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        """One line instead of the usage text: bad arguments are bad input like any other."""
        print(f"{self.prog}: {message}. See `{self.prog} --help`.", file=sys.stderr)
        raise SystemExit(2)


class _StandardOutput:
    """Standard output, whose errors say that they are its own."""

    def __init__(self, stream):
        self._stream = stream

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def write(self, text):
        with naming(STANDARD_OUTPUT):
            return self._stream.write(text)

    def flush(self):
        with naming(STANDARD_OUTPUT):
            self._stream.flush()


def build_parser(verb=None):
    """Builds the parser; only the module of `verb` is imported (all of them when None)."""
    parser = _Parser(prog="yolo-tf", description="YOLOv5-style object detection on any Keras backbone.")
    parser.add_argument("--version", action="version", version=f"yolo_tf {VERSION}")
    verbs = parser.add_subparsers(dest="verb", metavar="COMMAND", required=True)
    for name, (module, summary) in COMMANDS.items():
        child = verbs.add_parser(name, help=summary, description=summary)
        if verb in (None, name):
            command = importlib.import_module(f"yolo_tf.commands.{module}")
            command.add_arguments(child)
            child.add_argument("--json", metavar="FILE", help=JSON_HELP)
            child.set_defaults(execute=command.run)
    return parser


def main(argv=None):
    """Runs one command and returns its exit code: 0 success, 1 findings, 2 bad input, 130 interrupted, 143 terminated."""
    argv = sys.argv[1:] if argv is None else list(argv)
    silent = sys.stdout is None
    open_closed_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal's encoding may lack a letter, a file's name be no text at all
        sys.stdout.reconfigure(errors="backslashreplace")
    verb = next((word for word in argv if not word.startswith("-")), None)
    if verb is not None and verb not in COMMANDS:
        known = ", ".join(COMMANDS)
        print(f"yolo-tf: unknown command '{verb}'.{did_you_mean(verb, COMMANDS)} Expected one of: {known}.", file=sys.stderr)
        return 2
    parser = build_parser(verb if verb else "")
    arguments, rest = parser.parse_known_args(join_sizes(argv))
    if rest and not (hasattr(arguments, "overrides") and all("=" in word and not word.startswith("-") for word in rest)):
        hint = " An option of the config is given as section.key=value." * hasattr(arguments, "overrides")
        print(f"yolo-tf {verb}: unrecognized arguments: {' '.join(rest)}.{hint} See `yolo-tf {verb} --help`.", file=sys.stderr)
        return 2
    if rest:  # argparse takes section.key=value in one place only; a person writes it anywhere
        arguments.overrides = [*arguments.overrides, *rest]
    try:
        if silent and arguments.json == "-":
            raise InputError("--json: standard output is closed. Expected one that takes the result. Name a file.")
        _check_targets(arguments, parser, argv)
        with contextlib.redirect_stdout(_StandardOutput(sys.stdout)):
            code = _execute(arguments)
            sys.stdout.flush()
        return code
    except InputError as error:
        code, line = 2, in_flags(str(error), parser, argv)
    except BrokenPipeError:
        code, line = 2, f"{STANDARD_OUTPUT}: whoever reads it has ended. Expected a reader to the end. Send it to a file."
    except Interrupted as stop:
        code, line = stop.exit_code, f"{stop}."
    except KeyboardInterrupt:
        code, line = 130, "interrupted."
    except Exception as error:
        if getattr(error, "filename", None) == STANDARD_OUTPUT:
            code, line = 2, f"{STANDARD_OUTPUT}: {error.strerror}. Expected a place that takes all of it. Send it elsewhere."
            _give_up_output()
        elif out_of_room(error):  # TensorFlow and HDF5 have errors of their own for it
            code, line = 2, describe_room(error, getattr(arguments, "out", None))
        elif isinstance(error, OSError):  # an unwritable directory, a file that vanished
            what = f"{error.filename or 'a file'}: {error.strerror or error}"
            code, line = 2, f"{what}. Expected a path that can be read and written."
        else:
            raise
    print(f"yolo-tf {arguments.verb}: {line}", file=sys.stderr)
    return code


def _give_up_output():
    """Sends what is left of standard output nowhere: at the end the interpreter would try again, and say so."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def open_closed_streams():
    """Gives standard streams that are closed, as some leave them who start programs, a place where nothing is kept.

    Otherwise the next file that is opened would get the number of one, and with it all that libraries say.
    """
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 it stays open to the end
            with contextlib.suppress(OSError):
                os.fstat(number)
                number = stream.fileno()  # someone has it already
            if stream.fileno() != number:
                os.dup2(stream.fileno(), number)
            setattr(sys, name, stream)


def join_sizes(argv):
    """Makes one word of the height and width behind --image-size: with nargs, argparse would take file names behind it, too."""
    joined = []
    for word in argv:
        if joined[-2:-1] == ["--image-size"] and joined[-1].isdigit() and word.isdigit():
            joined[-1] += f" {word}"
        else:
            joined.append(word)
    return joined


def _check_targets(arguments, parser, argv):
    """Raises InputError where a result cannot be written, before the work. What the help calls DIR is a folder."""
    for action in _actions(parser):
        empty = action.dest in TARGETS and any(
            word == f"{option}=" or argv[number : number + 2] == [option, ""]
            for number, word in enumerate(argv)
            for option in action.option_strings
        )
        if empty:  # a Path of it would be the working directory
            raise InputError(f"{action.dest}: is empty. Expected a place to write. Name one, or leave it out.")
        place = getattr(arguments, action.dest, None)
        if action.dest in TARGETS and place and str(place) != "-":
            check_target(place, option=action.dest, folder=None if action.metavar == "PATH" else action.metavar == "DIR")


def _execute(arguments):
    """Runs the command, and writes its result where --json says; returns the exit code, which a verb may give with its result."""
    alone = arguments.json == "-"
    with contextlib.redirect_stdout(sys.stderr) if alone else contextlib.nullcontext():
        result = arguments.execute(arguments)
    result, code = result if isinstance(result, tuple) else (result, 0)
    if not arguments.json or result is None:  # None: a worker that is not the chief
        return code
    from yolo_tf.system.atomic import json_text, write_text

    document = result.to_json() if hasattr(result, "to_json") else result
    document = {"schema_version": SCHEMA_VERSION, **document} if isinstance(document, dict) else document
    if alone:
        print(json_text(document, encoding=sys.stdout.encoding or "utf-8"), end="")
    else:
        write_text(arguments.json, json_text(document))
    return code


def in_flags(message, parser, argv):
    """Names the arguments in a message of the library as a person writes them: `amount` becomes --amount.

    They stand there as the first word, before a colon, or in backticks; all other words are left as they are, and so is
    a first word that the person gave as it is: it is the name of a file. A threshold of the section `detect` has a flag
    of its own where the person did not set it by its name; so has what leaves bad labels out, in verbs without a config.
    """
    written = _written(parser)
    if "lenient" in written:
        message = message.replace("data.strict_labels=false", written["lenient"])
    given = {part for word in argv for part in (word, word.partition("=")[2])}
    first, colon, rest = message.partition(":")
    option = first.removeprefix("config.")
    if option.startswith("detect.") and not any(word.startswith(f"{option}=") for word in argv):
        first = option.removeprefix("detect.") if option.removeprefix("detect.") in written else first
    if colon and first not in given:
        message = written.get(first, first) + colon + rest
    return re.sub("`([a-z_]+)`", lambda found: written.get(found[1], found[0]), message)


def _written(parser):
    """Returns {name of an argument: how a person writes it} of a parser, those of its verbs and subjects included."""
    return {
        action.dest: action.option_strings[-1] if action.option_strings else action.metavar or action.dest
        for action in _actions(parser)
    }


def _actions(parser):
    """Yields the arguments of a parser, those of its verbs and subjects included."""
    for action in parser._actions:  # argparse tells them in no other way
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                yield from _actions(child)
        else:
            yield action
