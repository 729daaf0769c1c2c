"""What ONNX Runtime itself makes of a full-precision file with 8 bits: the answer to "why not int8?"."""

import math
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from edgenet.bench.targets import SAMPLES
from edgenet.errors import EdgenetError
from edgenet.runtime import InferenceSession

_CALIBRATION = 64
_EIGHT_BITS = (onnx.TensorProto.INT8, onnx.TensorProto.UINT8)
_RECURRENT = {"LSTM", "GRU", "RNN"}
# Not Conv: as ConvInteger it is some six times slower than in full precision.
_OF_DYNAMIC = {"LSTM", "MatMul", "Gemm", "Gather", "Attention"}


@contextmanager
def quantizer(
    kind: str, shapes: Mapping[str, Sequence[int]] | None, inputs: str | Path | None
) -> Iterator[Callable[[Path, bool], Path]]:
    """Give a function that writes the 8-bit version of a full-precision file and returns where; kept meanwhile.

    It is told whether the CPU that will run the version adds products of bytes exactly.

    Convolutions and matrix products get 8-bit activations, whose ranges are calibrated on the samples beside the file,
    else on the inputs given, else on random numbers; and 8-bit weights per channel, in QDQ form
    (`onnxruntime.quantization.quantize_static`). Networks with recurrent layers, of which that leaves nothing, are
    quantised dynamically (`quantize_dynamic`), which takes LSTM layers along. For a CPU that would add the products of
    8-bit weights with overflow, weights get 7 bits, as ONNX Runtime advises (`reduce_range`).

    Args:
        kind: `int8`.
        shapes: input shapes by name, as for `edgenet.bench.run`.
        inputs: an .npz file of arrays by input name.

    Raises:
        EdgenetError: there is no such kind; from the function: ONNX Runtime cannot quantise the file.
    """
    if kind != "int8":
        raise EdgenetError(f"ONNX Runtime's own version can be int8, not {kind!r}.")
    written: dict[tuple[Path, bool], Path] = {}
    lock = threading.Lock()
    with tempfile.TemporaryDirectory() as folder:

        def write(file: Path, exact: bool) -> Path:
            # Several devices measure at the same time, and want the same file.
            with lock:
                if (file, exact) not in written:
                    target = Path(folder) / f"{len(written)}.onnx"
                    _quantize(file, target, exact, shapes or {}, inputs)
                    written[file, exact] = target
                return written[file, exact]

        yield write


def _quantize(
    file: Path, target: Path, exact: bool, shapes: Mapping[str, Sequence[int]], inputs: str | Path | None
) -> None:
    try:
        from onnxruntime import quantization
    except ImportError as error:
        raise EdgenetError(f"--quantize needs all of onnxruntime.quantization: {error}.") from error

    # What is fused before is quantised as one, batch normalisation into convolutions for example.
    fused = target.with_suffix(".fused.onnx")
    basic = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    InferenceSession(file, options={"graph_optimization_level": basic, "optimized_model_filepath": str(fused)})
    model = onnx.load(fused)
    operators = {node.op_type for node in model.graph.node}
    feeds = _calibration(file, shapes, inputs)

    class Reader(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.feeds = iter(feeds)

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self.feeds, None)

    try:
        # It prints hints about steps before that do not matter here.
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            if operators & _RECURRENT:
                quantization.quantize_dynamic(
                    model,
                    target,
                    per_channel=True,
                    reduce_range=not exact,
                    op_types_to_quantize=sorted(_OF_DYNAMIC & operators),
                )
            else:
                quantization.quantize_static(
                    model,
                    target,
                    Reader(),
                    quant_format=quantization.QuantFormat.QDQ,
                    per_channel=True,
                    reduce_range=not exact,
                    activation_type=quantization.QuantType.QUInt8,
                    weight_type=quantization.QuantType.QInt8,
                )
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise EdgenetError(f"ONNX Runtime cannot make an 8-bit version of {file} (--quantize): {reason}") from error
    if not any(
        tensor.data_type in _EIGHT_BITS and len(tensor.dims) > 1 for tensor in onnx.load(target).graph.initializer
    ):
        raise EdgenetError(
            f"ONNX Runtime quantises nothing of {file}: it has 8-bit convolutions, matrix products and LSTM layers; "
            "measure it without --quantize."
        )


def _calibration(
    file: Path, shapes: Mapping[str, Sequence[int]], inputs: str | Path | None
) -> list[dict[str, np.ndarray]]:
    """What the network is run on to see the ranges of its activations."""
    from edgenet.bench.subjects import SingleFile
    from edgenet.tasks.held_out import HeldOut

    session = InferenceSession(file)
    samples = file.with_name(SAMPLES)
    if samples.is_file() and not shapes and inputs is None:
        held_out = HeldOut.load(samples)
        step = max(1, math.ceil(len(held_out) / _CALIBRATION))
        return [
            SingleFile(session, held_out.part(slice(i, i + 1)), {}).feeds.timed for i in range(0, len(held_out), step)
        ]
    return [SingleFile(session, None, shapes, str(inputs) if inputs else None).feeds.timed]
