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


def pack_signs(positive: np.ndarray) -> np.ndarray:
    """Packed signs uint8 [N, ceil(C/8), H, W] of an image of truth values [N, C, H, W]."""
    return np.packbits(positive, axis=1, bitorder="little")


def unpack_signs(signs: np.ndarray, channels: int) -> np.ndarray:
    """The image of +1 and -1 [N, C, H, W] of packed signs; spare bits are ignored."""
    return np.unpackbits(signs, axis=1, count=channels, bitorder="little") * 2.0 - 1.0


def quantized(x: np.ndarray, axes: int | tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """8-bit activations: whole numbers in [-127, 127], and the step of each sample, which spans `axes`."""
    m = np.maximum(np.abs(x).max(axis=axes, keepdims=True), np.float32(1e-30))
    return np.round(x * (np.float32(127) / m)), m / np.float32(127)


def _conv2d(x, weight, strides, pads, dilations, group):
    """The exact sums in float64; a padded position adds nothing."""
    batch, _, height, width = x.shape
    outputs, channels, kernel_height, kernel_width = weight.shape
    out_height = (height + pads[0] + pads[2] - dilations[0] * (kernel_height - 1) - 1) // strides[0] + 1
    out_width = (width + pads[1] + pads[3] - dilations[1] * (kernel_width - 1) - 1) // strides[1] + 1
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    padded = padded.reshape(batch, group, channels, *padded.shape[2:])
    weight = weight.astype(np.float64).reshape(group, outputs // group, channels, kernel_height, kernel_width)
    total = np.zeros((batch, group, outputs // group, out_height, out_width))
    with np.errstate(invalid="ignore"):
        for row, column in np.ndindex(kernel_height, kernel_width):
            top, left = row * dilations[0], column * dilations[1]
            rows = slice(top, top + (out_height - 1) * strides[0] + 1, strides[0])
            columns = slice(left, left + (out_width - 1) * strides[1] + 1, strides[1])
            total += np.einsum("ngcij,goc->ngoij", padded[..., rows, columns], weight[..., row, column])
    return total.reshape(batch, outputs, out_height, out_width)


def xnor_conv2d(x, threshold, weight, scale, bias, *, strides=(1, 1), pads=(0, 0, 0, 0), dilations=(1, 1), group=1):
    """XnorConv2d: x [N, C, H, W], threshold [C], weight [O, C/group, kh, kw], scale [O], bias [O] -> [N, O, OH, OW]."""
    dot = _conv2d(sign(x, threshold[:, None, None]), weight, strides, pads, dilations, group)
    return scaled(scale[:, None, None], dot, bias[:, None, None])


def bwn_conv2d(x, weight, scale, bias, *, strides=(1, 1), pads=(0, 0, 0, 0), dilations=(1, 1), group=1):
    """BwnConv2d: x [N, C, H, W], weight [O, C/group, kh, kw], scale [O], bias [O] -> [N, O, OH, OW]."""
    total = _conv2d(x, weight, strides, pads, dilations, group)
    return scaled(scale[:, None, None], total, bias[:, None, None])


def xnor_conv2d_form(
    weight,
    scale,
    bias,
    *,
    x=None,
    threshold=None,
    signs=None,
    residual=None,
    slope=None,
    next_threshold=None,
    group=1,
    **geometry,
):
    """Any form of XnorConv2d, as the operands that are given say: `signs` FromSigns, `residual` Add, `slope` Prelu,
    `next_threshold` ToSigns."""
    if signs is not None:
        channels = weight.shape[1] * group
        x, threshold = unpack_signs(signs, channels), np.zeros(channels, np.float32)
    v = xnor_conv2d(x, threshold, weight, scale, bias, group=group, **geometry)
    with np.errstate(over="ignore", invalid="ignore"):
        if residual is not None:
            v = v + residual
        if slope is not None:
            v = np.where(v >= 0, v, slope[:, None, None] * v)
    return v if next_threshold is None else pack_signs(v >= next_threshold[:, None, None])


def sign_max_pool2d(signs, *, kernel_shape, strides, pads):
    """SignMaxPool2d: signs [N, ceil(C/8), H, W] -> the same of the windows' maxima, which for bits is OR."""
    height, width = signs.shape[2:]
    out_height = (height + pads[0] + pads[2] - kernel_shape[0]) // strides[0] + 1
    out_width = (width + pads[1] + pads[3] - kernel_shape[1]) // strides[1] + 1
    padded = np.pad(signs, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))  # a 0 changes no OR
    y = np.zeros((*signs.shape[:2], out_height, out_width), np.uint8)
    for row, column in np.ndindex(*kernel_shape):
        rows = slice(row, row + (out_height - 1) * strides[0] + 1, strides[0])
        columns = slice(column, column + (out_width - 1) * strides[1] + 1, strides[1])
        y |= padded[..., rows, columns]
    return y


def int8_conv2d(x, weight, scale, bias, *, strides=(1, 1), pads=(0, 0, 0, 0), dilations=(1, 1), group=1):
    """Int8Conv2d: x [N, C, H, W], weight [O, C/group, kh, kw] of whole numbers, scale [O], bias [O] -> [N, O, OH, OW].
    With weights of +1 and -1 it is BwnConv2dInt8."""
    q, step = quantized(x, (1, 2, 3))
    total = _conv2d(q, weight, strides, pads, dilations, group)
    return scaled(scale[:, None, None] * step, total, bias[:, None, None])


def int8_conv2d_relu(*operands, **named):
    """Int8Conv2dRelu: int8_conv2d(...), no less than 0."""
    return np.maximum(int8_conv2d(*operands, **named), np.float32(0))


def int8_conv2d_relu_max_pool(*operands, pool_kernel_shape, pool_strides, pool_pads, **named):
    """Int8Conv2dReluMaxPool: the maxima of int8_conv2d_relu(...) over windows."""
    y = int8_conv2d_relu(*operands, **named)
    top, left, bottom, right = pool_pads
    padded = np.pad(y, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, tuple(pool_kernel_shape), axis=(2, 3))
    return windows[:, :, :: pool_strides[0], :: pool_strides[1]].max((-2, -1))


def int8_linear(x, weight, scale, bias):
    """Int8Linear: x [..., K], weight [O, K] of whole numbers, scale [O], bias [O] -> [..., O]."""
    q, step = quantized(x, -1)
    return scaled(scale * step, q.astype(np.float64) @ weight.astype(np.float64).T, bias)


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


def _hard_sigmoid(a):
    return np.minimum(np.maximum(a / np.float32(4) + np.float32(0.5), np.float32(0)), np.float32(1))


def _hard_tanh(a):
    return np.minimum(np.maximum(a, np.float32(-1)), np.float32(1))


def _logistic(a):
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-a.astype(np.float64)))


def _hidden_part(h, threshold, weight, scale):
    """scale * dot, of h itself where there is no threshold."""
    activations = h.astype(np.float64) if threshold is None else sign(h, threshold)
    with np.errstate(over="ignore", invalid="ignore"):
        return scale * (activations @ weight.astype(np.float64).T).astype(np.float32)


def _lstm(u, threshold, weight, scale, h, c, s, k):
    steps = []
    with np.errstate(over="ignore", invalid="ignore"):
        for step in u:
            i, f, g, o = np.split(_hidden_part(h, threshold, weight, scale) + step, 4, axis=-1)
            c = (s(f) * c + s(i) * k(g)).astype(np.float32)
            h = (s(o) * k(c)).astype(np.float32)
            steps.append(h)
    return np.stack(steps), h, c


def _gru(u, threshold, weight, scale, bias, h, s, k):
    steps = []
    with np.errstate(over="ignore", invalid="ignore"):
        for step in u:
            d_r, d_z, d_n = np.split(_hidden_part(h, threshold, weight, scale), 3, axis=-1)
            u_r, u_z, u_n = np.split(step, 3, axis=-1)
            r, z = s(d_r + u_r), s(d_z + u_z)
            n = k(r * (d_n + bias) + u_n)
            h = ((1 - z) * n + z * h).astype(np.float32)
            steps.append(h)
    return np.stack(steps), h


def xnor_lstm(u, threshold, weight, scale, initial, initial_cell):
    """XnorLstm: u [T, N, 4H], threshold [H], weight [4H, H], scale [4H], initial and initial_cell [N, H]
    -> h [T, N, H], final [N, H], final_cell [N, H]."""
    return _lstm(u, threshold, weight, scale, initial, initial_cell, _hard_sigmoid, _hard_tanh)


def bwn_lstm(u, weight, scale, initial, initial_cell):
    """BwnLstm: as XnorLstm, without threshold."""
    return _lstm(u, None, weight, scale, initial, initial_cell, _logistic, np.tanh)


def xnor_gru(u, threshold, weight, scale, bias, initial):
    """XnorGru: u [T, N, 3H], threshold [H], weight [3H, H], scale [3H], bias [H], initial [N, H]
    -> h [T, N, H], final [N, H]."""
    return _gru(u, threshold, weight, scale, bias, initial, _hard_sigmoid, _hard_tanh)


def bwn_gru(u, weight, scale, bias, initial):
    """BwnGru: as XnorGru, without threshold."""
    return _gru(u, None, weight, scale, bias, initial, _logistic, np.tanh)
