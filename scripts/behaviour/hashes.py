"""Arrays, weights, files -> short texts that are equal where all bits are, with figures to judge a difference by."""

import hashlib
from pathlib import Path

import numpy as np

LENGTH = 16  # hexadecimal digits: enough for equality, and a line stays a line


def hash_bytes(*contents):
    """Returns the hash of bytes, one after the other."""
    sha = hashlib.sha256()
    for content in contents:
        sha.update(content)
    return sha.hexdigest()[:LENGTH]


def hash_array(array):
    """Returns dict of shape, type, hash, and the mean, spread and limits of the finite values."""
    array = np.ascontiguousarray(array)
    described = {"shape": list(array.shape), "dtype": str(array.dtype), "hash": hash_bytes(array.tobytes())}
    values = array[np.isfinite(array)].astype(np.float64) if array.dtype.kind in "iuf" else np.zeros(0)
    if values.size:
        described |= {"mean": values.mean(), "std": values.std(), "min": values.min(), "max": values.max()}
    return {key: float(value) if isinstance(value, np.floating) else value for key, value in described.items()}


def hash_weights(network):
    """Returns hashes of the names and shapes, and of the values, of all weights, ordered by name; their number and size."""
    weights = sorted(((weight.path, weight.numpy()) for weight in network.weights), key=lambda pair: pair[0])
    names = [f"{path} {array.shape} {array.dtype}\n".encode() for path, array in weights]
    return {
        "names": hash_bytes(*names),
        "values": hash_bytes(*(np.ascontiguousarray(array).tobytes() for _, array in weights)),
        "mean_size": float(np.mean([np.abs(array.astype(np.float64)).mean() for _, array in weights])),
        "count": len(weights),
    }


def hash_file(path):
    """Returns the hash of a file."""
    return hash_bytes(Path(path).read_bytes())


def hash_folder(folder):
    """Returns {path inside the folder: hash} of all files."""
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hash_file(path) for path in files}
