"""Running out of memory or disk is one line."""

import errno
import os

import pytest
import tensorflow as tf

from yolo_tf.errors import InputError
from yolo_tf.files.run_directory import RunDirectory
from yolo_tf.training.failures import explained


@pytest.mark.parametrize(
    ("error", "batch_size", "message"),
    [
        (
            tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor"),
            12,
            r"train.batch_size: a step with 12 images of 96 x 64 px does not fit.*with train.batch_size=6: gradients",
        ),
        (tf.errors.ResourceExhaustedError(None, None, "OOM"), 1, "Start a new run with a smaller data.image_size or model"),
        (tf.errors.ResourceExhaustedError(None, None, "events; No space left on device"), 4, "/r: cannot be written .No space"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a.npz"), 4, r"No space left on device\).*train --resume --run .*/r$"),
        (OSError("unable to truncate"), 4, r"/r: cannot be written \(unable to truncate\)"),
    ],
)
def test_what_ran_out_is_said_in_one_line(tmp_path, error, batch_size, message):
    with pytest.raises(InputError, match=message) as caught:
        with explained(RunDirectory(tmp_path / "r"), batch_size=batch_size, image_size=(64, 96)):
            raise error
    assert "\n" not in str(caught.value)


def test_defects_keep_their_traceback(tmp_path):
    with pytest.raises(tf.errors.InternalError), explained(RunDirectory(tmp_path), batch_size=2, image_size=(64, 96)):
        raise tf.errors.InternalError(None, None, "a defect")
