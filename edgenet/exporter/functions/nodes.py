"""Pieces that the function bodies share: constants, the unpacking of weights, the sign."""

import numpy as np
from onnx import AttributeProto, FunctionProto, NodeProto, TensorProto, helper, numpy_helper

DOMAIN = "edgenet"
OPERATOR_SET = 2
OPSET = 18

INT8, UINT8, INT32, FLOAT = TensorProto.INT8, TensorProto.UINT8, TensorProto.INT32, TensorProto.FLOAT


def constant(name: str, value: np.ndarray | np.generic | list[int] | float) -> NodeProto:
    """A Constant node; a list becomes int64 and a float float32."""
    array = np.asarray(value, dtype={list: np.int64, float: np.float32}.get(type(value)))
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(array))


def pass_attribute(node: NodeProto, name: str, source: str, kind: AttributeProto.AttributeType) -> NodeProto:
    """Give `node` the attribute `name` with the value of the function's own attribute `source`."""
    node.attribute.add(name=name, ref_attr_name=source, type=kind)
    return node


def read_weight_shape() -> list[NodeProto]:
    """The attribute `weight_shape` as `shape`, and the constants that index it."""
    shape = helper.make_node("Constant", [], ["shape"])
    return [
        pass_attribute(shape, "value_ints", "weight_shape", AttributeProto.INTS),
        constant("zero", np.int64(0)),
        constant("one", np.int64(1)),
        constant("eight", np.int64(8)),
        constant("bit_values", np.uint8(1) << np.arange(8, dtype=np.uint8)),
    ]


def find_bits(count: str, prefix: str) -> list[NodeProto]:
    """Where each of `count` bits lies: `prefix_byte`, which byte, and `prefix_mask`, the bit's value in it."""
    return [
        helper.make_node("Range", ["zero", count, "one"], [f"{prefix}_places"]),
        helper.make_node("Div", [f"{prefix}_places", "eight"], [f"{prefix}_byte"]),
        helper.make_node("Mod", [f"{prefix}_places", "eight"], [f"{prefix}_bit"]),
        helper.make_node("Gather", ["bit_values", f"{prefix}_bit"], [f"{prefix}_mask"], axis=0),
    ]


def unpack_bits() -> list[NodeProto]:
    """`weight` uint8 [O, ceil(K/8)] -> `weight_positive` bool [O, K]."""
    return [
        *read_weight_shape(),
        *row_length(),
        *find_bits("row_length", "row"),
        helper.make_node("Gather", ["weight", "row_byte"], ["row_bytes"], axis=1),
        helper.make_node("BitwiseAnd", ["row_bytes", "row_mask"], ["row_bits"]),
        helper.make_node("Cast", ["row_bits"], ["weight_positive"], to=TensorProto.BOOL),
    ]


def unpack_rows() -> list[NodeProto]:
    """`weight` uint8 [O, ceil(K/8)] -> `w` float32 of +1 and -1 in the shape of the attribute `weight_shape`."""
    return [
        *unpack_bits(),
        helper.make_node("Reshape", ["weight_positive", "shape"], ["shaped_positive"]),
        constant("plus", np.float32(1)),
        constant("minus", np.float32(-1)),
        helper.make_node("Where", ["shaped_positive", "plus", "minus"], ["w"]),
    ]


def unpack_transposed(target: int) -> list[NodeProto]:
    """`weight` uint8 [O, ceil(K/8)] -> `w_transposed` [K, O] of +1 and -1 in type `target`, INT8 or FLOAT.

    A table maps each byte to its eight weights: ONNX Runtime 1.17 has no Where for int8. Until a session is made, ONNX
    Runtime keeps every step of this beside the result, so the steps are few and in int8.
    """
    bits = np.arange(256)[:, None] >> np.arange(8) & 1
    return [
        *read_weight_shape(),
        *row_length(),
        # Transposed while it is packed, an eighth of what comes of it.
        helper.make_node("Transpose", ["weight"], ["columns"], perm=[1, 0]),
        helper.make_node("Cast", ["columns"], ["column_bytes"], to=INT32),
        constant("table", (bits * 2 - 1).astype(np.int8)),
        helper.make_node("Gather", ["table", "column_bytes"], ["byte_weights"], axis=0),
        helper.make_node("Transpose", ["byte_weights"], ["weights_of_bytes"], perm=[0, 2, 1]),
        helper.make_node("Gather", ["shape", "zero"], ["outputs"], axis=0),
        constant("first_axis", [0]),
        constant("all_rows", [-1]),
        helper.make_node("Unsqueeze", ["outputs", "first_axis"], ["row_outputs"]),
        helper.make_node("Concat", ["all_rows", "row_outputs"], ["transposed_shape"], axis=0),
        helper.make_node("Reshape", ["weights_of_bytes", "transposed_shape"], ["whole_bytes"]),
        helper.make_node("Unsqueeze", ["row_length", "first_axis"], ["transposed_end"]),
        helper.make_node("Slice", ["whole_bytes", "first_axis", "transposed_end"], ["transposed"]),
        helper.make_node("Cast", ["transposed"], ["w_transposed"], to=target),
    ]


def row_length() -> list[NodeProto]:
    """`row_shape`, the attribute `weight_shape` without outputs, and `row_length`, its product."""
    return [
        constant("row_start", [1]),
        constant("row_end", [8]),
        helper.make_node("Slice", ["shape", "row_start", "row_end"], ["row_shape"]),
        helper.make_node("ReduceProd", ["row_shape"], ["row_length"], keepdims=0),
    ]


def sign_values(positive: np.generic, negative: np.generic) -> list[NodeProto]:
    """What `sign` gives, once a function."""
    return [constant("positive", positive), constant("negative", negative)]


def sign_constants() -> list[NodeProto]:
    """The uint8 signs that integer products take: 0 and 2 about a zero point of 1."""
    return [*sign_values(np.uint8(2), np.uint8(0)), constant("zero_point", np.uint8(1))]


def sign(value: str, threshold: str, output: str) -> list[NodeProto]:
    """`output = positive where value >= threshold, else negative`, so NaN is negative."""
    return [
        helper.make_node("GreaterOrEqual", [value, threshold], [f"{output}_met"]),
        helper.make_node("Where", [f"{output}_met", "positive", "negative"], [output]),
    ]


def zero_or_one(value: str, threshold: str, output: str) -> list[NodeProto]:
    """`output` uint8: 1 where `value >= threshold`, else 0."""
    return [
        helper.make_node("GreaterOrEqual", [value, threshold], [f"{output}_met"]),
        helper.make_node("Cast", [f"{output}_met"], [output], to=UINT8),
    ]


def make_function(
    name: str, inputs: list[str], outputs: list[str], nodes: list[NodeProto], attributes: list[str]
) -> FunctionProto:
    # ONNX Runtime 1.18 to 1.20 names nodes after those it fuses, and refuses the file where two of them have no name.
    for number, node in enumerate(nodes):
        node.name = node.name or f"n{number}"
    return helper.make_function(DOMAIN, name, inputs, outputs, nodes, [helper.make_opsetid("", OPSET)], attributes)
