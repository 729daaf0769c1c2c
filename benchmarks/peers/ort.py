"""ONNX Runtime's own kernels: fp32, 8-bit (QDQ, per channel), and low-bit weights for linear layers."""

from collections.abc import Mapping
from functools import lru_cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from benchmarks.contenders import Contender, ort_fp32, runner
from benchmarks.layers import Layer, Linear, Recurrent
from benchmarks.peers.peer import CannotBuildError, Make, Network, Peer
from edgenet.runtime import InferenceSession

_BLOCK = 128
_INT8_COMPUTE = 4


class OnnxRuntime(Peer):
    """All optimisations on, one thread."""

    name = "onnxruntime"
    names = ("ort-fp32", "ort-int8", "ort-2bit", "ort-4bit")

    def layer(self, layer: Layer) -> dict[str, Make]:
        return {
            "ort-fp32": lambda: ort_fp32(layer),
            "ort-int8": lambda: _contender("int8", quantized_layer(layer), layer.feeds()),
            **{f"ort-{bits}bit": partial(_low_bit, layer, bits) for bits in (2, 4) if isinstance(layer, Linear)},
        }

    def network(self, network: Network) -> dict[str, Make]:
        return {
            "ort-fp32": lambda: _contender("full", network.full, network.feeds),
            "ort-int8": lambda: _contender("int8", network.int8, network.feeds),
        }


def _contender(scheme: str, model: bytes | Path, feeds: Mapping[str, np.ndarray]) -> Contender:
    peer = "ort-fp32" if scheme == "full" else "ort-int8"
    return Contender("ort", scheme, runner(InferenceSession(model), feeds), peer=peer)


@lru_cache(maxsize=1)
def quantized_layer(layer: Layer) -> bytes:
    """Return a layer with 8-bit weights and activations, floats in and out; an LSTM is quantised dynamically."""
    if isinstance(layer, Recurrent) and layer.op != "lstm":
        raise CannotBuildError(f"ort-int8: onnxruntime.quantization makes no 8-bit {layer.op}")
    with TemporaryDirectory() as folder:
        target = Path(folder) / "int8.onnx"
        model = onnx.load_model_from_string(layer.full())
        if isinstance(layer, Recurrent):
            from onnxruntime.quantization import quantize_dynamic

            quantize_dynamic(model, target)
        else:
            quantize(model, target, layer.feeds())
        return target.read_bytes()


def quantize(model: onnx.ModelProto | Path, target: Path, feeds: Mapping[str, np.ndarray]) -> None:
    """Write a model in QDQ form: unsigned 8-bit activations, signed 8-bit weights per channel."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.batches = iter([dict(feeds)])

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self.batches, None)

    quantize_static(
        model,
        target,
        Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )


def _low_bit(layer: Linear, bits: int) -> Contender:
    """MatMulNBits, blocks of 128 weights to a scale, computing on 8-bit activations: its fastest way."""
    random = np.random.default_rng(0)
    blocks = -(-layer.inputs // _BLOCK)
    weights = random.integers(0, 256, (layer.outputs, blocks, _BLOCK * bits // 8), dtype=np.uint8)
    scales = random.random(layer.outputs * blocks, np.float32)
    constants: dict[str, np.ndarray] = {
        "weights": weights,
        "scales": scales,
        "bias": random.standard_normal(layer.outputs, np.float32),
    }
    attributes: dict[str, Any] = {"K": layer.inputs, "N": layer.outputs, "bits": bits, "block_size": _BLOCK}
    inputs = ["x", "weights", "scales", "", "", "bias"]
    node = helper.make_node(
        "MatMulNBits", inputs, ["y"], domain="com.microsoft", accuracy_level=_INT8_COMPUTE, **attributes
    )
    graph = helper.make_graph(
        [node],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, layer.input_shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, layer.output_shape)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    imports = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString()
    return Contender("ort", f"int{bits}", runner(InferenceSession(model), layer.feeds()), peer=f"ort-{bits}bit")
