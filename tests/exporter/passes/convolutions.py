"""XNOR convolutions for the tests of the passes that merge their neighbours into them."""

import numpy as np

from tests.exporter.graphs import node
from tests.exporter.operators import binary
from tests.reference import pack

CHANNELS = 9
SIZE = 6
SHAPE = ["batch", CHANNELS, SIZE, SIZE]
GEOMETRY = {"weight_shape": [CHANNELS, CHANNELS, 3, 3], "strides": [1, 1], "pads": [1, 1, 1, 1], "dilations": [1, 1]}
ATTRIBUTES = GEOMETRY | {"group": 1}


def operands(generator, prefix, threshold=None):
    """Tensors of a convolution by name, in the order of its inputs after x."""
    scale, bias, own = generator.normal(size=(3, CHANNELS)).astype(np.float32)
    return {
        f"{prefix}.threshold": own if threshold is None else threshold,
        f"{prefix}.weight": pack(binary(generator, CHANNELS, CHANNELS, 3, 3)),
        f"{prefix}.scale": scale,
        f"{prefix}.bias": bias,
    }


def convolution(source, target, prefix, tensors, operator="XnorConv2d", extra=()):
    names = [name for name in tensors if name.startswith(f"{prefix}.")]
    return node(operator, [source, *names, *extra], [target], prefix, **ATTRIBUTES)


def image(generator):
    return generator.normal(size=(2, CHANNELS, SIZE, SIZE)).astype(np.float32)
