"""keras-cv 0.9, the last one, takes names out of Keras that 3.16 does not have any more."""

import keras
import pytest

runs_keras_cv = pytest.mark.skipif(
    tuple(map(int, keras.version().split(".")[:2])) >= (3, 16), reason="keras-cv cannot be imported with Keras 3.16"
)
