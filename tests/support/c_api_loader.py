"""A program for a process of its own: SavedModel, requests -> answers, by TensorFlow's C API and no TensorFlow for Python.

python -I c_api_loader.py SAVED_MODEL REQUESTS.npz ANSWERS.npz LIBRARY NAMES.json. TF_LoadSessionFromSavedModel is the C++ loader
that TensorFlow Serving calls too; requests are fed and fetched by the tensor names of the SignatureDefs, which NAMES.json holds:
{signature: {"inputs": {key: name}, "outputs": {key: name}}}.

Source: tensorflow/c/c_api.h, tf_tensor.h, tf_tstring.h (TF_TString takes 24 bytes).
"""

import ctypes
import json
import sys

STRING, STRING_BYTES = 7, 24
DATA_TYPES = {1: "float32", 3: "int32", 4: "uint8"}


class Output(ctypes.Structure):
    """TF_Output: a tensor of the graph."""

    _fields_ = [("operation", ctypes.c_void_p), ("index", ctypes.c_int)]


class Session:
    """A SavedModel, loaded for the tag `serve`."""

    def __init__(self, library, saved_model):
        self.c = ctypes.CDLL(library)
        for name in ("TF_NewStatus", "TF_NewGraph", "TF_NewSessionOptions", "TF_NewBuffer", "TF_GraphOperationByName"):
            getattr(self.c, name).restype = ctypes.c_void_p
        for name in ("TF_LoadSessionFromSavedModel", "TF_AllocateTensor", "TF_TensorData"):
            getattr(self.c, name).restype = ctypes.c_void_p
        self.c.TF_Message.restype, self.c.TF_Dim.restype = ctypes.c_char_p, ctypes.c_int64
        self.status, self.graph = (ctypes.c_void_p(make()) for make in (self.c.TF_NewStatus, self.c.TF_NewGraph))
        tags = (ctypes.c_char_p * 1)(b"serve")
        self.session = ctypes.c_void_p(
            self.c.TF_LoadSessionFromSavedModel(
                ctypes.c_void_p(self.c.TF_NewSessionOptions()),
                None,
                saved_model.encode(),
                tags,
                1,
                self.graph,
                ctypes.c_void_p(self.c.TF_NewBuffer()),
                self.status,
            )
        )
        self.check()

    def check(self):
        """Stops where the last call failed."""
        if self.c.TF_GetCode(self.status):
            raise SystemExit(self.c.TF_Message(self.status).decode())

    def run(self, feeds, fetches):
        """Runs the graph: {tensor name: array}, [tensor name] -> [array]."""
        inputs = (Output * len(feeds))(*map(self.find, feeds))
        values = (ctypes.c_void_p * len(feeds))(*map(self.tensor, feeds.values()))
        outputs = (Output * len(fetches))(*map(self.find, fetches))
        found = (ctypes.c_void_p * len(fetches))()
        counts = len(feeds), outputs, found, len(fetches)
        self.c.TF_SessionRun(self.session, None, inputs, values, *counts, None, 0, None, self.status)
        self.check()
        return [self.array(ctypes.c_void_p(value)) for value in found]

    def find(self, name):
        """Returns the TF_Output of `operation:index`."""
        operation, index = name.split(":")
        found = self.c.TF_GraphOperationByName(self.graph, operation.encode())
        assert found, f"no operation {operation}"
        return Output(found, int(index))

    def tensor(self, value):
        """Returns a new TF_Tensor with the values of an array; bytes objects become strings."""
        shape = (ctypes.c_int64 * value.ndim)(*value.shape)
        is_string = value.dtype == object
        number = STRING if is_string else next(number for number, name in DATA_TYPES.items() if name == value.dtype.name)
        size = STRING_BYTES * value.size if is_string else value.nbytes
        tensor = self.c.TF_AllocateTensor(number, shape, value.ndim, ctypes.c_size_t(size))
        data = self.c.TF_TensorData(ctypes.c_void_p(tensor))
        if not is_string:
            ctypes.memmove(data, value.ctypes.data, size)
        for index, item in enumerate(value.ravel() if is_string else ()):
            place = ctypes.c_void_p(data + index * STRING_BYTES)
            self.c.TF_StringInit(place)
            self.c.TF_StringCopy(place, item, ctypes.c_size_t(len(item)))
        return tensor

    def array(self, tensor):
        """Returns a copy of a TF_Tensor of numbers."""
        import numpy as np

        shape = [self.c.TF_Dim(tensor, axis) for axis in range(self.c.TF_NumDims(tensor))]
        value = np.empty(shape, DATA_TYPES[self.c.TF_TensorType(tensor)])
        ctypes.memmove(value.ctypes.data, self.c.TF_TensorData(tensor), value.nbytes)
        return value


def main(saved_model, requests, answers, library, names):
    """Loads, serves and writes what was answered."""
    for module in ("tensorflow", "keras", "yolo_tf"):
        sys.modules[module] = None  # an import fails
    import numpy as np

    session = Session(library, saved_model)
    with open(names) as file:
        signatures = json.load(file)
    found = {}
    for request, value in np.load(requests, allow_pickle=True).items():
        signature = signatures[request.split("-")[0]]
        ((_, slot),) = signature["inputs"].items()
        keys, fetches = zip(*signature["outputs"].items())
        for key, array in zip(keys, session.run({slot: np.ascontiguousarray(value)}, fetches)):
            found[f"{request}/{key}"] = array
    np.savez(answers, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
