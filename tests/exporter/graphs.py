"""Small graphs for the tests of the passes: written as lists of nodes, rewritten, and run before and after."""

import numpy as np
import onnx
import onnx_ir as ir
from onnx import TensorProto, helper, numpy_helper

from edgenet.exporter.functions import DOMAIN, FUNCTIONS, OPERATOR_SET, OPSET, attach_functions
from tests.exporter.operators import run


def node(operator, inputs, outputs, name="", **attributes):
    domain = DOMAIN if operator in FUNCTIONS else ""
    return helper.make_node(operator, inputs, outputs, name or operator.lower(), domain=domain, **attributes)


def graph(nodes, tensors, input_shape, output_rank=4, outputs=("y",)):
    """A model with input `x`; every value gets its inferred shape, as torch's exporter writes it."""
    made = helper.make_model(
        helper.make_graph(
            nodes,
            "network",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, input_shape)],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * output_rank) for name in outputs],
            [numpy_helper.from_array(np.asarray(array), name) for name, array in tensors.items()],
        ),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, OPERATOR_SET)],
        ir_version=8,
    )
    attach_functions(made)
    return onnx.shape_inference.infer_shapes(made, data_prop=True)


def rewrite(made, *passes):
    """The model after the passes, and what the last of them returned."""
    model = ir.from_proto(made)
    model.functions.clear()
    changed = [change(model) for change in passes]
    after = ir.to_proto(model)
    attach_functions(after)
    onnx.checker.check_model(after, full_check=True)
    return after, changed[-1]


def operators(made):
    return [entry.op_type for entry in made.graph.node]


def constants(made):
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in made.graph.initializer}


def outputs(made, x):
    return run(made, {"x": x}, level="disable_all")


def batch_normalization(generator, channels, prefix="bn"):
    """Random parameters, gamma of both signs and one of them 0."""
    gamma = generator.normal(size=channels)
    gamma[0] = 0
    parameters = {
        "gamma": gamma,
        "beta": generator.normal(size=channels),
        "mean": generator.normal(size=channels),
        "var": generator.random(channels) + 0.5,
    }
    return {f"{prefix}.{name}": value.astype(np.float32) for name, value in parameters.items()}


def normalization_node(source, target, prefix="bn", epsilon=1e-5):
    names = [f"{prefix}.{name}" for name in ("gamma", "beta", "mean", "var")]
    return node("BatchNormalization", [source, *names], [target], name=prefix, epsilon=epsilon)
