"""Pieces that the function bodies share: constants, the unpacking of weights, the sign, the affine end."""

import numpy as np
from onnx import AttributeProto, FunctionProto, NodeProto, TensorProto, helper, numpy_helper

DOMAIN = "edgenet"
OPERATOR_SET = 1
OPSET = 18

INT8, UINT8, FLOAT, INT32 = TensorProto.INT8, TensorProto.UINT8, TensorProto.FLOAT, TensorProto.INT32


def constant(name: str, value: np.ndarray | np.generic | list[int] | float) -> NodeProto:
    """A Constant node; a list becomes int64 and a float float32."""
    array = np.asarray(value, dtype={list: np.int64, float: np.float32}.get(type(value)))
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(array))


def pass_attribute(node: NodeProto, name: str, source: str, kind: AttributeProto.AttributeType) -> NodeProto:
    """Give `node` the attribute `name` with the value of the function's own attribute `source`."""
    node.attribute.add(name=name, ref_attr_name=source, type=kind)
    return node


def unpack_weight(target: int) -> list[NodeProto]:
    """`weight` uint8 [O, bytes] -> `w` of +1 and -1 in the shape of the attribute `weight_shape`, in type `target`.

    A table maps each byte to its eight weights, least significant bit first; the spare weights of a row are cut off.
    """
    bits = np.arange(256)[:, None] >> np.arange(8) & 1
    nodes = [
        pass_attribute(helper.make_node("Constant", [], ["shape"]), "value_ints", "weight_shape", AttributeProto.INTS),
        constant("zero", [0]),
        constant("one", [1]),
        constant("shape_end", [8]),
        helper.make_node("Slice", ["shape", "one", "shape_end"], ["row_shape"]),
        helper.make_node("ReduceProd", ["row_shape"], ["row_length"], keepdims=1),
        constant("table", (bits * 2 - 1).astype(np.int8)),
        helper.make_node("Cast", ["weight"], ["bytes"], to=INT32),
        helper.make_node("Gather", ["table", "bytes"], ["bits"], axis=0),
        constant("rows_shape", [0, -1]),
        helper.make_node("Reshape", ["bits", "rows_shape"], ["rows"]),
        helper.make_node("Slice", ["rows", "zero", "row_length", "one"], ["cut"]),
        helper.make_node("Reshape", ["cut", "shape"], ["w8"]),
    ]
    if target == INT8:
        return [*nodes, helper.make_node("Identity", ["w8"], ["w"])]
    return [*nodes, helper.make_node("Cast", ["w8"], ["w"], to=target)]


def sign(value: str, threshold: str, output: str, positive: np.generic, negative: np.generic) -> list[NodeProto]:
    """`output = positive where value >= threshold, else negative`, so NaN is negative. One call a graph."""
    return [
        constant("positive", positive),
        constant("negative", negative),
        helper.make_node("GreaterOrEqual", [value, threshold], ["met"]),
        helper.make_node("Where", ["met", "positive", "negative"], [output]),
    ]


def make_function(
    name: str, inputs: list[str], outputs: list[str], nodes: list[NodeProto], attributes: list[str]
) -> FunctionProto:
    return helper.make_function(DOMAIN, name, inputs, outputs, nodes, [helper.make_opsetid("", OPSET)], attributes)
