"""One-node models of the operators, for the tests beside this file."""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from edgenet.exporter.functions import DOMAIN, OPERATOR_SET, OPSET, attach_functions

LEVELS = {
    "disable_all": onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "basic": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "extended": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "all": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
}
_DATA = ("initial", "initial_cell", "residual")


def model(operator, inputs, outputs, attributes, opset=OPSET):
    """A model of one operator; `inputs` maps names to arrays, of which data is fed and the others are stored; `outputs`
    maps names to ranks.
    """
    fed = [name for index, name in enumerate(inputs) if index == 0 or name in _DATA]
    node = helper.make_node(operator, list(inputs), list(outputs), operator, domain=DOMAIN, **attributes)
    kinds = {name: helper.np_dtype_to_tensor_dtype(inputs[name].dtype) for name in fed}
    values = [helper.make_tensor_value_info(name, kinds[name], inputs[name].shape) for name in fed]
    result = TensorProto.UINT8 if operator.endswith("ToSigns") or operator == "SignMaxPool2d" else TensorProto.FLOAT
    results = [helper.make_tensor_value_info(name, result, [None] * rank) for name, rank in outputs.items()]
    stored = [numpy_helper.from_array(array, name) for name, array in inputs.items() if name not in fed]
    graph = helper.make_graph([node], "operator", values, results, stored)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(DOMAIN, OPERATOR_SET)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    attach_functions(made)
    onnx.checker.check_model(made, full_check=True)
    return made


def run(made, inputs, level="all"):
    """All outputs, computed by the functions in the file alone."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = LEVELS[level]
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {value.name: inputs[value.name] for value in session.get_inputs()})


def random_case(seed, special=True):
    """A generator, and a function that fills a shape with normal numbers, ties with 0, NaN and infinities."""
    generator = np.random.default_rng(seed)

    def values(*shape):
        x = generator.normal(size=shape).astype(np.float32)
        if special and x.size:
            chosen = generator.random(shape) < 0.1
            x[chosen] = generator.choice(np.float32([0.0, -0.0, np.nan, np.inf, -np.inf]), chosen.sum())
        return x

    return generator, values


def binary(generator, *shape):
    return generator.choice([-1.0, 1.0], shape)
