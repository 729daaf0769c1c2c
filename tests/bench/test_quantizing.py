"""ONNX Runtime's own 8-bit version as a row beside the others."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgenet import bench
from edgenet.bench.devices.base import Settings
from edgenet.bench.devices.cpu import CpuDevice
from edgenet.bench.machine import adds_products_of_bytes_exactly
from edgenet.bench.quantizing import quantizer
from edgenet.errors import EdgenetError
from edgenet.runtime import InferenceSession
from edgenet.runtime.inspection import inspect
from tests.runtime import models

QUICK = {"min_runs": 5, "min_seconds": 0.02}


class Fake(CpuDevice):
    """This machine, as if its CPU added products of bytes so."""

    def __init__(self, exact: bool) -> None:
        self.exact = exact

    def adds_products_of_bytes_exactly(self) -> bool:
        return self.exact


def recurrent(path: Path, kind: str, gates: int) -> Path:
    """Write one recurrent layer over [time, batch, 8]."""
    random = np.random.default_rng(0)
    tensors = [
        numpy_helper.from_array(random.random((1, gates * 16, size), np.float32), f"w{size}") for size in (8, 16)
    ]
    node = helper.make_node(kind, ["input", "w8", "w16"], ["states"], hidden_size=16)
    shapes = {"input": [5, 1, 8], "states": [5, 1, 1, 16]}
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    graph = helper.make_graph([node], "graph", values[:1], values[1:], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_int8_is_a_row_that_is_compared_with_full_on_the_same_samples(tmp_path: Path) -> None:
    result = bench.run([models.run_folder(tmp_path / "net")], quantize="int8", **QUICK)
    assert [row["scheme"] for row in result["rows"]][-1] == "int8"
    full, int8 = result["rows"][0], result["rows"][-1]
    assert (int8["model"], int8["file"], int8["path"]) == ("tiny", "full-int8.onnx", "plain")
    assert int8["speedup"]["over"] == int8["size_ratio"]["over"] == "full"
    assert int8["accuracy"]["samples"] == full["accuracy"]["samples"]
    assert int8["accuracy"]["value"] >= 0.9
    assert list((tmp_path / "net").glob("*int8*")) == []


def test_ranges_come_from_the_samples_and_outputs_stay_close(tmp_path: Path) -> None:
    folder = models.run_folder(tmp_path / "net")
    inputs = np.load(folder / "samples.npz")["inputs"]
    with quantizer("int8", None, None) as quantize:
        file = quantize(folder / "full.onnx", True)
        assert quantize(folder / "full.onnx", True) == file != quantize(folder / "full.onnx", False)
        (layer,) = [layer for layer in inspect(file).layers if layer.weight_bits]
        assert layer.precision == "8x8"
        full, int8 = (InferenceSession(f).run({"input": inputs})[0] for f in (folder / "full.onnx", file))
    assert np.abs(full - int8).max() < 0.05 * np.abs(full).max()


@pytest.mark.parametrize("exact", [True, False])
def test_weights_get_7_bits_where_the_device_would_overflow_with_8(tmp_path: Path, exact: bool) -> None:
    folder = models.run_folder(tmp_path / "net")
    device = Fake(exact)
    with quantizer("int8", None, None) as quantize:
        rows = device.collect([folder], Settings(quantize=quantize), native=False)
        (file,) = [row.file for row in rows if row.scheme == "int8"]
        tensors = [numpy_helper.to_array(tensor) for tensor in onnx.load(file).graph.initializer]
    assert max(np.abs(tensor.astype(int)).max() for tensor in tensors if tensor.dtype == np.int8) == (
        127 if exact else 64
    )


@pytest.mark.parametrize(
    ("machine", "features", "exact"),
    [
        ("x86_64", "sse2 avx2 avx512f", False),
        ("x86_64", "avx2 avx_vnni", True),
        ("AMD64", "avx512_vnni", True),
        ("aarch64", "fp asimd", True),
        ("x86_64", "", False),
    ],
)
def test_x86_adds_products_of_bytes_exactly_with_vnni_alone(machine: str, features: str, exact: bool) -> None:
    assert adds_products_of_bytes_exactly(machine, features) is exact


def test_an_lstm_is_quantised_dynamically(tmp_path: Path) -> None:
    with quantizer("int8", None, None) as quantize:
        model = onnx.load(quantize(recurrent(tmp_path / "lstm.onnx", "LSTM", 4), True))
    assert [node.op_type for node in model.graph.node] == ["DynamicQuantizeLSTM"]


def test_what_cannot_be_quantised_is_said(tmp_path: Path) -> None:
    with pytest.raises(EdgenetError, match=r"quantises nothing of .*gru\.onnx"):
        bench.run([recurrent(tmp_path / "gru.onnx", "GRU", 3)], quantize="int8", **QUICK)
    with pytest.raises(EdgenetError, match="--quantize needs a full-precision file"):
        bench.run([models.xnor(tmp_path / "xnor.onnx")], quantize="int8", **QUICK)
    with pytest.raises(EdgenetError, match="can be int8, not 'int4'"):
        bench.run([tmp_path / "gru.onnx"], quantize="int4", **QUICK)
