"""State dicts: what is read from them, and what is no such thing."""

import numpy as np
import pytest
from torch_writer import Tensor, write_zip

from yolo_tf.checkpoints.state_dict import Unit, check_used, read_state_dict, take, take_units
from yolo_tf.errors import InputError

WHAT = "a state dict of Nothing"
PARTS = {"weight": [1, 2], "bias": [3, 4], "running_mean": [5, 6], "running_var": [7, 8]}


def unit_state(kernel, prefix="a"):
    state = {f"{prefix}.conv.weight": Tensor(np.asarray(kernel, np.float32))}
    state |= {f"{prefix}.bn.{name}": Tensor(np.array(values, np.float32)) for name, values in PARTS.items()}
    return state | {f"{prefix}.bn.num_batches_tracked": Tensor(np.array(7, np.int64))}


def test_units_become_the_arrays_of_two_layers(tmp_path):
    kernel = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    state = unit_state(kernel) | unit_state(np.arange(2 * 1 * 4 * 5).reshape(2, 1, 4, 5), "b")
    tensors = read_state_dict(write_zip(tmp_path / "a.pth", {"model": state, "epoch": 3}), what=WHAT, inside=("model",))
    units = [Unit("x", "a.conv", "a.bn"), Unit("y_depthwise", "b.conv", "b.bn")]
    weights, used = take_units(tensors, units, where="a.pth", what=WHAT)
    assert weights["x_conv"][0].shape == (4, 5, 3, 2) and weights["x_conv"][0][3, 1, 2, 0] == kernel[0, 2, 3, 1]
    assert weights["y_depthwise_conv"][0].shape == (4, 5, 2, 1) and weights["y_depthwise_conv"][0][3, 1, 1, 0] == 20 + 16
    assert [array.tolist() for array in weights["x_batch_norm"]] == [[1, 2], [3, 4], [5, 6], [7, 8]]
    check_used(tensors, used, where="a.pth", what=WHAT)  # the counters are left out
    with pytest.raises(InputError, match="a.pth: has a tensor a.conv.weight and 9 more, which has no place here"):
        check_used(tensors, set(), where="a.pth", what=WHAT)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1, 2], "holds a list and no state dict"),
        ({"b": 1, "a": "x"}, r"holds a dictionary of \['a', 'b'\] and no state dict. Expected a state dict of Nothing"),
    ],
)
def test_what_is_no_state_dict(tmp_path, value, message):
    with pytest.raises(InputError, match=message):
        read_state_dict(write_zip(tmp_path / "a.pth", value), what=WHAT)


def test_tensors_that_cannot_be_used(tmp_path):
    state = unit_state(np.zeros([2, 3])) | {"n": Tensor(np.array([1, np.nan, np.inf], np.float32))}
    tensors = read_state_dict(write_zip(tmp_path / "a.pth", state), what=WHAT)
    with pytest.raises(InputError, match=r"the kernel of x has shape \[2, 3\]. Expected four sides"):
        take_units(tensors, [Unit("x", "a.conv", "a.bn")], where="a.pth", what=WHAT)
    with pytest.raises(InputError, match="a.pth: 2 of the 3 numbers of n are not finite"):
        take(tensors, "n", where="a.pth", what=WHAT)
    with pytest.raises(InputError, match="a.pth: has no tensor c.conv.weight. Expected a state dict of Nothing"):
        take_units(tensors, [Unit("x", "c.conv", "a.bn")], where="a.pth", what=WHAT)
