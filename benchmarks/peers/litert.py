"""LiteRT (TensorFlow Lite) with XNNPACK, fp32 and 8-bit. Its model files are made here, one operator each."""

from dataclasses import dataclass, field

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as tflite
from ai_edge_litert.interpreter import Interpreter

from benchmarks.contenders import Contender
from benchmarks.layers import Convolution, Layer, Linear
from benchmarks.peers.peer import CannotBuildError, Make, Network, Peer

_TYPES = {
    np.dtype(np.float32): tflite.TensorType.FLOAT32,
    np.dtype(np.int8): tflite.TensorType.INT8,
    np.dtype(np.int32): tflite.TensorType.INT32,
}
# Of 8-bit inputs and outputs: normal numbers, and sums of them, fit.
_INPUT_SCALE, _OUTPUT_SCALE, _WEIGHT_SCALE = 0.04, 0.5, 0.01


class LiteRt(Peer):
    """One thread."""

    name = "ai-edge-litert"
    names = ("litert-fp32", "litert-int8")

    def layer(self, layer: Layer) -> dict[str, Make]:
        return {
            "litert-fp32": lambda: _contender(layer, "full"),
            "litert-int8": lambda: _contender(layer, "int8"),
        }

    def network(self, network: Network) -> dict[str, Make]:
        return {}


def _contender(layer: Layer, scheme: str) -> Contender:
    interpreter = Interpreter(model_content=_model(layer, scheme == "int8"), num_threads=1)
    interpreter.allocate_tensors()
    (described,) = interpreter.get_input_details()
    interpreter.set_tensor(described["index"], np.zeros(described["shape"], np.float32) + 0.5)
    interpreter.invoke()
    peer = "litert-int8" if scheme == "int8" else "litert-fp32"
    return Contender("litert", scheme, interpreter.invoke, peer=peer)


def _model(layer: Layer, int8: bool) -> bytes:
    """A convolution (channels last, as LiteRT has it) or a linear layer; floats in and out."""
    if isinstance(layer, Convolution):
        batch, channels, size = layer.batch, layer.inputs, layer.size
        builder = _Builder((batch, size, size, channels), (batch, layer.out_size, layer.out_size, layer.outputs))
        filters = (layer.outputs, layer.kernel, layer.kernel, layer.inputs)
        builder.layer(tflite.BuiltinOperator.CONV_2D, _convolution(layer), filters, int8)
    elif isinstance(layer, Linear):
        builder = _Builder((layer.batch, layer.inputs), (layer.batch, layer.outputs))
        options = tflite.FullyConnectedOptionsT()
        weights = (layer.outputs, layer.inputs)
        builder.layer(tflite.BuiltinOperator.FULLY_CONNECTED, options, weights, int8)
    else:
        raise CannotBuildError("litert: model files of recurrent layers and of networks cannot be made here")
    return builder.build()


def _convolution(layer: Convolution) -> object:
    options = tflite.Conv2DOptionsT()
    options.strideH = options.strideW = layer.stride
    options.dilationHFactor = options.dilationWFactor = 1
    options.padding = tflite.Padding.SAME
    return options


@dataclass
class _Builder:
    """One operator of weights between a float input and a float output."""

    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    tensors: list[object] = field(default_factory=list)
    buffers: list[object] = field(default_factory=lambda: [tflite.BufferT()])
    operators: list[object] = field(default_factory=list)
    codes: list[object] = field(default_factory=list)

    def layer(self, code: int, options: object, weights: tuple[int, ...], int8: bool) -> None:
        random = np.random.default_rng(0)
        x, y = self._tensor("x", np.float32, self.input_shape), self._tensor("y", np.float32, self.output_shape)
        if not int8:
            weight = self._constant("weight", random.standard_normal(weights, np.float32))
            self._operator(code, [x, weight, self._constant("bias", np.zeros(weights[0], np.float32))], y, options)
            return
        inner = self._tensor("x8", np.int8, self.input_shape, [_INPUT_SCALE])
        outer = self._tensor("y8", np.int8, self.output_shape, [_OUTPUT_SCALE])
        scales = [_WEIGHT_SCALE] * weights[0]
        weight = self._constant("weight", random.integers(-127, 128, weights, dtype=np.int8), scales)
        bias = self._constant("bias", np.zeros(weights[0], np.int32), [_INPUT_SCALE * scale for scale in scales])
        self._operator(tflite.BuiltinOperator.QUANTIZE, [x], inner, tflite.QuantizeOptionsT())
        self._operator(code, [inner, weight, bias], outer, options)
        self._operator(tflite.BuiltinOperator.DEQUANTIZE, [outer], y, tflite.DequantizeOptionsT())

    def build(self) -> bytes:
        graph = tflite.SubGraphT()
        graph.tensors, graph.operators, graph.inputs, graph.outputs = self.tensors, self.operators, [0], [1]
        model = tflite.ModelT()
        model.version, model.subgraphs, model.buffers, model.operatorCodes = 3, [graph], self.buffers, self.codes
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())

    def _tensor(
        self, name: str, dtype: type, shape: tuple[int, ...], scales: list[float] | None = None, buffer: int = 0
    ) -> int:
        tensor = tflite.TensorT()
        tensor.name, tensor.type, tensor.shape, tensor.buffer = name, _TYPES[np.dtype(dtype)], list(shape), buffer
        if scales:
            quantization = tflite.QuantizationParametersT()
            quantization.scale, quantization.zeroPoint, quantization.quantizedDimension = scales, [0] * len(scales), 0
            tensor.quantization = quantization
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def _constant(self, name: str, value: np.ndarray, scales: list[float] | None = None) -> int:
        buffer = tflite.BufferT()
        buffer.data = np.frombuffer(value.tobytes(), np.uint8)
        self.buffers.append(buffer)
        return self._tensor(name, value.dtype.type, value.shape, scales, len(self.buffers) - 1)

    def _operator(self, code: int, inputs: list[int], output: int, options: object) -> None:
        entry = tflite.OperatorCodeT()
        entry.builtinCode = entry.deprecatedBuiltinCode = code
        entry.version = {tflite.BuiltinOperator.FULLY_CONNECTED: 5, tflite.BuiltinOperator.CONV_2D: 3}.get(code, 1)
        self.codes.append(entry)
        operator = tflite.OperatorT()
        operator.opcodeIndex, operator.inputs, operator.outputs = len(self.codes) - 1, inputs, [output]
        operator.builtinOptions = options
        operator.builtinOptionsType = getattr(tflite.BuiltinOptions, type(options).__name__.removesuffix("T"))
        self.operators.append(operator)
