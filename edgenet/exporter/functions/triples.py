"""Three binary weights in two bytes: the weights of a large layer that meets few samples at a time.

Its time is that of reading the weights, which the second cache does not hold. The outputs are in three parts a, b, c of
equal size; two int8 weights, `a + 64 c` and `c + 64 b`, stand for one of each, and the integer products of signs and
these are `S = A + 64 C` and `T = C + 64 B` of the dots A, B, C. An even number of inputs makes these even, so that
`T / 128 - S / 8192 = B / 2 - A / 8192` rounds to `B / 2`; C and A follow. Every number here is exact in float32.

A sign is multiplied as 1 or 0, as a comparison gives it: S and T are twice those products less the sums of weights.
"""

import numpy as np
from onnx import NodeProto, helper

from edgenet.exporter.functions.nodes import FLOAT, INT32, constant, read_weight_shape, row_length

MOST_INPUTS = 4000
"""64 T is a whole number below 2**24, and A / 8192 less than a half."""
FEWEST_OUTPUTS = 2
"""One output would leave the third part less than none."""
LARGEST_SCALE = 2.0**100
"""Times a unit it is finite, so scaling a dot over its unit rounds as scaling the dot does."""
UNITS = {"first": 8192.0, "second": 2.0, "third": 128.0}
"""What the parts that `triple_product` gives are yet to be multiplied with; the scale does it."""


def triple_weights() -> list[NodeProto]:
    """`weight` uint8 [O, ceil(K/8)] -> `w_first_third`, `w_third_second` int8 [K, part_size], part_size = ceil(O/3).

    And over their units, what `triple_product` takes from their products.
    """
    return [
        *read_weight_shape(),
        *row_length(),
        *_parts_of_packed_rows(),
        helper.make_node("Unsqueeze", ["row_length", "first_axis"], ["columns_end"]),
        helper.make_node("Concat", ["any_size", "part_size"], ["columns_shape"], axis=0),
        *_join_weights("first_third", small=0, large=2),
        *_join_weights("third_second", small=2, large=1),
        constant("to_first", 1 / UNITS["first"]),
        constant("to_third", 1 / UNITS["third"]),
        constant("twice_to_first", 2 / UNITS["first"]),
        constant("twice_to_third", 2 / UNITS["third"]),
        constant("one_sign", np.uint8(1)),
        helper.make_node("Expand", ["one_sign", "columns_end"], ["all_signs"]),
        *_column_sums("first_third", "to_first"),
        *_column_sums("third_second", "to_third"),
    ]


def triple_product(signs: str) -> list[NodeProto]:
    """`first`, `second` and `third` [..., part_size]: dot(signs, w) over UNITS, a sign being 1 or 0. One call a graph.

    A `second` of 0 may be -0.0.
    """
    return [
        helper.make_node("MatMulInteger", [signs, "w_first_third"], ["first_third"]),
        helper.make_node("MatMulInteger", [signs, "w_third_second"], ["third_second"]),
        helper.make_node("DequantizeLinear", ["first_third", "twice_to_first"], ["doubled_first_third"]),
        helper.make_node("DequantizeLinear", ["third_second", "twice_to_third"], ["doubled_third_second"]),
        helper.make_node("Sub", ["doubled_first_third", "scaled_sum_of_first_third"], ["scaled_first_third"]),
        helper.make_node("Sub", ["doubled_third_second", "scaled_sum_of_third_second"], ["scaled_third_second"]),
        helper.make_node("Sub", ["scaled_third_second", "scaled_first_third"], ["near_second"]),
        helper.make_node("Round", ["near_second"], ["second"]),
        helper.make_node("Sub", ["second", "near_second"], ["first"]),
        helper.make_node("Sub", ["scaled_third_second", "second"], ["third"]),
    ]


def _column_sums(name: str, unit: str) -> list[NodeProto]:
    """`scaled_sum_of_{name}` float32 [part_size]."""
    return [
        helper.make_node("MatMulInteger", ["all_signs", f"w_{name}"], [f"integer_sum_of_{name}"]),
        helper.make_node("Cast", [f"integer_sum_of_{name}"], [f"sum_of_{name}"], to=FLOAT),
        helper.make_node("Mul", [f"sum_of_{name}", unit], [f"scaled_sum_of_{name}"]),
    ]


def _parts_of_packed_rows() -> list[NodeProto]:
    """`parts_of_columns` uint8 [bytes of a row, 3, part_size]; rows that fill the last part are zeros."""
    return [
        constant("first_axis", [0]),
        constant("columns_axis", [-1]),
        constant("any_size", [-1]),
        constant("three", np.int64(3)),
        constant("unset", np.uint8(0)),
        constant("no_pads", [0]),
        constant("pads_before", [0, 0]),
        constant("rows_of_parts", [3, -1]),
        helper.make_node("Gather", ["shape", "zero"], ["outputs"], axis=0),
        helper.make_node("Unsqueeze", ["outputs", "first_axis"], ["row_outputs"]),
        # Rows that are missing are -outputs modulo 3.
        helper.make_node("Neg", ["row_outputs"], ["minus_outputs"]),
        helper.make_node("Mod", ["minus_outputs", "three"], ["missing_rows"]),
        helper.make_node("Concat", ["pads_before", "missing_rows", "no_pads"], ["row_pads"], axis=0),
        helper.make_node("Pad", ["weight", "row_pads", "unset"], ["whole_parts"]),
        helper.make_node("Shape", ["weight"], ["row_bytes"], start=1),
        helper.make_node("Concat", ["rows_of_parts", "row_bytes"], ["parts_shape"], axis=0),
        helper.make_node("Reshape", ["whole_parts", "parts_shape"], ["parts_of_rows"]),
        helper.make_node("Transpose", ["parts_of_rows"], ["packed_parts"], perm=[2, 0, 1]),
        helper.make_node("Cast", ["packed_parts"], ["parts_of_columns"], to=INT32),
        helper.make_node("Shape", ["packed_parts"], ["part_size"], start=2),
        # The exclusive or of a small and a large term is the sum of +-1 and +-64.
        constant("small_terms", _table(0, 126)),
        constant("large_terms", _table(-65, 63)),
    ]


def _table(minus: int, plus: int) -> np.ndarray:
    bits = np.arange(256)[:, None] >> np.arange(8) & 1
    return np.where(bits, plus, minus).astype(np.int8)


def _join_weights(name: str, small: int, large: int) -> list[NodeProto]:
    """`w_{name}` int8 [K, part_size], of the weights of two of the three parts."""
    return [
        *_look_up("small", small, f"{name}_small"),
        *_look_up("large", large, f"{name}_large"),
        helper.make_node("BitwiseXor", [f"{name}_small", f"{name}_large"], [f"{name}_of_bytes"]),
        helper.make_node("Transpose", [f"{name}_of_bytes"], [f"{name}_of_columns"], perm=[0, 2, 1]),
        helper.make_node("Reshape", [f"{name}_of_columns", "columns_shape"], [f"{name}_whole_bytes"]),
        helper.make_node("Slice", [f"{name}_whole_bytes", "first_axis", "columns_end"], [f"w_{name}"]),
    ]


def _look_up(term: str, part: int, output: str) -> list[NodeProto]:
    """`output` int8 [bytes of a row, part_size, 8]: the term that each weight of a part becomes."""
    return [
        constant(f"part_of_{output}", np.int64(part)),
        helper.make_node("Gather", ["parts_of_columns", f"part_of_{output}"], [f"bytes_of_{output}"], axis=1),
        helper.make_node("Gather", [f"{term}_terms", f"bytes_of_{output}"], [output], axis=0),
    ]
