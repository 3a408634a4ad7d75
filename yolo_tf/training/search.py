"""Search for better options: many runs over a space of them, chosen by KerasTuner, judged by fitness."""

import dataclasses
import importlib.util
import typing

import keras
import yaml

from yolo_tf.config import SECTIONS
from yolo_tf.config.migrate import refuse_moved
from yolo_tf.config.reader import config_to_dict, read_config
from yolo_tf.errors import InputError, look_up
from yolo_tf.files.run_directory import RunDirectory, write_history
from yolo_tf.sources import read_dataset, read_source
from yolo_tf.system.atomic import write_text
from yolo_tf.system.yaml_file import read_yaml
from yolo_tf.terminal import say
from yolo_tf.terminal.tables import format_table
from yolo_tf.training import train
from yolo_tf.training.callbacks import fitness

TUNERS = {"random": "RandomSearchOracle", "bayesian": "BayesianOptimizationOracle", "hyperband": "HyperbandOracle"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dimension:
    """One option that is searched: a list of choices, or a range."""

    key: str  # section.key
    choices: tuple = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False  # all factors, instead of all sums, are alike
    whole: bool = False  # whole numbers only


@dataclasses.dataclass(frozen=True, kw_only=True)
class SearchResult:
    """What a search found; a trial that failed has the fitness ""."""

    best: dict  # of the trial with the highest fitness: trial, fitness, the values of the space, problem
    trials: list  # such rows of all trials, in order

    to_json = dataclasses.asdict


def read_space(path):
    """Returns the list of Dimension of a YAML file, `section.key: {min: A, max: B, log: true}` or `section.key: [a, b]` a line.

    Raises:
        InputError: no lines, an unknown option, or a range or list that cannot be searched.
    """
    document = read_yaml(path)
    if not document:
        raise InputError(f"{path}: is empty. Expected lines such as `train.learning_rate: {{min: 0.001, max: 0.1, log: true}}`.")
    return [_dimension(key, value, path) for key, value in document.items()]


def _dimension(key, value, path):
    where = f"{path}: {key}"
    refuse_moved(key, file=path)
    section, _, name = str(key).partition(".")
    kinds = typing.get_type_hints(look_up(SECTIONS, section, kind="section of the config", where=where))
    kind = look_up(kinds, name, kind=f"option of {section}", where=where)
    if isinstance(value, list) and len(value) > 1:
        if len({type(choice) for choice in value}) > 1 or not isinstance(value[0], (str, bool, int, float)):
            raise InputError(f"{where}: got {value!r}. Expected choices of one kind: words, true/false, numbers alike.")
        return Dimension(key=key, choices=tuple(value))
    if not isinstance(value, dict) or not {"min", "max"} <= set(value) <= {"min", "max", "log"}:
        raise InputError(f"{where}: got {value!r}. Expected {{min: A, max: B, log: true or false}} or two or more choices.")
    low, high, log = value["min"], value["max"], value.get("log", False)
    numbers = all(isinstance(side, (int, float)) and not isinstance(side, bool) for side in (low, high))
    if not numbers or not low < high or (log and low <= 0):
        above = " above 0" if log else ""
        raise InputError(f"{where}: got min {low!r}, max {high!r}. Expected two numbers{above}, min below max.")
    whole = int in (kind, *typing.get_args(kind))
    if whole and not (isinstance(low, int) and isinstance(high, int)):
        raise InputError(f"{where}: got min {low!r}, max {high!r}. Expected whole numbers, as the option takes.")
    return Dimension(key=key, low=low, high=high, log=bool(log), whole=whole)


def search(config_file, overrides, space, out, *, trials, tuner="random"):
    """Runs trials of a space, each a whole training run in `out/trial_NNNN`; goes on with a search that was interrupted.

    Args:
        config_file: YAML, as for train; None = defaults.
        overrides: "section.key=value" strings.
        space: list of Dimension.
        out: directory; also holds trials.csv, best.yaml (the resolved config of the best trial) and the tuner's state.
        trials: runs in all, those of an interrupted search included; hyperband makes its own number of them.
        tuner: random, bayesian, or hyperband: short runs first, the better ones again with more epochs, from the start.

    Returns:
        SearchResult.

    Raises:
        InputError: KerasTuner is not installed, values that no run accepts, another search in `out`, or no trial succeeded.
    """
    if trials < 1:
        raise InputError(f"trials: got {trials}. Expected 1 or more.")
    _require_tuner(tuner)
    if tuner == "hyperband" and any(dimension.key == "train.epochs" for dimension in space):
        raise InputError(
            "tuner: got hyperband, but the space has train.epochs. Expected it in the config: hyperband itself makes runs of up"
            " to so many epochs. Take the line out of the space."
        )
    for dimension in space:  # what no run would accept is said before the first
        for value in dimension.choices or (dimension.low, dimension.high):
            read_config(config_file, [*overrides, _override(dimension.key, value)])
    config = read_config(config_file, overrides)
    _check_judge(config.data)
    _claim_directory(out, config, space, tuner)

    def run_trial(number, values, epochs):
        own = [*overrides, *(_override(key, value) for key, value in values.items())]
        if epochs:
            own.append(f"train.epochs={epochs}")
        root = out / f"trial_{number:04d}"
        keras.utils.clear_session()
        resolved = RunDirectory(root).config
        started = resolved.exists()  # by a search that was interrupted in this very trial
        return train(read_config(resolved) if started else read_config(config_file, own), root, resume=started).metrics

    rows = _run_tuner(run_trial, space, out, trials=trials, tuner=tuner, train_options=config.train)
    write_history(out / "trials.csv", rows)
    shown = [{**row, "fitness": f"{row['fitness']:.4f}" if row["fitness"] != "" else "failed"} for row in rows]
    shown = [{key: str(value) for key, value in row.items() if key != "problem"} for row in shown]
    say("", format_table(shown), "")
    succeeded = [row for row in rows if row["fitness"] != ""]
    if not succeeded:
        raise InputError(
            f"{out}: none of {len(rows)} trials succeeded; the first said: {rows[0]['problem']} Expected one at least."
            " Narrow the space, and search in a new `out`."
        )
    best = max(succeeded, key=lambda row: row["fitness"])
    write_text(out / "best.yaml", RunDirectory(out / f"trial_{best['trial']:04d}").config.read_text(encoding="utf-8"))
    say(f"best: trial {best['trial']}, fitness {best['fitness']:.4f}; its config: {out / 'best.yaml'}")
    return SearchResult(best=best, trials=rows)


def _override(key, value):
    return f"{key}={yaml.safe_dump(value, default_flow_style=True).removesuffix('...' + chr(10)).strip()}"


def _require_tuner(tuner):
    """Raises InputError unless KerasTuner is there, and scikit-learn where `tuner` needs it."""
    look_up(TUNERS, tuner, kind="tuner", where="tuner")
    for package, module in (("keras-tuner", "keras_tuner"), ("scikit-learn", "sklearn"))[: 1 + (tuner == "bayesian")]:
        if importlib.util.find_spec(module) is None:
            raise InputError(
                f"search: {package} is not installed. Expected it for `tuner` {tuner}. Run: pip install 'yolo_tf[search]'"
                f" (or pip install {package})."
            )


def _check_judge(data):
    """Raises InputError where the validation split of a DataConfig has no object, so that no trial could be judged."""
    if not data.dataset:
        return  # the first trial says so
    options = dict(classes=data.classes, single_class=data.single_class, strict=data.strict_labels)
    val_set = read_dataset(read_source(data.dataset, path=data.path), data.val_split, **options)
    if not val_set.num_truths:
        raise InputError(
            f"config.data.val_split: the {len(val_set.records)} images of {data.val_split} have no object to find. Expected some,"
            " to judge the trials by. Correct the labels or name another split."
        )


def _claim_directory(out, config, space, tuner):
    """Writes what is searched to `out/search.yaml`; raises InputError if another search is there."""
    described = {
        "tuner": tuner,
        "space": {d.key: list(d.choices) or {"min": d.low, "max": d.high, "log": d.log} for d in space},
        "config": config_to_dict(config),
    }
    text, path = yaml.safe_dump(described, sort_keys=False), out / "search.yaml"
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise InputError(f"{out}: holds another search (config, space or tuner differ). Expected the same. Use a new `out`.")
    write_text(path, text)


def _run_tuner(run_trial, space, out, *, trials, tuner, train_options):
    """Lets KerasTuner choose and judge trials.

    Args:
        run_trial: (number, values, epochs or None) -> metrics.
        space, out, trials, tuner: see `search`.
        train_options: TrainConfig; seed, and epochs of the longest runs.

    Returns:
        list of dict: trial, fitness, the values, epochs (hyperband), problem; in order. Fitness is "" where it failed.
    """
    import keras_tuner
    from keras_tuner.engine.base_tuner import BaseTuner

    class Runs(BaseTuner):
        """What KerasTuner demands: one trial is one training run."""

        def run_trial(self, trial):
            values = {dimension.key: trial.hyperparameters.values[dimension.key] for dimension in space}
            say("", f"trial {trial.trial_id} of {trials}: {values}")
            try:
                metrics = run_trial(int(trial.trial_id), values, trial.hyperparameters.values.get("tuner/epochs"))
            except InputError as error:  # such as a loss that left the numbers: a result, if a poor one
                say(f"trial {trial.trial_id}: {error}")
                raise keras_tuner.errors.FailedTrialError(str(error)) from error
            except Exception as error:  # a defect: KerasTuner would hide it
                raise keras_tuner.errors.FatalError(str(error)) from error
            return {"fitness": fitness(metrics)}

    options = {
        "objective": keras_tuner.Objective("fitness", "max"),
        "hyperparameters": _hyperparameters(keras_tuner, space),
        "seed": train_options.seed + 1,  # KerasTuner takes 0 for "any"
        "max_consecutive_failed_trials": trials + 1,
    }
    if tuner == "hyperband":
        options |= {"max_epochs": train_options.epochs, "hyperband_iterations": None}
    oracle = getattr(keras_tuner.oracles, TUNERS[tuner])(**options)
    oracle.max_trials, oracle.verbose = trials, 0  # hyperband does not take the trials as an argument
    Runs(oracle, directory=str(out), project_name="tuner").search()
    rows = []
    for trial in sorted(oracle.trials.values(), key=lambda trial: int(trial.trial_id)):
        values = {key.replace("tuner/", ""): value for key, value in trial.hyperparameters.values.items()}
        shown = {key: value for key, value in values.items() if "." in key or key == "epochs"}
        problem = (trial.message or "").strip().rpartition("FailedTrialError: ")[2]
        score = "" if trial.score is None else float(trial.score)
        rows.append({"trial": int(trial.trial_id), "fitness": score, **shown, "problem": problem})
    return rows


def _hyperparameters(keras_tuner, space):
    """Returns the space as KerasTuner's HyperParameters."""
    parameters = keras_tuner.HyperParameters()
    for dimension in space:
        if dimension.choices:
            parameters.Choice(dimension.key, list(dimension.choices))
            continue
        declare = parameters.Int if dimension.whole else parameters.Float
        sampling = "log" if dimension.log else "linear"
        declare(dimension.key, dimension.low, dimension.high, sampling=sampling)
    return parameters
