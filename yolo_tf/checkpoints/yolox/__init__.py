"""The `.pth` and `.onnx` files of YOLOX: what they hold, in the terms of this package."""
