"""What the verbs that export say of the thresholds that stay in a file."""

from yolo_tf.commands.comparison import say_low_limit
from yolo_tf.config import DetectConfig


def test_a_limit_below_what_detections_need_is_told(capsys):
    for fine in (DetectConfig(), DetectConfig(max_detections=5000), DetectConfig(max_candidates=1000)):
        say_low_limit(fine)
    assert capsys.readouterr().out == ""
    say_low_limit(DetectConfig(max_detections=5000, max_candidates=1000))
    assert capsys.readouterr().out == (
        "detect.max_candidates: 1000 candidates of an image enter suppression inside the file, fewer than 5000 detections need."
        " Leave it out for 16667.\n"
    )
