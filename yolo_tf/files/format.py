"""What a row of FORMATS says, and what several formats share."""

import dataclasses
import zipfile
from collections.abc import Callable

from yolo_tf.errors import InputError

MEMBER = "detector.json"  # what every network file carries: files/spec.py
CANDIDATES = ("boxes", "scores")  # names of the outputs, here and with suppression inside
DETECTIONS = (*CANDIDATES, "class_ids", "num_detections")
# suffix -> (what such a file is, the command that makes a network file of it)
IMPORTED = {
    ".pt": ("A YOLOv5 checkpoint", "import-yolov5"),
    ".pth": ("A YOLOX checkpoint", "import-yolox"),
    ".onnx": ("A YOLOX export", "import-yolox"),  # where it carries no detector.json
}


def read_inside(path, name):
    """Returns the text of a file in a directory; otherwise of a member of the ZIP archive that a file is, or ends with."""
    if path.is_dir():
        return (path / name).read_text(encoding="utf-8")
    with zipfile.ZipFile(path) as archive:
        return archive.read(name).decode("utf-8")


def write_inside(path, name, text):
    """Writes what `read_inside` reads; a file that is no ZIP archive gets one behind it. Equal texts give equal bytes."""
    if path.is_dir():
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_text(text, encoding="utf-8")
    else:
        member = zipfile.ZipInfo(name)  # of 1980: the time of writing is nothing that a file should differ by
        member.external_attr = 0o644 << 16
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(member, text)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FileFormat:
    """A format of network files, read and written: a file of its suffix, or a directory that holds its graph."""

    # (path, threads of the CPU) -> dict of the parts of a Detector that the file decides: "candidates", or the "network" that
    # gives them; "image_size", whose sides are no numbers where any will do; beside "candidates" "scores", their shape [B, D, C]
    # with None for what is not known; "serve", to the fields of Detections. Where TensorFlow does not run it, images and
    # answers are NumPy arrays. A damaged file may raise anything.
    open: Callable
    suffix: str = ""  # "" = a directory
    graph: str = ""  # of a directory: the file that tells it from others
    title: str = ""  # of a directory: what people call it
    tensorflow: bool = False  # runs it, so a GPU may; the others compute on the CPU
    one_at_a_time: bool = False  # whether its functions hold what two calls must not share
    spec_name: str = MEMBER  # of the spec's text inside
    read_text: Callable = read_inside  # (path, name) -> text; OSError, BadZipFile, KeyError or ValueError where there is none
    write_text: Callable = write_inside  # (path, name, text), to a file that was just written

    @property
    def words(self):
        """ ".keras file" or "SavedModel directory"."""
        return f"{self.suffix} file" if self.suffix else f"{self.title} directory"

    def recognises(self, path):
        """Returns whether a path is of this format: a directory by its graph, anything else by its suffix."""
        return path.suffix.lower() == self.suffix and not path.is_dir() if self.suffix else (path / self.graph).is_file()


def how_to_import(path):
    """Returns the sentence that a person needs who gives a file of another program where a network file belongs; else ""."""
    if path.suffix.lower() not in IMPORTED:
        return ""
    origin, command = IMPORTED[path.suffix.lower()]
    return f" {origin} becomes one: yolo-tf {command} {path} --out {path.with_suffix('.keras').name}"


def wrong_size(path, got, expected):
    """Returns the InputError for images of another (height, width) px than the file takes."""
    return InputError(
        f"{path}: got images of {got[0]} x {got[1]} px (height x width). Expected {expected[0]} x {expected[1]}, the size"
        " inside the file. Leave `image_size` out, or export again with the size you want."
    )
