"""A pickle of PyTorch -> plain Python values. Nothing that the pickle names is ever imported or called.

A pickle is a program for a small stack machine; its danger is that it may name any function and have it
called. Here a name stays a name. The few that carry data (tensors, ordered dictionaries, sets) are turned
into values by the functions of VALUES; modules of YOLOv5 and PyTorch become `Inert` records of their
attributes; every other name stops the reading.
"""

from __future__ import annotations

import dataclasses
import math
import pickle
from collections.abc import Callable

import numpy as np

from yolo_tf.errors import InputError

# What PyTorch calls the storage of each type of number -> numpy's type, little endian.
STORAGE_TYPES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "BFloat16Storage": "bfloat16",  # numpy has none: read as the upper halves of float32
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "?",
}

# Objects of these are kept as records of their attributes.
INERT_MODULES = ("models.yolo.", "models.common.", "models.experimental.", "torch.nn.modules.", "torch.nn.parameter.")
INERT_NAMES = {
    "argparse.Namespace",
    "datetime.datetime",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray._reconstruct",
    "numpy.dtype",
    "numpy.ndarray",
    "pathlib.Path",
    "pathlib.PosixPath",
    "pathlib.WindowsPath",
    "torch.device",
    "_codecs.encode",  # how Python 3 writes bytes into an old pickle; their content is not needed
}


@dataclasses.dataclass(frozen=True)
class Name:
    """Something that the pickle refers to as `module.name`."""

    path: str


@dataclasses.dataclass(eq=False)
class Inert:
    """An object of a class that is known by name only."""

    path: str  # "models.common.Conv"
    state: dict = dataclasses.field(default_factory=dict)  # its attributes

    @property
    def class_name(self):
        """The name without its module."""
        return self.path.rpartition(".")[2]


@dataclasses.dataclass(frozen=True, eq=False)
class Storage:
    """A run of numbers in the file."""

    dtype: str  # a value of STORAGE_TYPES
    count: int
    read_bytes: Callable[[], bytes]


@dataclasses.dataclass(frozen=True, eq=False)
class StoredTensor:
    """A tensor that is still in the file. It was checked to lie within its storage."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]  # in numbers, not bytes

    def read(self):
        """Reads the tensor: a numpy array of `shape`; bfloat16 comes as float32."""
        raw = self.storage.read_bytes()
        if self.storage.dtype == "bfloat16":
            numbers = (np.frombuffer(raw, "<u2").astype("<u4") << 16).view("<f4")
        else:
            numbers = np.frombuffer(raw, self.storage.dtype)
        steps = [stride * numbers.itemsize for stride in self.strides]
        view = np.lib.stride_tricks.as_strided(numbers[self.offset :], self.shape, steps, writeable=False)
        return view.copy()


def read_pickle(stream, open_storage, *, where):
    """Reads one pickle.

    Args:
        stream: binary file, at the pickle's first byte; is left behind its last one.
        open_storage: function (key: str, dtype: str, count: int) -> Storage.
        where: path for messages.

    Returns:
        Numbers, strings, tuples, lists, dicts and sets of such, StoredTensor and Inert.

    Raises:
        InputError: the pickle names something that is not known, or is damaged.
    """
    try:
        return _Reader(stream, open_storage, where).load()
    except InputError:
        raise
    except Exception as error:  # a damaged stack program fails in any way, from IndexError to MemoryError
        raise damaged(where, f"its pickle is damaged ({type(error).__name__})") from error


def damaged(path, what):
    """Returns the InputError on a file that is not as PyTorch wrote it."""
    return InputError(f"{path}: {what}. Expected a whole PyTorch file. Copy or download it again.")


# The machine in Python rather than its twin in C: each step that could call something is replaced below, and a
# forged memo index costs a dictionary entry, not gigabytes.
class _Reader(pickle._Unpickler):
    dispatch = dict(pickle._Unpickler.dispatch)

    def __init__(self, stream, open_storage, where):
        super().__init__(stream, encoding="utf-8")
        self.open_storage = open_storage
        self.where = where

    def find_class(self, module, name):
        path = f"{module}.{name}"
        known = path in VALUES or path in INERT_NAMES or path.startswith(INERT_MODULES)
        if known or (module == "torch" and name in STORAGE_TYPES):
            return Name(path)
        raise self.refusal(path)

    def persistent_load(self, pid):
        kind, storage_type, key, _, count = pid[:5]
        if kind != "storage" or not isinstance(storage_type, Name) or type(count) is not int or count < 0:
            raise ValueError(pid)
        return self.open_storage(str(key), STORAGE_TYPES[storage_type.path.removeprefix("torch.")], count)

    def get_extension(self, code):
        raise self.refusal(f"extension {code}")

    def make(self, name, arguments):
        """Stands in for calling `name`."""
        if not isinstance(name, Name):
            raise self.refusal(type(name).__name__)
        if name.path in VALUES:
            return VALUES[name.path](*arguments)
        return Inert(name.path)

    def load_reduce(self):
        arguments = self.stack.pop()
        self.stack[-1] = self.make(self.stack[-1], arguments)

    def load_newobj_ex(self):
        self.stack.pop()  # keyword arguments
        self.load_reduce()

    def load_build(self):
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, Inert) and isinstance(state, dict):
            target.state.update(state)
        elif not isinstance(target, (Inert, dict)):  # what is left: numpy's tuples, the metadata of a state dict
            raise self.refusal(type(target).__name__)

    def load_needless(self):
        raise self.refusal("an instruction that no checkpoint needs")

    dispatch[pickle.REDUCE[0]] = load_reduce
    dispatch[pickle.NEWOBJ[0]] = load_reduce
    dispatch[pickle.NEWOBJ_EX[0]] = load_newobj_ex
    dispatch[pickle.BUILD[0]] = load_build
    for opcode in (pickle.INST, pickle.OBJ, pickle.BYTEARRAY8, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER):
        dispatch[opcode[0]] = load_needless

    def refusal(self, path):
        newer = " This is a model of the ultralytics package, not of YOLOv5." if path.startswith("ultralytics.") else ""
        return InputError(
            f"{self.where}: refers to '{path}', which is not read from a checkpoint.{newer} Expected tensors and"
            " plain values, or the modules of YOLOv5 v5.0 to v7.0. Nothing was executed; do not open this file with PyTorch"
            " unless you trust it."
        )


def _tensor(storage, offset, shape, strides, *_):
    shape, strides = tuple(shape), tuple(strides)
    numbers = (offset, *shape, *strides)
    if not isinstance(storage, Storage) or len(shape) != len(strides) or any(type(n) is not int or n < 0 for n in numbers):
        raise ValueError("not a tensor")
    size = math.prod(shape)
    last = offset + sum((side - 1) * stride for side, stride in zip(shape, strides, strict=True))
    if size > storage.count or (size and last >= storage.count):
        raise ValueError("a tensor beyond its storage")
    return StoredTensor(storage, offset, shape, strides)


# Names whose "call" is a value.
VALUES = {
    "collections.OrderedDict": dict,
    "__builtin__.set": set,
    "builtins.set": set,
    "torch.Size": tuple,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": lambda tensor, *_: tensor,
    "torch._utils._rebuild_parameter_with_state": lambda tensor, *_: tensor,
}
