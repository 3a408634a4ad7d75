"""The `.pt` files of YOLOv5: what they hold, in the terms of this package."""
