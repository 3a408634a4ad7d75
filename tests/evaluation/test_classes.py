"""Classes of a data set and of a detector are told by name."""

import numpy as np
import pytest

from yolo_tf.errors import InputError
from yolo_tf.evaluation.classes import match_classes
from yolo_tf.structures import DetectionDataset, ImageRecord
from yolo_tf.terminal import sent_to


@pytest.fixture
def told():
    """The lines that were said."""
    lines = []
    with sent_to(lines.append):
        yield lines


def dataset_of(*names, class_ids=(2, 0, 0, 1)):
    """Returns a DetectionDataset of one image with a box of each of these class ids, and one without any."""
    boxes = np.tile(np.float32([[1, 2, 5, 9]]), (len(class_ids), 1))
    crowd = np.zeros(len(class_ids), bool)
    options = dict(path="a.png", height=20, width=30)
    full = ImageRecord(image_id="a", boxes=boxes, class_ids=np.array(class_ids, np.int32), is_crowd=crowd, **options)
    empty = ImageRecord(image_id="b", boxes=boxes[:0], class_ids=full.class_ids[:0], is_crowd=crowd[:0], **options)
    return DetectionDataset(class_names=names, records=(full, empty))


def test_the_same_names_stay_as_they_are(told):
    dataset = dataset_of("owl", "emu", "jay")
    assert match_classes(dataset, ["owl", "emu", "jay"], of="m.keras") is dataset and not told


def test_another_order_is_told_by_name(told):
    """Numbers 2, 0, 0, 1 are jay, owl, owl, emu: in the detector's order 0, 2, 2, 1."""
    matched = match_classes(dataset_of("owl", "emu", "jay"), ["jay", "emu", "owl"], of="m.keras")
    assert matched.class_names == ("jay", "emu", "owl")
    assert [record.class_ids.tolist() for record in matched.records] == [[0, 2, 2, 1], []]
    assert matched.records[0].class_ids.dtype == np.int32
    (line,) = told
    assert "by name" in line and "['owl', 'emu', 'jay']" in line and "m.keras ['jay', 'emu', 'owl']" in line


@pytest.mark.parametrize("ours, theirs", [(("0", "1", "2"), ("owl", "emu", "jay")), (("owl", "emu", "jay"), ("0", "1", "2"))])
def test_numbers_are_no_names(ours, theirs, told):
    matched = match_classes(dataset_of(*ours), theirs, of="m.keras")
    assert matched.class_names == theirs and matched.records[0].class_ids.tolist() == [2, 0, 0, 1]
    (line,) = told
    assert "by number" in line and "['owl', 'emu', 'jay']" in line
    assert ("the data set has no names" if ours[0] == "0" else "m.keras has no names") in line


def test_one_class_by_wish_may_have_any_name(told):
    dataset = dataset_of("object", class_ids=(0, 0))
    assert match_classes(dataset, ["cell"], of="m.keras", merged=True).class_names == ("cell",) and not told
    with pytest.raises(InputError, match="only the detector has \\['cell'\\]; only the data set has \\['object'\\]"):
        match_classes(dataset, ["cell"], of="m.keras")


@pytest.mark.parametrize(
    "ours, theirs, parts",
    [
        (
            ("owl", "emu", "jay"),
            ("owl", "emu", "Jay"),
            ["finds 3 classes", "only the detector has ['Jay']; only the data set has ['jay']"],
        ),
        (("owl", "emu", "jay"), ("owl", "emu", "jay", "tit"), ["finds 4 classes", "has 3", "only the detector has ['tit']."]),
        (("0", "1", "2"), ("owl", "emu"), ["finds 2 classes, ['owl', 'emu']", "has 3, ['0', '1', '2']"]),
        (
            ("owl", "emu", "jay"),
            tuple(f"bird {n}" for n in range(80)),
            ["finds 80 classes, ['bird 0', 'bird 1', 'bird 2'] and 77 more;"],
        ),
    ],
)
def test_other_names_are_refused_in_one_line(ours, theirs, parts):
    with pytest.raises(InputError) as error:
        match_classes(dataset_of(*ours), theirs, of="m.keras")
    line = str(error.value)
    assert line.startswith("m.keras: ") and "\n" not in line and "Expected the same names, in any order" in line
    assert all(part in line for part in parts), line
