"""Damage of data sets whose images are in records, TFDS and packed shards: found with its file and object, and nothing else."""

from PIL import Image
from planted_sets import BOX, HEIGHT, SECOND, WIDTH, encoded, examples_of, findings_of, picture, put, write_tfds, write_tfrecord


def damaged_examples():
    """Returns the examples of a TFDS data set with damage."""
    examples = examples_of()
    train, val = examples["train"], examples["val"]
    train["train0"][1] += [(0, (70, 5, 120, 40)), (1, (5, 52, 5, 60)), (0, (30, 55, 8, 70)), (1, SECOND)]
    train["train1"][1] += [(0, (12, 8, 44, 49)), (1, (12, 8, 44, 49.5)), (-1, (2, 52, 20, 70)), (0, (2, 60, 2.3, 70))]
    train["train2"][1][:] = [(0, (0, 0, WIDTH, HEIGHT))]
    train["train3"][0] = train["train3"][0][:-700]
    train["train4"][0] = encoded(picture(2).convert("L"))
    train["train5"][0] = b""
    train["train6"] = [train["train0"][0], [(0, BOX)]]
    val["val0"][0] = train["train4"][0]
    val["val1"][0] = encoded(picture(301).transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    val["val2"][0] = encoded(picture(308, (20, 15)))
    return examples


def test_damage_of_a_tfds_data_set_is_found_and_nothing_else(tmp_path):
    assert findings_of(write_tfds(tmp_path / "clean", examples_of())) == set()
    # Examples come in the order of hashes of their names.
    train0, train1, train2, train3, train4, train5 = (4, 1, 5, 0, 2, 6)
    words, folder = "planted/1.0.0 train", "yolo_tf_images/planted/1.0.0"
    assert findings_of(write_tfds(tmp_path / "set", damaged_examples())) - {("anchors.recall", "", "")} == {
        ("labels.outside", words, f"example {train0}, object 2"),
        ("labels.no_area", words, f"example {train0}, object 3"),
        ("labels.swapped", words, f"example {train0}, object 4"),
        ("labels.repeated", words, f"example {train0}, object 5"),
        ("boxes.nearly_equal", words, f"example {train1}, object 2"),
        ("boxes.two_classes", words, f"example {train1}, object 3"),
        ("labels.class", words, f"example {train1}, object 4"),
        ("boxes.vanish", words, f"example {train1}, object 5"),
        ("boxes.cover_image", words, f"example {train2}, object 0"),
        ("files.truncated", f"{folder}/train/00000{train3}.jpg", ""),
        ("images.grey", f"{folder}/train/00000{train4}.jpg", ""),
        ("files.empty", f"{folder}/train/00000{train5}.jpg", ""),
        ("files.same", f"{folder}/train/00000{train0}.jpg", ""),
        ("splits.labels_differ", f"{folder}/train/00000{train0}.jpg", ""),
        ("splits.leak", f"{folder}/val/000000.jpg", ""),
        ("images.grey", f"{folder}/val/000000.jpg", ""),
        ("splits.near_leak", f"{folder}/val/000001.jpg", ""),
        ("images.tiny", f"{folder}/val/000002.jpg", ""),
    }


def spoil_images(root):
    put(root / "train/train1.jpg", (root / "train/train1.jpg").read_bytes()[:-700])
    put(root / "train/train2.jpg", b"")
    put(root / "train/train3.jpg", b"no picture at all")
    put(root / "train/train4.jpg", encoded(picture(2).convert("CMYK")))
    put(root / "val/val1.jpg", (root / "train/train5.jpg").read_bytes())
    put(root / "val/val2.jpg", encoded(picture(206).resize((60, 45))))


def spoil_index(index):
    boxes = [(0, 70, 5, 120, 40), (1, 5, 52, 5, 60), (0, 30, 55, 8, 70), (1, *SECOND), (2, 2, 52, 20, 70)]
    boxes += [(0, 12, 8, 44, 49), (1, 12, 8, 44, 49.5), (0, 2, 60, 2.3, 70), (0, 0, 0, WIDTH, HEIGHT)]
    index["images"][0]["labels"] += [[class_id, 0, *box] for class_id, *box in boxes]


def test_damage_of_packed_shards_is_found_and_nothing_else(tmp_path):
    assert findings_of(write_tfrecord(tmp_path / "clean")) == set()
    index, shard = "train/index.json", "train/00000.tfrecord"
    found = findings_of(write_tfrecord(tmp_path / "set", spoil_images, spoil_index))
    assert found - {("anchors.recall", "", "")} == {
        ("labels.outside", index, "image train1, object 2"),
        ("labels.no_area", index, "image train1, object 3"),
        ("labels.swapped", index, "image train1, object 4"),
        ("labels.repeated", index, "image train1, object 5"),
        ("labels.class", index, "image train1, object 6"),
        ("boxes.nearly_equal", index, "image train1, object 7"),
        ("boxes.two_classes", index, "image train1, object 8"),
        ("boxes.vanish", index, "image train1, object 9"),
        ("boxes.cover_image", index, "image train1, object 10"),
        ("files.truncated", f"{shard} (image train1)", ""),
        ("files.empty", f"{shard} (image train2)", ""),
        ("files.unreadable", f"{shard} (image train3)", ""),
        ("images.cmyk", f"{shard} (image train4)", ""),
        ("splits.leak", "val/00000.tfrecord (image val1)", ""),
        ("splits.near_leak", "val/00000.tfrecord (image val2)", ""),
    }
    (tmp_path / "set" / shard).unlink()
    assert ("splits.unreadable", shard, "") in findings_of(tmp_path / "set/data.yaml", only=["splits"])
