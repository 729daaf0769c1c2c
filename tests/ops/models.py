"""Models of one `edgenet` node without a function body: what runs them is the operator library or nothing."""

from itertools import product

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from edgenet.runtime import library
from tests import reference

XNOR_CONVOLUTIONS = [
    "XnorConv2d" + "".join(parts) for parts in product(("", "FromSigns"), ("", "Add"), ("", "Prelu"), ("", "ToSigns"))
]
OPSETS = [helper.make_opsetid("", 18), helper.make_opsetid("edgenet", 2)]
_ORDER = (
    *("signs", "x", "u", "threshold", "weight", "scale", "bias"),
    *("residual", "slope", "next_threshold", "initial", "initial_cell"),
)
_DATA = ("signs", "x", "u", "residual", "initial", "initial_cell")


def outputs_of(operator: str) -> list[str]:
    if operator.endswith("Lstm"):
        return ["h", "final", "final_cell"]
    return ["y", "final"] if operator.endswith(("Recurrence", "Gru")) else ["y"]


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
        """The model; with `constants` weights and the like are initializers, with `typed` shapes are declared."""
        outputs = outputs_of(self.operator)
        node = helper.make_node(
            self.operator, list(self.inputs), outputs, name="the_node", domain="edgenet", **self.attributes
        )
        fed = [name for name in self.inputs if name in _DATA or not constants]
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
            [helper.make_tensor_value_info(name, self.output_type, None) for name in outputs],
            [numpy_helper.from_array(array, name) for name, array in self.inputs.items() if name not in fed],
        )
        return helper.make_model(graph, opset_imports=OPSETS, ir_version=8)

    @property
    def output_type(self) -> int:
        signs = self.operator.endswith("ToSigns") or self.operator == "SignMaxPool2d"
        return TensorProto.UINT8 if signs else TensorProto.FLOAT

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


def call(operator: str, operands: dict[str, np.ndarray], **attributes) -> Call:
    """The call of an operator on operands by name, of which it takes its own; `weight` is in its natural shape."""
    inputs = {name: operands[name] for name in _ORDER if name in operands}
    if operator.startswith("Bwn"):
        inputs.pop("threshold", None)
    if "weight" in inputs:
        weight = inputs["weight"]
        inputs["weight"] = weight.astype(np.int8) if operator.startswith("Int8") else reference.pack(weight)
        attributes["weight_shape"] = weight.shape
    return Call(operator, inputs, **attributes)
