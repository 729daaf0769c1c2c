"""`scale * dot(signs, w)` of the XNOR linear and recurrent layers, from one integer product or from triples."""

import numpy as np
from onnx import NodeProto, helper

from edgenet.exporter.functions.nodes import FLOAT, INT8, constant, sign, sign_constants, unpack_transposed, zero_or_one
from edgenet.exporter.functions.triples import UNITS, triple_product, triple_weights


def xnor_signs(value: str, threshold: str, output: str, in_triples: bool) -> list[NodeProto]:
    """`output` uint8, what `xnor_product` takes as the signs of `value >= threshold`."""
    return (zero_or_one if in_triples else sign)(value, threshold, output)


def xnor_weights(in_triples: bool) -> list[NodeProto]:
    """What `xnor_product` multiplies with, and what `xnor_signs` needs."""
    if in_triples:
        return [*triple_weights(), *_scale_in_units()]
    return [*unpack_transposed(INT8), *sign_constants()]


def xnor_product(signs: str, in_triples: bool) -> list[NodeProto]:
    """`scaled` = scale * dot(signs, w). One call a graph."""
    if in_triples:
        return [
            *triple_product(signs),
            # Rounding may give -0.0, a dot never is.
            helper.make_node("Add", ["near_second", "first"], ["unsigned_second"]),
            helper.make_node("Slice", ["third", "first_axis", "third_size", "columns_axis"], ["third_in_use"]),
            helper.make_node("Concat", ["first", "unsigned_second", "third_in_use"], ["dot_over_units"], axis=-1),
            helper.make_node("Mul", ["dot_over_units", "scale_in_units"], ["scaled"]),
        ]
    return [
        helper.make_node("MatMulInteger", [signs, "w_transposed", "zero_point"], ["dot"]),
        helper.make_node("Cast", ["dot"], ["sum"], to=FLOAT),
        helper.make_node("Mul", ["sum", "scale"], ["scaled"]),
    ]


def _scale_in_units() -> list[NodeProto]:
    """`scale_in_units` [O]: the scale times the units of the parts, the last of which is `third_size` long."""
    return [
        constant("two", np.int64(2)),
        helper.make_node("Mul", ["part_size", "two"], ["two_part_sizes"]),
        helper.make_node("Sub", ["row_outputs", "two_part_sizes"], ["third_size"]),
        *(constant(f"unit_of_{part}", unit) for part, unit in UNITS.items()),
        helper.make_node("Expand", ["unit_of_first", "part_size"], ["units_of_first"]),
        helper.make_node("Expand", ["unit_of_second", "part_size"], ["units_of_second"]),
        helper.make_node("Expand", ["unit_of_third", "third_size"], ["units_of_third"]),
        helper.make_node("Concat", [f"units_of_{part}" for part in UNITS], ["units"], axis=0),
        helper.make_node("Mul", ["scale", "units"], ["scale_in_units"]),
    ]
