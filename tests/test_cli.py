"""The command line's contract: exit codes, one line on standard error, nothing half-written."""

import argparse
import dataclasses
import errno
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from yolo_tf import cli
from yolo_tf.config.plain import plain
from yolo_tf.errors import InputError


def run(capsys, *argv):
    try:
        code = cli.main(list(argv))
    except SystemExit as exit_:
        code = exit_.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["trian"], "unknown command 'trian'. Did you mean 'train'?"),
        (["train"], "no config is given"),
        (["train", "--config", "none.yaml"], "none.yaml: cannot be read"),
        (["train", "train.epochs=0", "data.dataset=x"], "expected a whole number above 0"),
        (["train", "train.epochs=1"], "config.data.dataset: is empty"),
        (["train", "--resume"], "Expected --run DIR"),
        (["train", "--resume", "--run", "nowhere"], "holds no run"),
        (["train", "--nonsense"], "unrecognized arguments"),
        (["evaluate", "a.keras"], "--data"),
        (["evaluate", "a.keras", "--data", "none.yaml"], "none.yaml"),
        (["evaluate", "a.keras", "--data", "none.yaml", "--batch-size", "0"], "--batch-size: got 0"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_two(capsys, tmp_path, monkeypatch, argv, message):
    monkeypatch.chdir(tmp_path)
    code, _, err = run(capsys, *argv)
    assert code == 2
    assert message in err and err.count("\n") == 1 and "Traceback" not in err
    assert not list(tmp_path.iterdir()), "nothing is half-written"


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (InputError("a: b."), 2, "yolo-tf show: a: b."),
        (OSError(28, "No space left on device", "runs/a"), 2, "runs/a: No space left on device"),
        (PermissionError(13, "Permission denied", "runs"), 2, "runs: Permission denied"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_exceptions_become_exit_codes(capsys, monkeypatch, error, code, message):
    from yolo_tf.commands import show

    def fail(arguments):
        raise error

    monkeypatch.setattr(show, "run", fail)
    result, _, err = run(capsys, "show", "config")
    assert (result, message in err, err.count("\n")) == (code, True, 1)


def test_a_defect_keeps_its_traceback(monkeypatch):
    from yolo_tf.commands import show

    monkeypatch.setattr(show, "run", lambda arguments: {}["defect"])
    with pytest.raises(KeyError):
        cli.main(["show", "config"])


@dataclasses.dataclass(frozen=True)
class Result:
    """What a command may return."""

    out: Path
    sizes: tuple[int, ...]

    to_json = plain


@pytest.mark.parametrize(
    ("result", "document"),
    [
        ({"a": 1}, {"schema_version": 1, "a": 1}),
        (Result(Path("x"), (3, 5)), {"schema_version": 1, "out": "x", "sizes": [3, 5]}),
        ([{"a": 1}], [{"a": 1}]),
    ],
)
def test_json_holds_the_result_and_the_version_of_its_keys(monkeypatch, tmp_path, result, document):
    from yolo_tf.commands import show

    monkeypatch.setattr(show, "run", lambda arguments: result)
    assert cli.main(["show", "config", "--json", str(tmp_path / "r.json")]) == 0
    assert json.loads((tmp_path / "r.json").read_text()) == document


def test_json_on_standard_output_stands_there_alone(capsys):
    code, out, err = run(capsys, "show", "config", "train.epochs=7", "--json", "-")
    assert code == 0 and json.loads(out)["train"]["epochs"] == 7
    assert "epochs: 7" in err


@pytest.mark.parametrize(
    ("message", "words", "said"),
    [
        ("max_drop: got 2. Change `out`.", (), "--max-ap-drop: got 2. Change --out."),
        ("`max_drop` 2 of `model` with `nothing`", (), "--max-ap-drop 2 of MODEL with `nothing`"),
        ("model: is no file", (), "MODEL: is no file"),
        ("out/max_drop: config.out and out: stay", (), "out/max_drop: config.out and out: stay"),
        ("out: is a directory", ("out",), "out: is a directory"),  # the directory is called so
    ],
)
def test_arguments_are_named_as_a_person_writes_them(message, words, said):
    parser = argparse.ArgumentParser()
    verbs = parser.add_subparsers()
    verbs.add_parser("other")
    verb = verbs.add_parser("verb")
    verb.add_argument("model", metavar="MODEL")
    verb.add_argument_group("a group").add_argument("-m", "--max-ap-drop", dest="max_drop")
    verb.add_argument("--out")
    assert cli.in_flags(message, parser, words) == said


def test_bad_labels_are_left_out_by_the_flag_of_a_verb_that_has_one():
    message = "a.txt:3: no box. Or leave out bad labels with data.strict_labels=false."
    for verb, way in (("convert", "--lenient"), ("evaluate", "--lenient"), ("train", "data.strict_labels=false")):
        assert cli.in_flags(message, cli.build_parser(verb), [verb]).endswith(f" bad labels with {way}.")


def test_an_error_of_the_library_comes_with_the_flag(capsys, monkeypatch):
    from yolo_tf.commands import prune

    def fail(arguments):
        raise InputError("amount: got 2.0. Change `out`.")

    monkeypatch.setattr(prune, "run", fail)
    code, _, err = run(capsys, "prune", "a.keras", "--out", "b.keras", "--method", "channels", "--amount", "2")
    assert (code, err) == (2, "yolo-tf prune: --amount: got 2.0. Change --out.\n")


@pytest.mark.parametrize(
    "raised",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError("Can't synchronously write data (errno = 28, error message = 'No space left on device')"),  # HDF5
        RuntimeError("Failed to write; No space left on device"),  # TensorFlow has types of its own
        FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_full_disk_is_told_as_such(raised, capsys, monkeypatch, tmp_path):
    from yolo_tf.commands import prune

    def fail(arguments):
        try:
            raise raised
        except Exception as error:
            raise ValueError("the file is damaged") from error

    monkeypatch.setattr(prune, "run", fail)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    words = ("--out", tmp_path / "new" / "b.keras", "--method", "channels", "--amount", "0.2")
    code, _, err = run(capsys, "prune", "a.keras", *map(str, words))
    assert code == 2 and err.count("\n") == 1
    assert err.startswith(f"yolo-tf prune: {tmp_path}/new/b.keras: No space left on device. Expected room for the result")
    free = re.findall(r"[\d.]+ MB in (\S+)", err)
    assert [place.rstrip(".,") for place in free] == [str(tmp_path / "scratch"), str(tmp_path)]


def test_where_results_go_is_judged_before_the_work(capsys, monkeypatch, tmp_path):
    from yolo_tf.commands import evaluate, predict, prune

    for command in (evaluate, predict, prune):
        monkeypatch.setattr(command, "run", lambda arguments: pytest.fail("it began"))
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe.keras")
    for words, said in (
        (("predict", "a.keras", "b.jpg", "--out", "link"), "link: is a file. Expected a directory. Change --out."),
        (("evaluate", "a.keras", "--data", "d.yaml", "--plots", "file/p"), "file/p: cannot be written in .*/file. Expected"),
        (("prune", "a.keras", "--out", "folder"), "folder: is a directory. Expected a file to write. Change --out."),
        (("prune", "a.keras", "--out", "pipe.keras"), "pipe.keras: is no file and no directory. Expected a file to write."),
    ):
        words = [str(tmp_path / word) if word.startswith(("link", "file", "folder", "pipe")) else word for word in words]
        words += ["--method", "channels", "--amount", "0.2"] if words[0] == "prune" else []
        code, _, err = run(capsys, *words)
        assert code == 2 and re.search(said, err), err


def test_version_and_help(capsys):
    assert run(capsys, "--version")[0] == 0
    code, out, _ = run(capsys, "--help")
    assert code == 0 and all(verb in out for verb in cli.COMMANDS)


def test_a_result_never_takes_the_place_of_a_directory(tmp_path, capsys):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious").touch()
    (tmp_path / "file").touch()
    for place, what in (("full", "full: is a directory"), ("file/x.json", "file/x.json: cannot be written in")):
        assert cli.main(["show", "config", "--json", str(tmp_path / place)]) == 2
        out, err = capsys.readouterr()
        assert f"yolo-tf show: {tmp_path}/{what}" in err and "Expected a file to write. Change --json" in err and out == ""
    assert (tmp_path / "full" / "precious").exists()


@pytest.mark.parametrize(
    ("message", "argv", "line"),
    [
        ("run: holds a run", ["train", "--run=run"], "run: holds a run"),
        ("run: holds a run", ["train", "--run", "run"], "run: holds a run"),
        ("run: holds a run", ["train", "--run", "other"], "--run: holds a run"),
        ("config.detect.score_threshold: expected 0..1", ["predict", "m", "s"], "--score-threshold: expected 0..1"),
        (
            "config.detect.score_threshold: wrong",
            ["export", "m", "detect.score_threshold=2"],
            "config.detect.score_threshold: wrong",
        ),
        (
            "image_size: 65 is none. Leave `image_size` out.",
            ["predict", "m", "s"],
            "--image-size: 65 is none. Leave --image-size out.",
        ),
    ],
)
def test_names_of_files_and_of_options_stay_what_they_are(message, argv, line):
    assert cli.in_flags(message, cli.build_parser(argv[0]), argv) == line


def test_what_is_not_an_argument_is_told_with_the_verb(capsys):
    assert cli.main(["train", "--config", "c.yaml", "--epochs", "3"]) == 2
    verb, message = capsys.readouterr().err.split(": ", 1)
    assert verb == "yolo-tf train"
    assert message.startswith("unrecognized arguments: --epochs. An option of the config is given")


@pytest.mark.parametrize(
    "error, line",
    [
        (OSError(errno.ENOSPC, "No space left on device", "/data/a.json"), "/data/a.json: No space left on device. Expected"),
        (OSError(errno.ENOSPC, "No space left on device"), "a file: No space left on device. Expected room for the result"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), "standard output: whoever reads it has ended."),
    ],
)
def test_an_error_of_the_system_says_what_it_is_about(error, line, monkeypatch, capsys):
    def fail(arguments):
        raise error

    monkeypatch.setattr("yolo_tf.commands.show.run", fail)
    assert cli.main(["show", "config"]) == 2
    assert capsys.readouterr().err.startswith(f"yolo-tf show: {line}")


@pytest.mark.parametrize("closed", ["2>&-", ">&- 2>&-"])
def test_closed_streams_end_no_command(tmp_path, closed):
    words = f'-m yolo_tf show config --json "{tmp_path}/a.json" {closed}'
    assert subprocess.run(["sh", "-c", f'"{sys.executable}" {words}'], stdout=subprocess.DEVNULL).returncode == 0
    assert json.loads((tmp_path / "a.json").read_text())["data"]["image_size"]


def test_a_result_has_a_place_to_go():
    done = subprocess.run(
        ["sh", "-c", f'"{sys.executable}" -m yolo_tf show config --json - >&-'], stderr=subprocess.PIPE, text=True
    )
    assert done.returncode == 2 and "--json: standard output is closed. Expected one that takes the result" in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
@pytest.mark.parametrize("words", ["show config", "show config --json -"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_standard_output_that_is_full_is_named(words, unbuffered):
    done = subprocess.run(
        ["sh", "-c", f'"{sys.executable}" -m yolo_tf {words} > /dev/full'],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
    )
    said = "yolo-tf show: standard output: No space left on device. Expected a place that takes all of it. Send it elsewhere."
    assert done.returncode == 2 and done.stderr.splitlines()[-1] == said


@pytest.mark.parametrize("words", [("show", "config", "--json", ""), ("show", "config", "--json="), ("train", "--run", "")])
def test_an_empty_place_is_refused_before_the_work(words, capsys, monkeypatch):
    for command in ("show", "train"):
        monkeypatch.setattr(f"yolo_tf.commands.{command}.run", lambda arguments: pytest.fail("it began"))
    code, _, err = run(capsys, *words)
    name = "--run" if "--run" in words else "--json"
    assert code == 2 and err == f"yolo-tf {words[0]}: {name}: is empty. Expected a place to write. Name one, or leave it out.\n"
