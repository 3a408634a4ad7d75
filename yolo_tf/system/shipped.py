"""The configs that come with the program, found from any directory."""

from pathlib import Path

from yolo_tf.errors import InputError, did_you_mean

# Inside the package, where the source has a link; beside it, where a system made a file of the link.
_PACKAGE = Path(__file__).resolve().parents[1]
PLACES = (_PACKAGE / "configs", _PACKAGE.parent / "configs")


def find_shipped(path, *folders, required=False):
    """Returns a file as it is where it exists, else that of the same name among those that come with the program.

    Args:
        path: of a YAML file; `configs/...` from any directory, or the mere name of a file in `folders`, without its suffix.
        folders: of configs/, "" for itself.
        required: whether a mere name must be one of theirs.

    Returns:
        Path; as given where there is no such file.

    Raises:
        InputError: `required`, and no file has that name.
    """
    path, root = Path(path), next(place for place in PLACES if place.is_dir())
    if path.is_file() or path.is_absolute():
        return path
    if path.parts[:1] == ("configs",):
        inside = root / Path(*path.parts[1:])
        return inside if inside.is_file() else path
    if len(path.parts) != 1 or path.suffix:
        return path
    known = {file.stem: file for folder in reversed(folders) for file in (root / folder).glob("*.yaml")}
    if required and path.name not in known:
        raise InputError(
            f"{path}: no such file, and no config of that name comes with the program.{did_you_mean(path.name, known)} Expected"
            f" a YAML file, or one of {len(known)} names such as {', '.join(sorted(known)[:3])}. Correct it."
        )
    return known.get(path.name, path)
