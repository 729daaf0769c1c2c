"""Two binary weights in one float: half the products of an XNOR convolution.

The outputs are in two halves a, b; a weight `a + 5120 b` stands for one of each, so the sum over the signs is
`A + 5120 B` of the dots A, B. It is exact in float32 and, as A is less than half of 5120, a 5120th of it rounds to B.
More inputs than that allows, grouped channels and an odd number of outputs leave every weight on its own.
"""

import numpy as np
from onnx import AttributeProto, NodeProto, helper

from edgenet.exporter.functions.nodes import FLOAT, constant, pass_attribute

MOST_INPUTS = 2559
"""Below half of the base; times the base and one it is below 2**24."""
_BASE = 5120.0


def pair_weights() -> list[NodeProto]:
    """`weight_positive` bool [O, K] -> `w` float32 of pairs [O/2, ...], or of single weights [O, ...].

    Needs `shape`, `row_shape`, `row_length`, `zero` and `one` of `unpack_bits`.
    """
    group_count = helper.make_node("Constant", [], ["group_count"])
    return [
        pass_attribute(group_count, "value_int", "group", AttributeProto.INT),
        constant("two", np.int64(2)),
        constant("most_inputs", np.int64(MOST_INPUTS)),
        constant("base", _BASE),
        constant("none", 0.0),
        constant("inverse_of_base", 1 / _BASE),
        constant("everything", np.int64(np.iinfo(np.int64).max)),
        constant("row_axis", [0]),
        helper.make_node("Gather", ["shape", "zero"], ["outputs"], axis=0),
        helper.make_node("Mod", ["outputs", "two"], ["odd"]),
        helper.make_node("Equal", ["odd", "zero"], ["is_even"]),
        helper.make_node("LessOrEqual", ["row_length", "most_inputs"], ["is_exact"]),
        helper.make_node("Equal", ["group_count", "one"], ["is_whole"]),
        helper.make_node("And", ["is_even", "is_exact"], ["can_pair"]),
        helper.make_node("And", ["can_pair", "is_whole"], ["in_pairs"]),
        helper.make_node("Div", ["outputs", "two"], ["half"]),
        *_choose("first_size", "half", "outputs"),
        # Without pairs any row will do, as it counts nothing.
        *_choose("second_start", "half", "zero"),
        *_choose("second_end", "outputs", "one"),
        *_choose("second_size", "everything", "zero"),
        helper.make_node("Where", ["in_pairs", "base", "none"], ["second_unit"]),
        helper.make_node("Where", ["in_pairs", "inverse_of_base", "none"], ["inverse_unit"]),
        # Twice the weights, as signs are halves.
        *_weights_by_signs(),
        constant("any_size", [-1]),
        helper.make_node("Concat", ["any_size", "row_shape"], ["shape_of_rows"], axis=0),
        helper.make_node("Slice", ["weight_positive", "row_axis", "row_first_size"], ["first_rows"]),
        helper.make_node("Slice", ["weight_positive", "row_second_start", "row_second_end"], ["second_rows"]),
        # Shape inference, which cannot see through the choice, finds the size of the kernel here.
        helper.make_node("Reshape", ["first_rows", "shape_of_rows"], ["first_positive"]),
        helper.make_node("Reshape", ["second_rows", "shape_of_rows"], ["second_positive"]),
        helper.make_node("Where", ["second_positive", "plus_and_plus", "plus_and_minus"], ["w_of_first_plus"]),
        helper.make_node("Where", ["second_positive", "minus_and_plus", "minus_and_minus"], ["w_of_first_minus"]),
        helper.make_node("Where", ["first_positive", "w_of_first_plus", "w_of_first_minus"], ["w"]),
    ]


def half_signs(positive: str) -> list[NodeProto]:
    """`half_signs` float32 of +0.5 and -0.5, of a bool: faster made than +1 and -1."""
    return [
        constant("a_half", 0.5),
        helper.make_node("Cast", [positive], ["positive_or_zero"], to=FLOAT),
        helper.make_node("Sub", ["positive_or_zero", "a_half"], ["half_signs"]),
    ]


def part_pairs() -> list[NodeProto]:
    """`sum` of `w` -> `dot` [N, O, OH, OW].

    That two nodes read the sum keeps ORT's ConvMulFusion from folding a factor into the weights.
    """
    return [
        constant("channel_axis", [1]),
        helper.make_node("Mul", ["sum", "inverse_unit"], ["near_second"]),
        # Not Round, which may give -0.0; a dot never is.
        helper.make_node("Add", ["near_second", "a_half"], ["above_second"]),
        helper.make_node("Floor", ["above_second"], ["second"]),
        helper.make_node("Mul", ["second", "second_unit"], ["second_term"]),
        helper.make_node("Sub", ["sum", "second_term"], ["first"]),
        helper.make_node("Slice", ["second", "row_axis", "row_second_size", "channel_axis"], ["second_in_use"]),
        helper.make_node("Concat", ["first", "second_in_use"], ["dot"], axis=1),
    ]


def _weights_by_signs() -> list[NodeProto]:
    """What a first and a second weight are together, by their signs."""
    signs = ("plus", "minus")
    return [
        constant("plus", 2.0),
        constant("minus", -2.0),
        *(helper.make_node("Mul", ["second_unit", second], [f"second_{second}"]) for second in signs),
        *(
            helper.make_node("Add", [first, f"second_{second}"], [f"{first}_and_{second}"])
            for first in signs
            for second in signs
        ),
    ]


def _choose(name: str, pairs: str, singles: str) -> list[NodeProto]:
    """`row_{name}` int64 [1]."""
    return [
        helper.make_node("Where", ["in_pairs", pairs, singles], [name]),
        helper.make_node("Unsqueeze", [name, "row_axis"], [f"row_{name}"]),
    ]
