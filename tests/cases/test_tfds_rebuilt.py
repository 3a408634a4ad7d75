"""A TFDS data set that its owner builds again under the same version; and one whose classes are only numbered."""

import shutil

import numpy as np
import pytest

from yolo_tf.data.image_scan import check_images
from yolo_tf.data.images import read_record_image
from yolo_tf.sources import read_dataset, read_source


def build(root, seed):
    """Prepares `own_set` 1.0.0: three pictures with one rectangle each, whose colour and place depend on the seed."""
    import tensorflow_datasets as tfds

    features = tfds.features
    with tfds.core.registered.skip_registration():

        class OwnSet(tfds.core.GeneratorBasedBuilder):
            VERSION = tfds.core.Version("1.0.0")

            def _info(self):
                objects = features.Sequence({"bbox": features.BBoxFeature(), "label": features.ClassLabel(num_classes=2)})
                both = features.FeaturesDict({"image": features.Image(encoding_format="png"), "objects": objects})
                return tfds.core.DatasetInfo(builder=self, features=both)

            def _split_generators(self, dl_manager):
                return {"train": self._generate_examples()}

            def _generate_examples(self):
                for number in range(3):
                    picture = np.full((40, 64, 3), 10, np.uint8)
                    picture[4 : 24 + seed, 8:40] = 100 + seed
                    box = features.BBox(ymin=4 / 40, xmin=8 / 64, ymax=(24 + seed) / 40, xmax=40 / 64)
                    yield number, {"image": picture, "objects": [{"bbox": box, "label": number % 2}]}

    OwnSet(data_dir=str(root), file_format="tfrecord").download_and_prepare()


@pytest.mark.slow
def test_a_set_rebuilt_under_its_version_shows_its_new_pictures(tmp_path):
    (tmp_path / "data.yaml").write_text("format: tfds\nname: own_set\npath: tfds\ntrain: train\n")
    for seed in (0, 9):
        shutil.rmtree(tmp_path / "tfds" / "own_set", ignore_errors=True)
        build(tmp_path / "tfds", seed)
        dataset = read_dataset(read_source(tmp_path / "data.yaml"), "train")
        check_images(dataset)
        assert dataset.class_names == ("0", "1")
        for record in dataset.records:
            np.testing.assert_allclose(record.boxes, [[8, 4, 40, 24 + seed]], atol=1e-4)
            rows, columns = np.nonzero(read_record_image(record)[..., 0] == 100 + seed)
            assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == (8, 4, 40, 24 + seed)
    (tmp_path / "named.yaml").write_text("format: tfds\nname: own_set\npath: tfds\ntrain: train\nnames: [car, bus]\n")
    assert read_dataset(read_source(tmp_path / "named.yaml"), "train").class_names == ("car", "bus")
