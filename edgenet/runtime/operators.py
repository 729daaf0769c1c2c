"""The `edgenet` operators by name (export/SPEC.md): where each keeps its weights, in how many bits it works."""

from itertools import product

from onnx import NodeProto

DOMAIN = "edgenet"
XNOR_CONVOLUTIONS = ["".join(("XnorConv2d", *parts)) for parts in product(*(
    ("", part) for part in ("FromSigns", "Add", "Prelu", "ToSigns")
))]  # fmt: skip
POOLED_CONVOLUTION = "Int8Conv2dReluMaxPool"
CONVOLUTIONS = (
    *XNOR_CONVOLUTIONS,
    "BwnConv2d",
    "BwnConv2dInt8",
    "Int8Conv2d",
    "Int8Conv2dRelu",
    POOLED_CONVOLUTION,
)
LINEARS = ("XnorLinear", "BwnLinear", "Int8Linear")
STATES = {
    f"{scheme}{kind}": count
    for scheme in ("Xnor", "Bwn")
    for kind, count in (("Recurrence", 1), ("Lstm", 2), ("Gru", 1))
}
"""How many tensors the state of each recurrent operator has: its last inputs, and its outputs after the first."""

WEIGHT_INPUT = {
    name: 2 if name.startswith("Xnor") and "FromSigns" not in name else 1 for name in (*CONVOLUTIONS, *LINEARS, *STATES)
}
"""Which input holds the weights of each operator that has some."""


def has_binary_weights(node: NodeProto) -> bool:
    return node.domain == DOMAIN and node.op_type in WEIGHT_INPUT and not node.op_type.startswith("Int8")


def has_binary_activations(node: NodeProto) -> bool:
    return node.domain == DOMAIN and node.op_type.startswith("Xnor")


def has_int8_activations(node: NodeProto) -> bool:
    return node.domain == DOMAIN and (node.op_type.startswith("Int8") or node.op_type == "BwnConv2dInt8")
