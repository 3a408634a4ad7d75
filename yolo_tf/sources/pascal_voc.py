"""Pascal VOC: one XML file per image, laid out as VOC2007 does.

    Annotations/000005.xml   JPEGImages/000005.jpg   ImageSets/Main/train.txt (one image name per line)

`train: train` in the data set YAML means ImageSets/Main/train.txt; several lists may be given. Where there is no such list,
it means the images in the folder `train`, each with its XML as `label_files` says: in Annotations beside JPEGImages or
images, or beside the image, as labelling tools write them. There an image without an XML file is background. Boxes are
VOC's: the indices of the first and last pixel inside, counted from 1. So xmin - 1, ymin - 1, xmax, ymax are
the edges in pixels. Class ids follow `names`; without them, the names found in all splits, sorted. An object
marked difficult becomes a crowd box: never a target, ignored in AP.
Source: M. Everingham, J. Winn, The PASCAL Visual Object Classes Challenge 2007 Development Kit.
"""

import os
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import NamedTuple
from xml.parsers import expat

from yolo_tf.errors import InputError
from yolo_tf.sources.dataset_yaml import find_path
from yolo_tf.sources.faults import collecting
from yolo_tf.sources.image_files import image_ids, usable_image_size
from yolo_tf.sources.label_check import (
    Problems,
    RawLabel,
    area_fault,
    listed_once,
    make_record,
    reject_label,
    upright_labels,
)
from yolo_tf.sources.label_files import VOC_LABELS, find_label_files, label_path, note_labels_without_image
from yolo_tf.sources.stated_flag import stated_flag
from yolo_tf.sources.stated_size import stated_size
from yolo_tf.system.class_names import clean_name
from yolo_tf.system.file_lookup import suffix_finder, written_path
from yolo_tf.system.image_formats import IMAGE_SUFFIXES, UNREAD_SUFFIXES
from yolo_tf.system.image_walk import walk_images
from yolo_tf.system.text_file import read_bytes, read_lines

OPTIONS = {}
OTHERWISE = ", or name a folder of images instead of a list (`.` for all of `path`),"


class _Place(NamedTuple):
    """One image of a split."""

    image_id: str
    image: Path
    xml: Path | None  # None = the image has no label file


def read(source, split, problems):
    """Reads one split; see `yolo_tf.sources.READERS`. The image id is the name in the list, or that of the file.

    Raises:
        InputError: a missing path, a broken XML file, an unusable image or one of another size than its XML
            says, a folder without any XML file, or a bad label when problems.strict.
    """
    find = suffix_finder()
    places = _places(source, split, find, problems)
    class_names = source.names or _names_of_all_splits(source, find)
    records = []
    for image_id, path, xml_path in places:
        size = usable_image_size(path, problems)
        if size is None:
            continue
        labels = ()
        if xml_path and problems.labels:
            with collecting(problems, "unreadable"):
                labels = _labels_in(xml_path, path, size, class_names, problems)
        records.append(make_record(image_id, path, size, labels, class_names=class_names, problems=problems))
    return class_names, records


def annotation_files(source, split):
    """Returns {path of an image as text: its XML file as a Path, or None} of a split; raises as `read`."""
    return {str(place.image): place.xml for place in _places(source, split, suffix_finder(), Problems(strict=False))}


def _labels_in(xml_path, path, size, class_names, problems):
    """Returns the RawLabels of an annotation, in px of the upright image at `path`."""
    root = parse_annotation(xml_path)
    stated = stated_size(_text(root, "size/height"), _text(root, "size/width"))
    labels = list(_raw_labels(root, xml_path, class_names, problems))
    with collecting(problems, "stated_size"):
        return upright_labels(labels, path, stated=stated, size=size, where=xml_path, problems=problems)
    return ()


def _places(source, split, find, problems):
    """Returns the _Places of a split."""
    names, places = [], []
    for entry in source.splits[split]:
        name = re.sub(r"[.]txt$", "", entry, flags=re.IGNORECASE)
        list_path = find(f"{source.path}/ImageSets/Main/{name}", (".txt",))
        folder = written_path(source.path, entry)
        if list_path is None and folder.is_dir():
            places += _places_in(folder, source, split, problems)
        else:
            list_path = list_path or find_path(source, split, f"ImageSets/Main/{name}.txt", otherwise=OTHERWISE)
            names += _listed_names(list_path, source, find)
    names = listed_once(names, split, problems)
    return [_Place(name, _image_path(source, name, find), _xml_path(source, name, find)) for name in names] + places


def _places_in(folder, source, split, problems):
    """Returns the _Places of the images in a folder."""
    walk = walk_images(folder)
    problems.notes.extend(walk.notes(split))
    if not problems.labels:
        xml_paths = [None] * len(walk.images)
    else:
        note_labels_without_image(folder, (*walk.images, *walk.unread), split, problems, VOC_LABELS)
        xml_paths = find_label_files(walk.images, split, problems, VOC_LABELS)
        if walk.images and not any(xml_paths):
            raise InputError(
                f"{source.yaml_path}: {split}: not one of {len(walk.images)} images in {folder} has an XML file. Expected"
                f" {label_path(walk.images[0], VOC_LABELS)} for {walk.images[0]}. Put the labels there."
            )
    ids = image_ids(walk.images, source.path)
    return [_Place(name, path, xml and Path(xml)) for name, path, xml in zip(ids, walk.images, xml_paths, strict=True)]


def _listed_names(list_path, source, find):
    for name in filter(None, map(str.strip, read_lines(list_path))):
        # The lists of one class have a second column; a name may end like one.
        whole = find(f"{source.path}/Annotations/{name}", (".xml",))
        yield name if whole else re.sub(r"\s+[+-]?[01]$", "", name)


def _names_of_all_splits(source, find):
    noticed = Problems(strict=False)  # what is to be said of a split is said when it is read
    paths = (place.xml for split in source.splits for place in _places(source, split, find, noticed) if place.xml)
    return tuple(sorted({_class_name(node, path) for path in paths for node in parse_annotation(path).findall("object")} - {""}))


def _xml_path(source, name, find):
    place = f"{source.path}/Annotations/{name}"
    return Path(find(place, (".xml",)) or f"{place}.xml")


def _image_path(source, name, find):
    # VOC itself knows only .jpg; the <filename> in the XML is often wrong after a renaming.
    place = f"{source.path}/JPEGImages/{name}"
    return Path(find(place, (*IMAGE_SUFFIXES, *UNREAD_SUFFIXES)) or f"{place}.jpg")


def _raw_labels(root, xml_path, class_names, problems):
    for node in root.findall("object"):
        where = f"{xml_path}:{node.get('line')}"
        name = _class_name(node, xml_path)
        texts = {side: _text(node, f"bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax")}
        try:
            xmin, ymin, xmax, ymax = (float(text) for text in texts.values())
        except ValueError:
            text = f"bndbox {texts} is not four numbers. Expected pixels. Correct the object."
            reject_label(problems, where, text, "numbers")
            continue
        try:
            is_crowd = stated_flag(_text(node, "difficult"))
        except ValueError as error:
            reject_label(problems, where, f"difficult {error} Correct the object.", "flag")
            continue
        if name not in class_names:
            reject_label(
                problems,
                where,
                f"class '{name}' is not among {list(class_names)[:10]}. Expected one of these."
                " Correct the object or add the name to the data set YAML.",
                "class",
            )
        elif xmax <= xmin or ymax <= ymin:  # a stray click: one pixel by the letter of VOC, no object
            fault = f"bndbox {texts} has no area. Expected xmin < xmax and ymin < ymax. Correct the object."
            reject_label(problems, where, fault, area_fault(xmin, ymin, xmax, ymax))
        else:
            yield RawLabel(where, class_names.index(name), (xmin - 1, ymin - 1, xmax, ymax), is_crowd)


def _class_name(node, xml_path):
    """Returns the class of an object element, "" where it has none."""
    name = _text(node, "name")
    return name and clean_name(name, f"{xml_path}:{node.get('line')}")


def _text(node, path):
    """Returns the text of the element at `path` below a node, without spaces around it; "" where there is none."""
    return (node.findtext(path) or "").strip()


def parse_annotation(xml_path):
    """Returns the root element; every element has its line number as the attribute `line`.

    A document type is refused, and with it every entity: an annotation needs none, and an entity can expand
    without bound or name another file.

    Raises:
        InputError: no such file, not well formed, a document type, or no annotation.
    """
    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda tag, _: builder.start(tag, {"line": str(parser.CurrentLineNumber)})
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data

    def refuse(*_):
        raise InputError(
            f"{xml_path}:{parser.CurrentLineNumber}: has a document type. Expected a plain annotation. Remove <!DOCTYPE …>."
        )

    parser.StartDoctypeDeclHandler = refuse
    if not os.path.lexists(xml_path):
        raise InputError(
            f"{xml_path}: does not exist. Expected the annotation of a listed image. Restore it or shorten the list."
        )
    content = read_bytes(xml_path, expected="an annotation")
    try:
        parser.Parse(content, True)
    except InputError:
        raise
    except (expat.ExpatError, LookupError, ValueError) as error:  # ValueError: an encoding that the parser does not know
        line = getattr(error, "lineno", 1)
        reason = expat.ErrorString(error.code) if hasattr(error, "code") else error
        raise InputError(
            f"{xml_path}:{line}: is not well formed ({reason}). Expected XML in UTF-8, or in the encoding that it names."
            " Correct that line."
        ) from error
    root = builder.close()
    if root.tag != "annotation":
        raise InputError(
            f"{xml_path}: is an XML file of <{root.tag}>. Expected <annotation>, as Pascal VOC has it. Export it in that format."
        )
    return root
