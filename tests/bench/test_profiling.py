"""Where the time goes: everything that ONNX Runtime ran is found again under a node of the file."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgenet import bench
from edgenet.bench.profiling import BETWEEN, profile
from edgenet.bench.recording import Runs, record
from edgenet.runtime import library
from tests.runtime import models

FEEDS = {"input": np.random.default_rng(0).standard_normal((1, models.INPUTS)).astype(np.float32)}


def profiled(file: Path, native: bool | None, feeds: dict[str, np.ndarray] = FEEDS) -> dict[str, dict[str, Any]]:
    rows = profile([("", str(file), feeds, 1)], native)
    assert rows is not None
    assert sum(row["share"] for row in rows) == pytest.approx(1)
    assert all(row["ms"] >= 0 for row in rows)
    return {row["layer"]: row for row in rows}


def test_a_layer_has_its_time_bytes_and_work(tmp_path: Path) -> None:
    rows = profiled(models.plain(tmp_path / "full.onnx"), None)
    assert rows.keys() == {"logits", BETWEEN}
    layer = rows["logits"]
    assert (layer["operator"], layer["precision"], layer["macs"], layer["binary_macs"]) == ("Gemm", "32x32", 256, 0)
    assert layer["weight_bytes"] == 4 * 256
    assert layer["ms"] > 0
    assert rows[BETWEEN]["macs"] is None


@pytest.mark.parametrize("native", [True, False] if library.available() else [False])
def test_a_binary_layer_is_one_row_on_either_path(tmp_path: Path, native: bool) -> None:
    rows = profiled(models.xnor(tmp_path / "xnor.onnx"), native)
    assert rows.keys() == {"logits", BETWEEN}
    layer = rows["logits"]
    assert (layer["operator"], layer["precision"], layer["macs"], layer["binary_macs"]) == ("XnorLinear", "1x1", 0, 256)
    # Its body is comparison, selection, product, scaling and more; the kernel is one node.
    assert layer["kernels"] == 1 if native else layer["kernels"] >= 4


def convolutional(path: Path, inside_if: bool = False) -> Path:
    """Write conv, batch normalisation, relu, pooling, then a linear layer, which may be in a branch."""
    random = np.random.default_rng(0)

    def constant(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array(random.random(shape, np.float32), name)

    tensors = [constant("kernel", 8, 3, 3, 3), constant("matrix", 8, 4)]
    tensors += [constant(name, 8) for name in ("gamma", "beta", "mean", "variance")]
    nodes = [
        helper.make_node("Conv", ["input", "kernel"], ["convolved"], name="convolution"),
        helper.make_node("BatchNormalization", ["convolved", "gamma", "beta", "mean", "variance"], ["normal"]),
        helper.make_node("Relu", ["normal"], ["positive"]),
        helper.make_node("MaxPool", ["positive"], ["largest"], name="pooling", kernel_shape=[2, 2]),
        helper.make_node("GlobalAveragePool", ["largest"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
    ]
    linear = helper.make_node("MatMul", ["flat", "matrix"], ["logits"], name="linear")
    values = [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 16, 16])]
    out = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 4])
    if inside_if:
        values.append(helper.make_tensor_value_info("wanted", TensorProto.BOOL, []))
        other = helper.make_node("Flatten", ["pooled"], ["logits"])
        branches = [helper.make_graph([node], "branch", [], [out]) for node in (linear, other)]
        linear = helper.make_node(
            "If", ["wanted"], ["logits"], name="choice", then_branch=branches[0], else_branch=branches[1]
        )
    graph = helper.make_graph([*nodes, linear], "graph", values, [out], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


IMAGE = {"input": np.random.default_rng(0).random((1, 3, 16, 16), np.float32)}


def test_what_was_fused_into_a_layer_is_named(tmp_path: Path) -> None:
    rows = profiled(convolutional(tmp_path / "net.onnx"), None, IMAGE)
    assert rows["convolution"]["fused"] == ["BatchNormalization", "Relu"]
    assert rows["convolution"]["macs"] == 14 * 14 * 8 * 27
    assert rows["pooling"]["ms"] > 0
    assert rows["linear"]["fused"] == []
    assert "normal" not in rows
    assert "positive" not in rows


def test_layers_within_a_branch_have_rows_and_are_not_counted_twice(tmp_path: Path) -> None:
    feeds = {**IMAGE, "wanted": np.array(True)}
    rows = profiled(convolutional(tmp_path / "net.onnx", inside_if=True), None, feeds)
    assert rows["linear"]["macs"] == 32
    assert rows["linear"]["ms"] > 0


def test_weights_beside_the_file_are_no_hindrance(tmp_path: Path) -> None:
    model = onnx.load(models.plain(tmp_path / "inside.onnx"))
    onnx.save(model, tmp_path / "net.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert profiled(tmp_path / "net.onnx", None)["logits"]["weight_bytes"] == 1024


def test_a_file_of_2_gib_is_too_large_to_be_marked_and_is_not_even_read(tmp_path: Path) -> None:
    model = onnx.load(models.plain(tmp_path / "inside.onnx"))
    onnx.save(model, tmp_path / "net.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    os.truncate(tmp_path / "weights.bin", 2**31)
    assert profile([("", str(tmp_path / "net.onnx"), FEEDS, 1)], None) is None


def test_a_decoder_counts_as_often_as_it_runs(tmp_path: Path) -> None:
    file = str(models.plain(tmp_path / "full.onnx"))
    rows = profile([("encoder", file, FEEDS, 1), ("decoder", file, FEEDS, 1000)], None)
    assert rows is not None
    times = {row["layer"]: row["ms"] for row in rows}
    assert times["decoder.logits"] > 50 * times["encoder.logits"] > 0


@pytest.mark.parametrize(("seconds", "count"), [(0, 3), (60, 9)])
def test_a_model_is_recorded_for_its_time_within_bounds(tmp_path: Path, seconds: float, count: int) -> None:
    events, graph = record(models.plain(tmp_path / "full.onnx").read_bytes(), None, FEEDS, Runs(seconds, 3, 9))
    # The first run does not count.
    assert sum(event["name"] == "model_run" for event in events) == 1 + count
    assert [node.op_type for node in graph.node] == ["Gemm"]


def test_a_measurement_has_a_profile_where_it_is_asked_for(tmp_path: Path) -> None:
    folder = models.run_folder(tmp_path / "net")
    result = bench.run([folder], min_runs=5, min_seconds=0.02, profile=True)
    for row in result["rows"]:
        assert {layer["layer"] for layer in row["profile"]} == {"logits", BETWEEN}
        assert row["accuracy"] is not None
    assert bench.run([folder / "full.onnx"], min_runs=5, min_seconds=0.02)["rows"][0]["profile"] is None
