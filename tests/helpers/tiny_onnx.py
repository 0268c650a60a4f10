"""A small encoder as an ONNX file: a convolution of stride 4, a rectifier, and the mean over the image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WEIGHTS = np.random.default_rng(0).normal(size=(5, 3, 4, 4)).astype(np.float32)


def write_onnx(path: Path, *, side: int | None = None) -> Path:
    """Write (n, 3, h, w) → (n, 5), for any size or for images of `side` pixels alone."""
    shape = ["n", 3, side or "h", side or "w"]
    nodes = [
        helper.make_node("Conv", ["images", "weights"], ["planes"], strides=[4, 4]),
        helper.make_node("Relu", ["planes"], ["positive"]),
        helper.make_node("ReduceMean", ["positive", "axes"], ["features"], keepdims=0),
    ]
    constants = [numpy_helper.from_array(WEIGHTS, "weights"), numpy_helper.from_array(np.array([2, 3]), "axes")]
    graph = helper.make_graph(
        nodes,
        "encoder",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 5])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, str(path))
    return path
