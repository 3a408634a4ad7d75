"""Writes files as `torch.save` does, and YOLOv5 models of any layout into them, without PyTorch."""

import io
import pickle
import struct
import types
import zipfile
from collections import OrderedDict

import numpy as np

from yolo_tf.checkpoints.torch_file import STREAM_MAGIC
from yolo_tf.checkpoints.yolov5.names import LAYOUTS, block_convolutions

STORAGES = {"float64": "DoubleStorage", "float32": "FloatStorage", "float16": "HalfStorage", "int64": "LongStorage"}
V7, V5 = LAYOUTS


class Module:
    """Base of the stand-ins for PyTorch's and YOLOv5's classes."""


def named_class(path):
    """Returns a class that pickles as `path`, such as "models.common.Conv"."""
    module, _, name = path.rpartition(".")
    return type(name, (Module,), {"__module__": module, "__qualname__": name})


def instance(path, **attributes):
    """Returns an object of the class `path` with these attributes."""
    made = named_class(path)()
    made.__dict__.update(attributes)
    return made


class Tensor:
    """A numpy array that pickles as a PyTorch tensor; `declared` forges the size of its storage."""

    def __init__(self, array, declared=None):
        self.array, self.declared = np.asarray(array, order="C"), declared


def _function(path):
    module, _, name = path.rpartition(".")

    def function():
        """Is named in the pickle and never called."""

    function.__module__, function.__qualname__, function.__name__ = module, name, name
    return function


REBUILD = _function("torch._utils._rebuild_tensor_v2")


class _Storage:
    def __init__(self, key, tensor):
        self.key, self.tensor = key, tensor


class _Pickler(pickle._Pickler):
    """Writes names without looking for them, and tensors by their storages."""

    dispatch = dict(pickle._Pickler.dispatch)

    def __init__(self, file):
        super().__init__(file, protocol=2)
        self.storages = []

    def save_name(self, value, name=None):
        module, name = value.__module__, value.__qualname__
        module = {"builtins": "__builtin__"}.get(module, module)
        self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
        self.memoize(value)

    dispatch[type] = save_name
    dispatch[types.FunctionType] = save_name
    dispatch[types.BuiltinFunctionType] = save_name

    def reducer_override(self, value):
        if isinstance(value, Tensor):
            key = str(len(self.storages))
            self.storages.append(value)
            strides = tuple(step // value.array.itemsize for step in value.array.strides)
            return REBUILD, (_Storage(key, value), 0, value.array.shape, strides, False, OrderedDict())
        return NotImplemented

    def persistent_id(self, value):
        if not isinstance(value, _Storage):
            return None
        array = value.tensor.array
        count = value.tensor.declared or array.size
        storage_type = _function(f"torch.{STORAGES[array.dtype.name]}")
        return ("storage", storage_type, value.key, "cpu", count, *([None] if self.legacy else []))

    legacy = False


def dump(value, *, legacy=False):
    """Returns (pickle bytes, its Tensors)."""
    file = io.BytesIO()
    pickler = _Pickler(file)
    pickler.legacy = legacy
    pickler.dump(value)
    return file.getvalue(), pickler.storages


def write_zip(path, value, *, pickle_bytes=None, compression=zipfile.ZIP_STORED):
    """Writes `value` as PyTorch 1.6 and later do; `pickle_bytes` replaces its pickle."""
    text, storages = dump(value)
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("best/data.pkl", pickle_bytes or text)
        archive.writestr("best/byteorder", "little")
        for key, tensor in enumerate(storages):
            archive.writestr(f"best/data/{key}", tensor.array.tobytes())
        archive.writestr("best/version", "3\n")
    return path


def write_stream(path, value, *, little_endian=True):
    """Writes `value` as PyTorch before 1.6 did."""
    text, storages = dump(value, legacy=True)
    with open(path, "wb") as file:
        for head in (STREAM_MAGIC, 1001, {"protocol_version": 1001, "little_endian": little_endian, "type_sizes": {"int": 4}}):
            pickle.dump(head, file, protocol=2)
        file.write(text)
        pickle.dump([str(key) for key in range(len(storages))], file, protocol=2)
        for tensor in storages:
            file.write(struct.pack("<q", tensor.array.size) + tensor.array.tobytes())
    return path


def module(path, *, children=None, parameters=None, buffers=None, **attributes):
    """Returns a stand-in of a torch.nn.Module."""
    return instance(
        path,
        training=False,
        _parameters=OrderedDict(parameters or {}),
        _buffers=OrderedDict(buffers or {}),
        _modules=OrderedDict(children or {}),
        **attributes,
    )


def yolov5_model(network, anchors, class_names, *, layout=V7, depth, width, dtype="float32", focus=None):
    """Builds the PyTorch model that has the weights of `network`, a network of this package.

    Args:
        network: keras.Model of the layout's backbone and neck.
        anchors: AnchorSet.
        class_names: list of str.
        layout: which generation.
        depth, width: the multiples it was built with.
        dtype: of the stored floats.
        focus: [out, 12, 3, 3] kernel of the Focus layer, for the older layout.
    """
    weights = {layer.name: layer.get_weights() for layer in network.layers}

    def tensor(array):
        return Tensor(np.asarray(array, dtype))

    def conv_module(ours, kernel=None):
        gamma, beta, mean, variance = weights[f"{ours}_batch_norm"]
        kernel = weights[f"{ours}_conv"][0].transpose(3, 2, 0, 1) if kernel is None else kernel
        return module(
            "models.common.Conv",
            children={
                "conv": module("torch.nn.modules.conv.Conv2d", parameters={"weight": tensor(kernel)}, padding_mode="zeros"),
                "bn": module(
                    "torch.nn.modules.batchnorm.BatchNorm2d",
                    parameters={"weight": tensor(gamma), "bias": tensor(beta)},
                    buffers={
                        "running_mean": tensor(mean),
                        "running_var": tensor(variance),
                        "num_batches_tracked": Tensor(np.array(7, np.int64)),
                    },
                    eps=0.001,
                ),
                "act": module("torch.nn.modules.activation.SiLU"),
            },
        )

    def pools(sides):
        made = [module("torch.nn.modules.pooling.MaxPool2d", kernel_size=side, stride=1) for side in sides]
        return made[0] if len(made) == 1 else module("torch.nn.modules.container.ModuleList", children=dict(zip("012", made)))

    def row_module(row, class_name):
        kind, block = layout.blocks.get(row, (None, None))
        if class_name == "Upsample":
            return module("torch.nn.modules.upsampling.Upsample", mode="nearest")
        if kind is None:
            return module(f"models.common.{class_name}")
        if kind == "conv":
            return conv_module(block)
        if kind == "focus":
            return module("models.common.Focus", children={"conv": conv_module(block, focus)})
        if kind == "pool":
            pairs = block_convolutions(kind, block, "x")
            children = {theirs.removeprefix("x."): conv_module(ours) for ours, theirs in pairs}
            return module(f"models.common.{class_name}", children={**children, "m": pools(layout.pools)})
        if kind == "csp":
            repeats = sum(name.startswith(f"{block}_bottleneck") and name.endswith("_1x1_conv") for name in weights)
            made = {theirs: conv_module(ours) for ours, theirs in block_convolutions(kind, block, "x", repeats=repeats)}
            bottlenecks = {
                str(index): module(
                    "models.common.Bottleneck",
                    children={key: made[f"x.m.{index}.{key}"] for key in ("cv1", "cv2")},
                    add=row in layout.shortcuts,
                )
                for index in range(repeats)
            }
            children = {key: made[f"x.{key}"] for key in ("cv1", "cv2", "cv3")}
            children["m"] = module("torch.nn.modules.container.Sequential", children=bottlenecks)
            return module("models.common.C3", children=children)
        strides = np.array(anchors.strides, np.float32)
        convolutions = {}
        for level in range(3):
            kernel, bias = weights[f"head_p{level + 3}"]
            parameters = {"weight": tensor(kernel.transpose(3, 2, 0, 1)), "bias": tensor(bias)}
            convolutions[str(level)] = module("torch.nn.modules.conv.Conv2d", parameters=parameters, padding_mode="zeros")
        return module(
            "models.yolo.Detect",
            children={"m": module("torch.nn.modules.container.ModuleList", children=convolutions)},
            buffers={"anchors": tensor(anchors.sizes / np.array(anchors.strides, np.float32)[:, None, None])},
            nc=len(class_names),
            nl=3,
            stride=Tensor(strides),
        )

    rows = {str(row): row_module(row, class_name) for row, class_name in enumerate(layout.classes)}
    return module(
        "models.yolo.DetectionModel" if layout is V7 else "models.yolo.Model",
        children={"model": module("torch.nn.modules.container.Sequential", children=rows)},
        yaml={"nc": len(class_names), "depth_multiple": depth, "width_multiple": width},
        names=class_names,
        save={4, 6, 10},
    )


def row(model, index):
    """Returns a row of a model, to change it."""
    return model._modules["model"]._modules[str(index)]
