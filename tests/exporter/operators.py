"""The six operators in plain numpy, and one-node models of them, for the tests beside this file."""

import math

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


def signs(x, threshold):
    """+1 where x >= threshold, else -1 (NaN too), float64."""
    return np.where(x >= threshold, 1.0, -1.0)


def convolve(x, weight, strides, pads, dilations, group):
    """Float64 cross-correlation with true zero padding."""
    outputs, group_channels, height, width = weight.shape
    x = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    rows = (x.shape[2] - dilations[0] * (height - 1) - 1) // strides[0] + 1
    columns = (x.shape[3] - dilations[1] * (width - 1) - 1) // strides[1] + 1
    y = np.zeros((x.shape[0], outputs, rows, columns))
    for o in range(outputs):
        start = o // (outputs // group) * group_channels
        for i in range(height):
            for j in range(width):
                top, left = i * dilations[0], j * dilations[1]
                patch = x[
                    :,
                    start : start + group_channels,
                    top : top + (rows - 1) * strides[0] + 1 : strides[0],
                    left : left + (columns - 1) * strides[1] + 1 : strides[1],
                ]
                y[:, o] += (patch * weight[o, :, i, j][:, None, None]).sum(1)
    return y


def affine(total, scale, bias):
    """`scale * total + bias` in float32, rounded once each."""
    return scale * total.astype(np.float32) + bias


def model(operator, inputs, outputs, attributes, opset=OPSET):
    """A model of one operator; `inputs` maps names to arrays, of which the first is fed and the others are stored;
    `outputs` maps names to ranks.

    An input named `initial` is fed too.
    """
    fed = [name for index, name in enumerate(inputs) if index == 0 or name == "initial"]
    node = helper.make_node(operator, list(inputs), list(outputs), operator, domain=DOMAIN, **attributes)
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, inputs[name].shape) for name in fed]
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * rank) for name, rank in outputs.items()]
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


def packed(weight):
    return np.packbits(weight.reshape(len(weight), -1) >= 0, axis=1, bitorder="little")


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


def row_length(weight):
    return math.prod(weight.shape[1:])
