"""A file of `torch.save` -> plain Python values, in both of its layouts, without PyTorch."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import numpy as np

from yolo_tf.checkpoints.torch_pickle import Storage, damaged, read_pickle
from yolo_tf.errors import InputError

ZIP_START = b"PK\x03\x04"
STREAM_MAGIC = 0x1950A86A20F9469CFC6C  # the first value in a file of PyTorch before 1.6
STREAM_START = b"\x80\x02\x8a\x0a" + STREAM_MAGIC.to_bytes(10, "little")
YOLOV5_FILE = "a YOLOv5 checkpoint (.pt)"
MAX_PICKLE_BYTES = 2**28  # a checkpoint of the largest YOLOv5 has half a megabyte


def read_torch_file(path, *, what=YOLOV5_FILE):
    """Reads what `torch.save` wrote.

    Args:
        path: file; a ZIP archive of a pickle and raw storages, or the stream of PyTorch before 1.6.
        what: the file that is expected, for messages.

    Returns:
        The saved value: see `read_pickle`. Tensors are read from the file when asked for.

    Raises:
        InputError: no such file, neither layout, damaged or truncated, a storage that is not as large as it
            says, or a pickle that names anything but data.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            start = file.read(len(STREAM_START))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}. Expected {what}. Check the path.") from error
    if start.startswith(ZIP_START):
        return _read_zip(path, what)
    if start == STREAM_START:
        return _read_stream(path)
    raise InputError(f"{path}: is no PyTorch file. Expected {what}, as PyTorch wrote it. Check the path.")


def _read_zip(path, what):
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise damaged(path, "the ZIP archive is truncated") from error
    members = {info.filename: info for info in archive.infolist()}
    pickles = [name for name in members if name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise damaged(path, f"the ZIP archive holds {len(pickles)} files data.pkl instead of one")
    root = pickles[0].removesuffix("data.pkl")
    if f"{root}constants.pkl" in members:
        raise InputError(f"{path}: is a TorchScript program. Expected {what}. Use the one it was made from.")

    def read(name):
        info = members[name]
        if info.compress_type != zipfile.ZIP_STORED:  # PyTorch does not compress; a few bytes could unpack to any size
            raise damaged(path, f"'{name}' is compressed")
        try:
            return archive.read(info)
        except (zipfile.BadZipFile, EOFError, OSError) as error:
            raise damaged(path, f"'{name}' does not read") from error

    if f"{root}byteorder" in members and read(f"{root}byteorder") != b"little":
        raise _big_endian(path)

    def open_storage(key, dtype, count):
        name = f"{root}data/{key}"
        size = members[name].file_size if name in members else 0
        _check_size(path, key, dtype, count, size)
        return Storage(dtype, count, lambda: read(name))

    if members[pickles[0]].file_size > MAX_PICKLE_BYTES:
        raise damaged(path, "its pickle is larger than 256 MiB")
    return read_pickle(io.BytesIO(read(pickles[0])), open_storage, where=path)


def _read_stream(path):
    """Reads the older layout: pickles of a magic number, a version, the machine, the value, the storages' keys; raw storages."""
    places, storages = {}, {}  # key -> (first byte, bytes), Storage

    def read_bytes(key):
        start, size = places[key]
        with path.open("rb") as file:
            file.seek(start)
            return file.read(size)

    def open_storage(key, dtype, count):
        storages[key] = Storage(dtype, count, lambda: read_bytes(key))
        return storages[key]

    with path.open("rb") as file:
        header = [read_pickle(file, open_storage, where=path) for _ in range(3)]
        if not isinstance(header[2], dict) or header[2].get("little_endian") is not True:
            raise _big_endian(path)
        value = read_pickle(file, open_storage, where=path)
        keys = read_pickle(file, open_storage, where=path)
        end = path.stat().st_size
        for key in map(str, keys if isinstance(keys, list) else []):
            count = file.read(8)
            storage = storages.get(key)
            if storage is None or len(count) < 8 or struct.unpack("<q", count)[0] != storage.count:
                raise damaged(path, f"storage {key} is not where it should be")
            size = storage.count * _item_size(storage.dtype)
            _check_size(path, key, storage.dtype, storage.count, min(size, end - file.tell()))
            places[key] = (file.tell(), size)
            file.seek(size, io.SEEK_CUR)
    missing = set(storages) - set(places)
    if missing:
        raise damaged(path, f"storage {min(missing)} is missing")
    return value


def _item_size(dtype):
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize


def _check_size(path, key, dtype, count, size):
    """Raises InputError unless `count` numbers are really there, before any memory is taken for them."""
    if count * _item_size(dtype) != size:
        raise damaged(path, f"storage {key} declares {count} numbers of type {dtype} and holds {size} bytes")


def _big_endian(path):
    return InputError(f"{path}: was written on a big-endian machine. Expected little endian. Save it on another machine.")
