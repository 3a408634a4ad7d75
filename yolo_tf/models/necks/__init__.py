"""The table of necks: functions (features, *, depth, width) -> features, both fine to coarse, strides kept."""

import functools

from yolo_tf.models.necks.csp_pan import csp_pan

NECKS = {
    "csp_pan": csp_pan,
    "csp_pan_unpooled": functools.partial(csp_pan, pooled=False),  # behind csp_darknet_v5, which pools itself
}
