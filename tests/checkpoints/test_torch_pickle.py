"""Nothing that a pickle names is imported or called."""

import datetime
import io
import os
import pickle
import sys

import numpy as np
import pytest
from torch_writer import Tensor, dump, instance, write_zip

from yolo_tf.checkpoints.torch_file import read_torch_file
from yolo_tf.checkpoints.torch_pickle import Inert, read_pickle
from yolo_tf.errors import InputError


class Call:
    """Pickles as a call of a real function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def read(pickled):
    return read_pickle(io.BytesIO(pickled), None, where="x.pt")


def touch(path):
    return f"open({str(path)!r}, 'w').close()"


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize(
    ("function", "named"), [(os.system, "system"), (exec, "exec"), (eval, "eval"), (os.mkdir, "mkdir")], ids=str
)
def test_a_pickle_that_calls_something_is_refused_and_calls_nothing(tmp_path, function, named, protocol):
    marker = tmp_path / "marker"
    argument = {"system": f"touch {marker}", "mkdir": str(marker)}.get(named, touch(marker))
    forged = pickle.dumps({"model": [Call(function, argument)]}, protocol=protocol)
    pickle.loads(forged)  # it is armed
    assert marker.exists()
    marker.rmdir() if marker.is_dir() else marker.unlink()
    path = write_zip(tmp_path / "forged.pt", {}, pickle_bytes=forged)
    expected = rf"forged.pt: refers to '\w+\.{named}', which is not read .* Nothing was executed"
    with pytest.raises(InputError, match=expected) as caught:
        read_torch_file(path)
    assert not marker.exists() and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "forged",
    [
        b"cos\nsystem\n(S'touch {marker}'\ntR.",  # GLOBAL, REDUCE
        b"(ios\nsystem\n(S'touch {marker}'\n.",  # INST
        b"(cos\nsystem\nS'touch {marker}'\no.",  # OBJ
        b"\x80\x02cos\nsystem\nU\x01x\x85\x81.",  # NEWOBJ
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x01x\x85R.",  # STACK_GLOBAL
        b"\x80\x02\x82\x01.",  # EXT1
        b"cmodels.common\nConv\n(S'x'\ntR(S'y'\ntR.",  # a call of what a call returned
        b"ctorch\nFloatStorage\n}b.",  # BUILD on a name
        b"cmodels.common\nConv\ncmodels.common\nConv\nb.",  # BUILD with a name
        b"(cmodels.common\nConv\no.",
        b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\x00\x00.",  # BYTEARRAY8 of 2 ** 48 bytes
        b"r\xff\xff\xff\x7f.",  # memo index 2 ** 31
        b"\x80\x02]q\x00(h\x00h\x00",  # no end
        b"",
        b"garbage",
    ],
)
def test_forged_and_broken_programs_end_in_one_line(tmp_path, monkeypatch, forged):
    monkeypatch.setattr(os, "system", lambda command: pytest.fail("was called"))
    try:
        value = read(forged.replace(b"{marker}", str(tmp_path / "marker").encode()))
    except InputError as error:
        assert str(error).startswith("x.pt: ") and "\n" not in str(error)
    else:
        assert isinstance(value, Inert)  # BUILD with a name leaves the record as it was
        assert value.state == {}


def test_no_module_is_imported():
    before = set(sys.modules)
    model = read(dump(instance("models.common.Conv", i=3))[0])
    assert model.path == "models.common.Conv" and model.class_name == "Conv" and model.state == {"i": 3}
    with pytest.raises(InputError, match="'antigravity.fly'"):
        read(b"cantigravity\nfly\n.")
    assert set(sys.modules) == before


def test_what_training_checkpoints_hold_besides_tensors_is_read_over():
    content = {
        "best_fitness": np.float64(0.5),
        "results": np.arange(3.0),
        "date": datetime.datetime(2021, 4, 11),
        "opt": instance("argparse.Namespace", weights="", img_size=[640, 640]),
        "ids": {1, 2},
    }
    found = read(dump(content)[0])
    assert found["opt"].state == {"weights": "", "img_size": [640, 640]} and found["ids"] == {1, 2}
    assert isinstance(found["best_fitness"], Inert) and isinstance(found["results"], Inert)


def test_models_of_other_packages_are_named():
    with pytest.raises(InputError, match="'ultralytics.nn.tasks.DetectionModel'.* This is a model of the ultralytics package"):
        read(dump(instance("ultralytics.nn.tasks.DetectionModel"))[0])
    with pytest.raises(InputError, match="refers to 'models.yolox.Head'"):
        read(dump(instance("models.yolox.Head"))[0])


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [
        ((3, 3), (3, 1), 0),
        ((2, 3), (3, 1), 1),
        ((10**9, 10**9), (0, 0), 0),
        ((2,), (-1,), 1),
        ((2,), (1, 1), 0),
        ((2.0,), (1,), 0),
    ],
)
def test_a_tensor_beyond_its_storage_is_refused(tmp_path, monkeypatch, shape, strides, offset):
    import torch_writer

    original = torch_writer._Pickler.reducer_override

    def forged(self, value):
        made = original(self, value)
        return made if made is NotImplemented else (made[0], (made[1][0], offset, shape, strides))

    monkeypatch.setattr(torch_writer._Pickler, "reducer_override", forged)
    path = write_zip(tmp_path / "a.pt", Tensor(np.arange(6.0)))
    with pytest.raises(InputError, match="its pickle is damaged"):
        read_torch_file(path)
