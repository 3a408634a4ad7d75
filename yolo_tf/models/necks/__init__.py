"""The table of necks: functions (features, *, depth, width, activation) -> features, both fine to coarse, strides kept.

Those of SEPARABLE also take `depthwise`.
"""

import functools

from yolo_tf.models.necks.csp_pan import csp_pan
from yolo_tf.models.necks.fpn import fpn
from yolo_tf.models.necks.yolov4_csp_pan import yolov4_csp_pan

NECKS = {
    "csp_pan": csp_pan,
    "csp_pan_unpooled": functools.partial(csp_pan, pooled=False),  # behind csp_darknet_v5 and csp_darknet_yolox, which pool
    "csp_pan_narrow": functools.partial(csp_pan, narrow=True),  # of a published study
    "yolov4_csp_pan": yolov4_csp_pan,
    "fpn": fpn,
}
SEPARABLE = ("csp_pan", "csp_pan_unpooled", "csp_pan_narrow")
