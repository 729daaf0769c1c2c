"""export/SPEC.md's 8-bit and gated operators in plain numpy; weights as in `tests.reference`."""

import numpy as np

from tests import reference
from tests.reference import scaled, sign


def quantized(x, axes):
    """8-bit activations: whole numbers q and the step of each sample."""
    m = np.maximum(np.abs(x).max(axis=axes, keepdims=True), np.float32(1e-30))
    return np.round(x * (np.float32(127) / m)), m / np.float32(127)


def int8_conv2d(x, weight, scale, bias, **geometry):
    """Int8Conv2d, and BwnConv2dInt8 with weights of +1 and -1: weight [O, C/group, kh, kw]."""
    q, step = quantized(x, (1, 2, 3))
    zeros = np.zeros_like(bias)
    total = reference.bwn_conv2d(q, weight, np.ones_like(scale), zeros, **geometry)
    return scaled(scale[:, None, None] * step, total, bias[:, None, None])


def int8_linear(x, weight, scale, bias):
    """Int8Linear: x [..., K], weight [O, K]."""
    q, step = quantized(x, -1)
    return scaled(scale * step, q.astype(np.int64) @ weight.astype(np.int64).T, bias)


def _squash(a):
    return np.minimum(np.maximum(a, np.float32(-1)), np.float32(1))


def _gate(a):
    return np.minimum(np.maximum(a / np.float32(4) + np.float32(0.5), np.float32(0)), np.float32(1))


def _logistic(a):
    return 1 / (1 + np.exp(-a.astype(np.float64)))


def _product(h, threshold, weight, scale):
    h = h.astype(np.float64) if threshold is None else sign(h, threshold)
    return scaled(scale, h @ weight.astype(np.float64).T, np.zeros_like(scale))


def xnor_lstm(u, threshold, weight, scale, initial, initial_cell):
    return _lstm(u, threshold, weight, scale, initial, initial_cell, _gate, _squash)


def bwn_lstm(u, weight, scale, initial, initial_cell):
    return _lstm(u, None, weight, scale, initial, initial_cell, _logistic, np.tanh)


@np.errstate(invalid="ignore", over="ignore")
def _lstm(u, threshold, weight, scale, h, c, gate, squash):
    steps = []
    for step in u:
        i, f, g, o = np.split(_product(h, threshold, weight, scale) + step, 4, axis=-1)
        c = gate(f) * c + gate(i) * squash(g)
        h = gate(o) * squash(c)
        steps.append(h)
    return np.stack(steps), h, c


def xnor_gru(u, threshold, weight, scale, bias, initial):
    return _gru(u, threshold, weight, scale, bias, initial, _gate, _squash)


def bwn_gru(u, weight, scale, bias, initial):
    return _gru(u, None, weight, scale, bias, initial, _logistic, np.tanh)


@np.errstate(invalid="ignore", over="ignore")
def _gru(u, threshold, weight, scale, bias, h, gate, squash):
    steps = []
    for step in u:
        d, parts = (np.split(value, 3, axis=-1) for value in (_product(h, threshold, weight, scale), step))
        r, z = gate(d[0] + parts[0]), gate(d[1] + parts[1])
        n = squash((r * (d[2] + bias)) + parts[2])
        h = (np.float32(1) - z) * n + z * h
        steps.append(h)
    return np.stack(steps), h
