"""Models of one `edgenet` node without a function body: what runs them is the operator library or nothing."""

from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from edgenet.runtime import library
from tests import reference

OUTPUTS = {"XnorRecurrence": ["p", "final"], "BwnRecurrence": ["p", "final"]}
OPSETS = [helper.make_opsetid("", 18), helper.make_opsetid("edgenet", 1)]


class Call:
    """One operator with its inputs (name to array, the weights packed) and attributes."""

    def __init__(self, operator: str, inputs: dict[str, np.ndarray], **attributes) -> None:
        self.operator = operator
        self.inputs = inputs
        self.attributes = attributes

    def but(self, **changes) -> "Call":
        """The same call with some inputs or attributes replaced; None takes an attribute or input away."""
        inputs = {k: changes.get(k, v) for k, v in self.inputs.items()}
        attributes = {k: changes.get(k, v) for k, v in self.attributes.items()}
        keep = {k: v for k, v in attributes.items() if v is not None}
        return Call(self.operator, {k: v for k, v in inputs.items() if v is not None}, **keep)

    def model(self, constants: bool = True, typed: bool = True) -> onnx.ModelProto:
        """The model; with `constants` all but the first input are initializers, with `typed` shapes are declared."""
        outputs = OUTPUTS.get(self.operator, ["y"])
        node = helper.make_node(
            self.operator, list(self.inputs), outputs, name="the_node", domain="edgenet", **self.attributes
        )
        first = next(iter(self.inputs))
        fed = [first] if constants else list(self.inputs)
        graph = helper.make_graph(
            [node],
            "one_node",
            [
                helper.make_tensor_value_info(
                    name,
                    helper.np_dtype_to_tensor_dtype(self.inputs[name].dtype),
                    self.inputs[name].shape if typed else None,
                )
                for name in fed
            ],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
            [numpy_helper.from_array(array, name) for name, array in self.inputs.items() if name not in fed],
        )
        return helper.make_model(graph, opset_imports=OPSETS, ir_version=8)

    def run(self, constants: bool = True, typed: bool = True, threads: int = 1) -> list[np.ndarray]:
        model = self.model(constants, typed)
        fed = {value.name: self.inputs[value.name] for value in model.graph.input}
        return session(model, threads=threads).run(None, fed)


def session(model: onnx.ModelProto, threads: int = 1, native: bool = True) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    if native:
        options.register_custom_ops_library(str(library.find()))
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def conv(
    scheme: str,
    x: np.ndarray,
    signs: np.ndarray,
    threshold: np.ndarray,
    scale: np.ndarray,
    bias: np.ndarray,
    strides: Sequence[int] = (1, 1),
    pads: Sequence[int] = (0, 0, 0, 0),
    dilations: Sequence[int] = (1, 1),
    group: int = 1,
) -> Call:
    inputs = {"x": x, "threshold": threshold, "weight": reference.pack(signs), "scale": scale, "bias": bias}
    return _call(
        scheme,
        "Conv2d",
        inputs,
        weight_shape=signs.shape,
        strides=strides,
        pads=pads,
        dilations=dilations,
        group=group,
    )


def linear(scheme: str, x, signs, threshold, scale, bias) -> Call:
    inputs = {"x": x, "threshold": threshold, "weight": reference.pack(signs), "scale": scale, "bias": bias}
    return _call(scheme, "Linear", inputs, weight_shape=signs.shape)


def recurrence(scheme: str, u, signs, threshold, scale, initial) -> Call:
    inputs = {"u": u, "threshold": threshold, "weight": reference.pack(signs), "scale": scale, "initial": initial}
    return _call(scheme, "Recurrence", inputs, weight_shape=signs.shape)


def _call(scheme: str, kind: str, inputs: dict[str, np.ndarray], **attributes) -> Call:
    if scheme == "Bwn":
        inputs = {name: array for name, array in inputs.items() if name != "threshold"}
    return Call(scheme + kind, inputs, **attributes)
