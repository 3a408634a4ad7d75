"""labels/NAME.txt with the score behind each line: no labels any more, but what other tools compare."""

import functools

from yolo_tf.inference.outputs import txt

OUTPUT = txt.OUTPUT._replace(write_image=functools.partial(txt.write_image, scores=True))
