"""export/SPEC.md in plain numpy, as slow and as plain as can be: what every other path is held to.

Weights are given as arrays of +1 and -1 in their natural shape; `pack` makes the bytes that a file holds of them.
"""

import numpy as np


def pack(rows: np.ndarray) -> np.ndarray:
    """Packed rows [O, ceil(K/8)] of signs [O, ...] (+1 and -1): least significant bit first, spare bits 0."""
    return np.packbits(rows.reshape(len(rows), -1) > 0, axis=1, bitorder="little")


def sign(x: np.ndarray, threshold: np.ndarray) -> np.ndarray:
    """+1 where x >= threshold, else -1; NaN gives -1."""
    return np.where(x >= threshold, 1.0, -1.0)


def scaled(scale: np.ndarray, total: np.ndarray, addend: np.ndarray) -> np.ndarray:
    """scale * total + addend in float32, one rounding each."""
    with np.errstate(over="ignore", invalid="ignore"):
        return scale.astype(np.float32) * total.astype(np.float32) + addend.astype(np.float32)


def _conv2d(x, weight, strides, pads, dilations, group):
    """The exact sums in float64; a padded position adds nothing."""
    batch, _, height, width = x.shape
    outputs, channels, kernel_height, kernel_width = weight.shape
    out_height = (height + pads[0] + pads[2] - dilations[0] * (kernel_height - 1) - 1) // strides[0] + 1
    out_width = (width + pads[1] + pads[3] - dilations[1] * (kernel_width - 1) - 1) // strides[1] + 1
    x = x.astype(np.float64).reshape(batch, group, channels, height, width)
    weight = weight.astype(np.float64).reshape(group, outputs // group, channels, kernel_height, kernel_width)
    total = np.zeros((batch, group, outputs // group, out_height, out_width))
    with np.errstate(invalid="ignore"):
        for row in range(out_height):
            for column in range(out_width):
                for kernel_row in range(kernel_height):
                    for kernel_column in range(kernel_width):
                        i = row * strides[0] - pads[0] + kernel_row * dilations[0]
                        j = column * strides[1] - pads[1] + kernel_column * dilations[1]
                        if 0 <= i < height and 0 <= j < width:
                            products = x[:, :, None, :, i, j] * weight[None, :, :, :, kernel_row, kernel_column]
                            total[..., row, column] += products.sum(axis=-1)
    return total.reshape(batch, outputs, out_height, out_width)


def xnor_conv2d(x, threshold, weight, scale, bias, *, strides=(1, 1), pads=(0, 0, 0, 0), dilations=(1, 1), group=1):
    """XnorConv2d: x [N, C, H, W], threshold [C], weight [O, C/group, kh, kw], scale [O], bias [O] -> [N, O, OH, OW]."""
    dot = _conv2d(sign(x, threshold[:, None, None]), weight, strides, pads, dilations, group)
    return scaled(scale[:, None, None], dot, bias[:, None, None])


def bwn_conv2d(x, weight, scale, bias, *, strides=(1, 1), pads=(0, 0, 0, 0), dilations=(1, 1), group=1):
    """BwnConv2d: x [N, C, H, W], weight [O, C/group, kh, kw], scale [O], bias [O] -> [N, O, OH, OW]."""
    total = _conv2d(x, weight, strides, pads, dilations, group)
    return scaled(scale[:, None, None], total, bias[:, None, None])


def xnor_linear(x, threshold, weight, scale, bias):
    """XnorLinear: x [..., K], threshold [K], weight [O, K], scale [O], bias [O] -> [..., O]."""
    return scaled(scale, sign(x, threshold) @ weight.astype(np.float64).T, bias)


def bwn_linear(x, weight, scale, bias):
    """BwnLinear: x [..., K], weight [O, K], scale [O], bias [O] -> [..., O]."""
    with np.errstate(invalid="ignore"):
        return scaled(scale, x.astype(np.float64) @ weight.astype(np.float64).T, bias)


def xnor_recurrence(u, threshold, weight, scale, initial):
    """XnorRecurrence: u [T, N, H], threshold [H], weight [H, H], scale [H], initial [N, H] -> p [T, N, H], final."""
    p, steps = initial, []
    for step in u:
        p = scaled(scale, sign(p, threshold) @ weight.astype(np.float64).T, step)
        steps.append(p)
    return np.stack(steps), p


def bwn_recurrence(u, weight, scale, initial):
    """BwnRecurrence: u [T, N, H], weight [H, H], scale [H], initial [N, H] -> p [T, N, H], final [N, H]."""
    p, steps = initial, []
    for step in u:
        p = scaled(scale, np.tanh(p.astype(np.float64)) @ weight.astype(np.float64).T, step)
        steps.append(p)
    return np.stack(steps), p
