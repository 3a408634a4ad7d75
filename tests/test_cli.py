"""The command line's contract: exit codes, one line on standard error, nothing half-written."""

import pytest

from yolo_tf import cli
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


def test_json_holds_the_result(monkeypatch, tmp_path):
    from yolo_tf.commands import show

    monkeypatch.setattr(show, "run", lambda arguments: {"a": 1})
    assert cli.main(["show", "config", "--json", str(tmp_path / "r.json")]) == 0
    assert (tmp_path / "r.json").read_text() == '{\n  "a": 1\n}\n'


def test_version_and_help(capsys):
    assert run(capsys, "--version")[0] == 0
    code, out, _ = run(capsys, "--help")
    assert code == 0 and all(verb in out for verb in cli.COMMANDS)
