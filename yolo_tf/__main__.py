"""`python -m yolo_tf` is the command `yolo-tf`."""

import sys

from yolo_tf.cli import main

sys.exit(main())
