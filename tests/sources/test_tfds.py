"""TensorFlow Datasets, on a locally built data set."""

from pathlib import Path

import pytest
from three_images import IMAGES

from yolo_tf.errors import InputError
from yolo_tf.sources import read_dataset, read_source


def reread(source, text):
    source.yaml_path.write_text(text)
    return read_source(source.yaml_path)


def test_images_are_written_once(written):
    source = written("tfds")
    first = read_dataset(source, "train")
    paths = [Path(record.path) for record in first.records]
    assert {path.parent for path in paths} == {source.path / "yolo_tf_images/three_images/1.2.3/train"}
    assert (paths[0].parent / "source.json").is_file()
    assert sorted(path.name for path in paths) == ["000000.png", "000001.png", "000002.png"]
    times = [path.stat().st_mtime_ns for path in paths]
    second = read_dataset(source, "train")
    assert [path.stat().st_mtime_ns for path in paths] == times
    assert [record.image_id for record in second.records] == [record.image_id for record in first.records]


def test_images_of_an_earlier_version_are_written_anew(written):
    source = written("tfds")
    path = Path(read_dataset(source, "train").records[0].path)
    right = path.read_bytes()
    path.write_bytes(b"of another data set")
    (path.parent / "source.json").unlink()
    read_dataset(source, "train")
    assert path.read_bytes() == right


def test_slices_and_another_image_directory(written):
    text = "format: tfds\nname: three_images\ntrain: 'train[:2]'\nval: 'train[2:]'\nimages: elsewhere\n"
    source = reread(written("tfds"), text)
    train, val = read_dataset(source, "train"), read_dataset(source, "val")
    assert (len(train.records), len(val.records)) == (2, 1)
    assert {record.image_id for record in (*train.records, *val.records)} == {name for name, _, _ in IMAGES}
    assert Path(val.records[0].path).is_relative_to(source.path / "elsewhere")


def test_errors_are_one_clear_line(written):
    source = written("tfds")
    bad = {
        "train: train": r"no data set name\. Expected `name: voc/2007`",
        "name: no_such_set\ntrain: train": r"name: 'no_such_set' cannot be opened in .* Expected a name from",
        "name: three_images\ntrain: trian": r"train: three_images/1\.2\.3 has no split 'trian'\. Expected one of: train",
        "name: three_images\ntrain: train\nnames: [a]": r"names: \['a'\] differ from three_images/1\.2\.3\. Expected \['cat'",
        # Known to TensorFlow Datasets, but nothing was fetched: never a silent download.
        "name: voc/2007\ntrain: train": r"voc/2007 is not in .* Expected downloaded data\. Fetch them .*download: true",
        "name: mnist\ntrain: train": r"mnist is not in",
    }
    for text, message in bad.items():
        with pytest.raises(InputError, match=r"data\.yaml: .*" + message) as caught:
            read_dataset(reread(source, f"format: tfds\n{text}\n"), "train")
        assert "\n" not in str(caught.value)


def test_a_set_without_boxes_is_refused(tmp_path):
    import numpy as np
    import tensorflow_datasets as tfds

    with tfds.core.registered.skip_registration():

        class OnlyImages(tfds.core.GeneratorBasedBuilder):
            VERSION = tfds.core.Version("1.0.0")

            def _info(self):
                return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict({"image": tfds.features.Image()}))

            def _split_generators(self, dl_manager):
                return {"train": self._generate_examples()}

            def _generate_examples(self):
                yield 0, {"image": np.zeros((4, 6, 3), np.uint8)}

    OnlyImages(data_dir=str(tmp_path), file_format="tfrecord").download_and_prepare()
    (tmp_path / "data.yaml").write_text("format: tfds\nname: only_images\ntrain: train\n")
    with pytest.raises(InputError, match=r"only_images/1\.0\.0 has the features image\. Expected image, objects/bbox"):
        read_dataset(read_source(tmp_path / "data.yaml"), "train")
