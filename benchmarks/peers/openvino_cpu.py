"""OpenVINO on the CPU: fp32, 8-bit (fed ONNX Runtime's QDQ model), and its BinaryConvolution."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from benchmarks.contenders import Contender
from benchmarks.interleaved import Call
from benchmarks.layers import Convolution, Layer, Recurrent
from benchmarks.peers.ort import quantized_layer
from benchmarks.peers.peer import CannotBuildError, Make, Network, Peer

# On a CPU with bf16 it would compute in that, which is no fp32; pinning is ours.
_OPTIONS = {
    "INFERENCE_NUM_THREADS": 1,
    "NUM_STREAMS": 1,
    "ENABLE_CPU_PINNING": False,
    "INFERENCE_PRECISION_HINT": "f32",
    "PERFORMANCE_HINT": "LATENCY",
}


class OpenVino(Peer):
    """One stream, one thread, f32 where nothing else is asked for."""

    name = "openvino"
    names = ("openvino-fp32", "openvino-int8", "openvino-binary")

    def __init__(self) -> None:
        self._core = ov.Core()

    def layer(self, layer: Layer) -> dict[str, Make]:
        makes: dict[str, Make] = {
            "openvino-fp32": lambda: self._contender("full", layer.full(), layer.feeds()),
            "openvino-int8": lambda: self._int8(layer),
        }
        if isinstance(layer, Convolution) and layer.binarized:
            makes["openvino-binary"] = lambda: self._binary(layer)
        return makes

    def network(self, network: Network) -> dict[str, Make]:
        return {
            "openvino-fp32": lambda: self._contender("full", network.full, network.feeds),
            "openvino-int8": lambda: self._contender("int8", network.int8, network.feeds),
        }

    def _int8(self, layer: Layer) -> Contender:
        if isinstance(layer, Recurrent):
            raise CannotBuildError(
                f"openvino-int8: a QDQ model of {layer.op} cannot be made with onnxruntime.quantization"
            )
        return self._contender("int8", quantized_layer(layer), layer.feeds())

    def _contender(self, scheme: str, model: bytes | Path, feeds: Mapping[str, np.ndarray]) -> Contender:
        read = self._core.read_model(str(model) if isinstance(model, Path) else model)
        read.reshape({name: value.shape for name, value in feeds.items()})
        peer = "openvino-fp32" if scheme == "full" else "openvino-int8"
        return Contender("openvino", scheme, self._call(read, feeds), peer=peer)

    def _call(self, model: ov.Model, feeds: Mapping[str, np.ndarray]) -> Call:
        request = self._core.compile_model(model, "CPU", _OPTIONS).create_infer_request()
        for name, value in feeds.items():
            request.set_tensor(name, ov.Tensor(value))
        return request.infer

    def _binary(self, layer: Convolution) -> Contender:
        call = self._call(binary_convolution(layer), layer.feeds())
        return Contender("openvino", "xnor", call, peer="openvino-binary")


def binary_convolution(layer: Convolution) -> ov.Model:
    """Return sign, XNOR convolution, scale and bias as OpenVINO's operators, floats in and out."""
    random = np.random.default_rng(0)
    x = ops.parameter(layer.input_shape, ov.Type.f32, name="x")
    x.output(0).set_names({"x"})
    threshold = random.standard_normal((1, layer.inputs, 1, 1), np.float32)
    signs = ops.fake_quantize(x, threshold, threshold, np.float32(0), np.float32(1), levels=2)
    bits = random.integers(0, 2, layer.weight_shape, dtype=np.uint8)
    # The CPU plugin binarises to 0 and 1 alone, and u1 constants lie least significant bit first.
    packed = np.packbits(bits.ravel(), bitorder="little")
    # A tensor does not keep its array alive.
    filters = ov.op.Constant(ov.Tensor(packed, ov.Shape(layer.weight_shape), ov.Type.u1), shared_memory=False)
    pads = [layer.padding] * 2
    dot = ops.binary_convolution(signs, filters, [layer.stride] * 2, pads, pads, [1, 1], "xnor-popcount", 0.0)
    scale = random.random((1, layer.outputs, 1, 1), np.float32)
    bias = random.standard_normal((1, layer.outputs, 1, 1), np.float32)
    return ov.Model([ops.add(ops.multiply(dot, scale), bias)], [x], "binary_convolution")
