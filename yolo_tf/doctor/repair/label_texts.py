"""The label files of one split, as they are and as they should be; one function for each format that can be written."""

import dataclasses
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

from yolo_tf.doctor.repair.mending import meaning_of_pixels, mend_annotation, mend_object, mended_row
from yolo_tf.sources.coco_json import image_entries
from yolo_tf.sources.dataset_yaml import find_path
from yolo_tf.sources.label_check import Problems
from yolo_tf.sources.label_files import YOLO_LABELS, find_label_files
from yolo_tf.sources.pascal_voc import annotation_files, parse_annotation
from yolo_tf.system.text_file import read_bytes, read_lines


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Labels:
    """The labels of one image for `layout.Entry`, and what was done to them."""

    label: object = None
    changes: tuple = ()  # of (place, kind, before, after); after "" = removed
    unusable: str = ""  # why image and labels go


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Orders:
    """What is to be mended in the labels of a split."""

    kinds: dict[str, str]  # place of a label -> kind of its Fault
    spoiled: dict[str, str]  # place of a label file, or of an image in one -> why all its labels go
    turned: frozenset[str]  # paths of images whose boxes were drawn on the stored pixels
    class_names: tuple[str, ...]
    subtract: int  # taken from each class id, where they count from 1


def yolo_labels(split, source, orders):
    """Returns ({image path: Labels} of a SplitFacts as Orders say, {})."""
    paths = [Path(record.path) for record in split.reading.records]
    beside = {fault.where for fault in split.reading.faults if fault.kind == "misplaced"}
    files = find_label_files(paths, split.name, Problems(strict=False), YOLO_LABELS)
    found, pixels = {}, meaning_of_pixels(_rows_in_pixels(split, files, orders))
    for record, path, file in zip(split.reading.records, paths, files, strict=True):
        own = str(path.with_suffix(YOLO_LABELS.suffix))
        moved = not file and own in beside
        file = own if moved else file
        if file is None or file in orders.spoiled:
            found[record.path] = Labels(unusable=orders.spoiled.get(file, ""))
            continue
        text, changes = _mended_rows(file, (record.height, record.width), orders, pixels)
        if moved:
            changes.append((file, "misplaced", file, "moved to where it is looked for"))
        found[record.path] = Labels(label=text, changes=tuple(changes))
    return found, {}


def _rows_in_pixels(split, files, orders):
    """Yields (text, (height, width) px of the image) of the rows in pixels."""
    told = {place.rpartition(":")[0] for place, kind in orders.kinds.items() if kind == "pixels"}
    for record, file in zip(split.reading.records, files, strict=True):
        if file in told:
            rows = enumerate(read_lines(file), start=1)
            texts = (row for number, row in rows if orders.kinds.get(f"{file}:{number}") == "pixels")
            yield from ((text, (record.height, record.width)) for text in texts)


def _mended_rows(file, size, orders, pixels):
    """Returns the text of a YOLO file as it should be, and its changes; untouched, its bytes as they are."""
    rows, changes = [], []
    for number, row in enumerate(read_lines(file), start=1):
        place, after = f"{file}:{number}", row
        kind = orders.kinds.get(place)
        if orders.subtract and row.strip():
            kind = "off_by_one" if kind in (None, "class") else kind
        if kind and kind != "off_by_one":
            after = mended_row(kind, row, size, pixels=pixels)
        if kind and after.strip():
            after = _with_class(after, orders)
        if kind:
            changes.append((place, kind, row, after))
        rows += [after] if after.strip() else []
    return ("".join(f"{row}\n" for row in rows) if changes else read_bytes(file)), changes


def _with_class(row, orders):
    """Returns a row with its class counted from 0; "" where it is no class."""
    word, *rest = row.split()
    try:
        class_id = float(word) - orders.subtract
    except ValueError:
        return ""
    known = class_id.is_integer() and 0 <= class_id < len(orders.class_names)
    return " ".join([f"{class_id:.0f}" if orders.subtract else word, *rest]) if known else ""


def voc_labels(split, source, orders):
    """Returns ({image path: Labels} of a SplitFacts as Orders say, {})."""
    found, files = {}, annotation_files(source, split.name)
    for record, image in zip(split.reading.records, split.images, strict=True):
        file = files.get(record.path)
        if file is None or str(file) in orders.spoiled:
            found[record.path] = Labels(unusable=orders.spoiled.get(str(file), ""))
            continue
        root, turned = parse_annotation(file), record.path in orders.turned
        changes = [_state_size(root, image.stored_size, str(file))] if turned else []
        changes += _mended_objects(root, str(file), _size_of(record, image, turned), orders, turned)
        found[record.path] = Labels(label=_bytes_of(root) if changes else read_bytes(file), changes=tuple(changes))
    return found, {}


def _size_of(record, image, turned):
    """Returns the (height, width) px that boxes are of, in the copy."""
    return image.stored_size if turned else (record.height, record.width)


def _kind_of(place, orders, turned):
    """Returns the kind of fault that is to be mended at a place, or None; in a turned image no box is outside any more."""
    kind = orders.kinds.get(place)
    return None if turned and kind == "outside" else kind


def _mended_objects(root, file, size, orders, turned):
    """Mends the objects of an annotation; returns the changes."""
    changes = []
    for node in list(root.findall("object")):
        place = f"{file}:{node.get('line')}"
        kind = _kind_of(place, orders, turned)
        if kind:
            before, stays = _plain(node), mend_object(kind, node, size, orders.class_names)
            changes.append((place, kind, before, _plain(node) if stays else ""))
            if not stays:
                root.remove(node)
    return changes


def coco_labels(split, source, orders):
    """Returns ({image path: Labels} of a SplitFacts as Orders say, the rest of its document)."""
    document, entries = image_entries(source, split.name)
    file = str(find_path(source, split.name, source.splits[split.name][0]))
    of_image, counts = {}, Counter(str(annotation.get("id")) for annotation in document["annotations"])
    for annotation in document["annotations"]:
        of_image.setdefault(str(annotation.get("image_id")), []).append(annotation)
    found = {}
    for record, image in zip(split.reading.records, split.images, strict=True):
        kept, changes, whole, turned = [], [], dict(entries[record.path][0]), record.path in orders.turned
        unusable = [orders.spoiled.get(f"{file}: image {entry['id']}", "") for entry in entries[record.path]]
        if turned:
            stated = {"width": image.stored_size[1], "height": image.stored_size[0]}
            changes.append((f"{file}: image {whole['id']}", "rotated_labels", {key: whole.get(key) for key in stated}, stated))
            whole |= stated
        for annotation in (one for entry in entries[record.path] for one in of_image.get(str(entry["id"]), ())):
            place, before = f"{file}: annotation {annotation.get('id')}", dict(annotation)
            kind = _kind_of(place, orders, turned) if counts[str(annotation.get("id"))] == 1 else None
            stays = mend_annotation(kind, annotation, _size_of(record, image, turned)) if kind else True
            kept += [annotation] if stays else []
            changes += [(place, kind, before, dict(annotation) if stays else "")] if kind else []
        found[record.path] = Labels(label=(whole, kept), changes=tuple(changes), unusable=" ".join(filter(None, unusable)))
    return found, {key: value for key, value in document.items() if key not in ("images", "annotations")}


def _plain(node):
    """Returns the text of an element in one line."""
    return (
        "" if node is None else ", ".join(f"{part.tag} {part.text.strip()}" for part in node.iter() if (part.text or "").strip())
    )


def _state_size(root, size, file):
    """States (height, width) in an annotation; returns the change."""
    node = root.find("size")
    node, before = ElementTree.SubElement(root, "size") if node is None else node, _plain(node)
    for side, value in (("width", size[1]), ("height", size[0])):
        part = node.find(side)
        part = ElementTree.SubElement(node, side) if part is None else part
        part.text = str(value)
    return (file, "rotated_labels", before, _plain(node))


def _bytes_of(root):
    for node in root.iter():
        node.attrib.pop("line", None)
    return ElementTree.tostring(root, encoding="utf-8")
