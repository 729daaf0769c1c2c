"""What ONNX Runtime takes to load the portable path, in bytes a weight: it unpacks all of them before the first run."""

import subprocess
import sys

import numpy as np
import onnx
import pytest

from tests.exporter.operators import model

SIZE = 2048
LAYERS = 4
LOAD = """
import sys
import onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024
onnxruntime.InferenceSession(sys.argv[1], options)
before = peak()
onnxruntime.InferenceSession(sys.argv[2], options)
print(peak() - before)
"""
LIMITS = {
    "XnorLinear": 8,
    "BwnLinear": 12,
    "Int8Linear": 5,
    "XnorConv2d": 18,
    "BwnConv2d": 18,
    "BwnConv2dInt8": 18,
    "Int8Conv2d": 16,
}
"""A little above what was measured; fp32 weights take 7 in MatMul and 14 in Conv."""


def chain(kind, size, layers):
    """Equal layers one after the other."""
    is_convolution = "Conv2d" in kind
    weight_shape = [size, size, 1, 1] if is_convolution else [size, size]
    geometry = {"strides": [1, 1], "pads": [0, 0, 0, 0], "dilations": [1, 1], "group": 1} if is_convolution else {}
    x = np.zeros((1, size, 1, 1) if is_convolution else (1, size), np.float32)
    threshold = {"threshold": np.zeros(size, np.float32)} if kind.startswith("Xnor") else {}
    generator = np.random.default_rng(0)
    whole = generator.integers(-127, 128, weight_shape).astype(np.int8)
    packed = generator.integers(0, 256, (size, -(-size // 8))).astype(np.uint8)
    vectors = {"scale": np.ones(size, np.float32), "bias": np.ones(size, np.float32)}
    inputs = {"x": x, **threshold, "weight": whole if kind.startswith("Int8") else packed, **vectors}
    made = model(kind, inputs, {"y": x.ndim}, {"weight_shape": weight_shape, **geometry})
    first = made.graph.node[0]
    last = first.output[0]
    (weight,) = (tensor for tensor in made.graph.initializer if tensor.name == "weight")
    for index in range(1, layers):
        copy = onnx.NodeProto()
        copy.CopyFrom(first)
        copy.input[0], copy.output[0], copy.name = last, f"y{index}", f"layer{index}"
        tensor = made.graph.initializer.add()
        tensor.CopyFrom(weight)
        tensor.name = f"weight{index}"
        copy.input[list(first.input).index("weight")] = tensor.name
        made.graph.node.append(copy)
        last = copy.output[0]
    made.graph.output[0].name = last
    return made


@pytest.mark.parametrize("kind", LIMITS)
def test_loading_peaks_at_few_bytes_a_weight(kind, tmp_path):
    small, large = tmp_path / "small.onnx", tmp_path / "large.onnx"
    onnx.save(chain(kind, 16, 1), small)
    onnx.save(chain(kind, SIZE, LAYERS), large)
    command = [sys.executable, "-c", LOAD, str(small), str(large)]
    taken = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert taken / (LAYERS * SIZE**2) <= LIMITS[kind]
