"""A network that gives back what it takes, so that what preprocessing makes can be seen."""

import json

import onnx
from onnx import TensorProto, helper

from edgenet.exporter.preprocessing import embed_preprocessing
from edgenet.runtime import InferenceSession


def identity(sample, described, state=False):
    """A session of that network [batch, *sample] behind the embedded preprocessing that is described."""
    names = ["input", "state"] if state else ["input"]
    shapes = {"input": ["batch", *sample], "state": [1, "batch", 2]}
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes[name]) for name in names]
    outputs = [helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, shapes[name]) for name in names]
    nodes = [helper.make_node("Identity", [name], [f"{name}_out"]) for name in names]
    graph = helper.make_graph(nodes, "identity", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    frames = [10 if size == "time" else size for size in sample]
    helper.set_model_props(
        model, {"edgenet.preprocessing": json.dumps(described), "edgenet.input_shape": json.dumps(frames)}
    )
    embed_preprocessing(model)
    onnx.checker.check_model(model, full_check=True)
    return InferenceSession(model.SerializeToString())
