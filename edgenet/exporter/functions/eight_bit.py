"""8-bit activations, quantised sample by sample (export/SPEC.md, Words)."""

from onnx import NodeProto, helper

from edgenet.exporter.functions.nodes import constant


def quantize(axes: str) -> list[NodeProto]:
    """`x` -> `q`, whole numbers in [-127, 127] as float32, and `step`; a sample is what `axes` names."""
    return [
        constant("smallest", 1e-30),
        constant("levels", 127.0),
        helper.make_node("Abs", ["x"], ["absolute"]),
        helper.make_node("ReduceMax", ["absolute", axes], ["largest"], keepdims=1),
        helper.make_node("Max", ["largest", "smallest"], ["m"]),
        helper.make_node("Div", ["levels", "m"], ["inverse_step"]),
        helper.make_node("Div", ["m", "levels"], ["step"]),
        helper.make_node("Mul", ["x", "inverse_step"], ["in_steps"]),
        helper.make_node("Round", ["in_steps"], ["q"]),
    ]
