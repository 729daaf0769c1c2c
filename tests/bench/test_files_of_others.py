"""Files that edgenet did not write: any types, open sizes, states, 8-bit operators, weights elsewhere, old opsets."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgenet import bench
from edgenet.errors import EdgenetError
from tests.runtime import models

QUICK = {"min_runs": 5, "min_seconds": 0.02}
F32, F16, I64, I8, U8, BOOL = (
    TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT64, TensorProto.INT8, TensorProto.UINT8, TensorProto.BOOL
)  # fmt: skip
Value = tuple[str, int, list[int | str | None]]


def save(
    path: Path,
    nodes: list[onnx.NodeProto],
    inputs: list[Value],
    outputs: list[Value],
    constants: dict[str, np.ndarray] | None = None,
    opset: int = 17,
    **options: object,
) -> None:
    values = [[helper.make_tensor_value_info(*value) for value in side] for side in (inputs, outputs)]
    tensors = [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()]
    graph = helper.make_graph(nodes, path.stem, *values, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.save(model, path, **options)


def state(path: Path) -> None:
    """Name nothing of the batch, as some exporters do."""
    nodes = [
        helper.make_node("MatMul", ["input", "weight"], ["seen"]),
        helper.make_node("Add", ["seen", "h"], ["hn"]),
    ]
    inputs: list[Value] = [("input", F32, [None, 6]), ("h", F32, [2, None, 8])]
    save(path, nodes, inputs, [("hn", F32, [2, None, 8])], {"weight": np.ones((6, 8), np.float32)})


def qlinear(path: Path) -> None:
    """QLinearMatMul between 8-bit tensors."""
    constants = {
        "scale": np.float32(0.1), "zero": np.uint8(128), "weight": np.ones((6, 4), np.int8), "none": np.int8(0)
    }  # fmt: skip
    names = ["input", "scale", "zero", "weight", "scale", "none", "scale", "zero"]
    nodes = [helper.make_node("QLinearMatMul", names, ["output"])]
    save(
        path,
        nodes,
        [("input", U8, ["N", 6])],
        [("output", U8, ["N", 4])],
        {k: np.asarray(v) for k, v in constants.items()},
    )


def tokens(path: Path) -> None:
    """Token ids, a mask and a scalar, of several types."""
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["vectors"]),
        helper.make_node("Where", ["mask", "ids", "rate"], ["kept"]),
    ]
    inputs: list[Value] = [("ids", I64, ["batch", "length"]), ("mask", BOOL, ["batch", "length"]), ("rate", I64, [])]
    outputs: list[Value] = [("vectors", F32, ["batch", "length", 4]), ("kept", I64, ["batch", "length"])]
    save(path, nodes, inputs, outputs, {"table": np.ones((10, 4), np.float32)})


def half(path: Path) -> None:
    nodes = [helper.make_node("MatMul", ["input", "weight"], ["output"])]
    save(path, nodes, [("input", F16, [1, 6])], [("output", F16, [1, 4])], {"weight": np.ones((6, 4), np.float16)})


def outside(path: Path) -> None:
    nodes = [helper.make_node("MatMul", ["input", "weight"], ["output"])]
    constants = {"weight": np.ones((64, 64), np.float32)}
    external = {"save_as_external_data": True, "location": "weights.bin", "size_threshold": 0}
    save(path, nodes, [("input", F32, [1, 64])], [("output", F32, [1, 64])], constants, **external)


def old(path: Path) -> None:
    """Operator set 7, sizes all called `?`."""
    nodes = [helper.make_node("GlobalAveragePool", ["image"], ["mean"])]
    save(path, nodes, [("image", F32, ["?", 3, "?", "?"])], [("mean", F32, ["?", 3, 1, 1])], opset=7)


def no_input(path: Path) -> None:
    save(
        path,
        [helper.make_node("Relu", ["weight"], ["output"])],
        [],
        [("output", F32, [4])],
        {"weight": np.ones(4, np.float32)},
    )


FILES: dict[str, tuple[Callable[[Path], None], list[int]]] = {
    "state": (state, [1, 6]),
    "qlinear": (qlinear, [1, 6]),
    "tokens": (tokens, [1, 32]),
    "half": (half, [1, 6]),
    "outside": (outside, [1, 64]),
    "old": (old, [1, 3, 224, 224]),
    "no_input": (no_input, []),
}


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    folder = tmp_path_factory.mktemp("others")
    for name, (write, _) in FILES.items():
        write(folder / f"{name}.onnx")
    result = bench.run(sorted(folder.glob("*.onnx")), profile=True, **QUICK)
    return {row["model"]: row for row in result["rows"]}


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_others_runs_as_it_is(rows: dict[str, dict], name: str) -> None:
    row = rows[name]
    assert row["path"] == "plain"
    assert row["input"] == FILES[name][1]
    assert row["latency_ms"]["p50"] > 0
    assert row["file_bytes"] > 0
    assert row["profile"]


def test_weights_outside_of_the_file_count(rows: dict[str, dict]) -> None:
    assert rows["outside"]["file_bytes"] > 4 * 64 * 64
    assert rows["outside"]["macs"] == 64 * 64


def test_work_is_counted_at_the_sizes_that_were_run(rows: dict[str, dict]) -> None:
    assert rows["qlinear"]["macs"] == 6 * 4
    assert rows["state"]["macs"] == 6 * 8


def dynamic(path: Path) -> Path:
    """Two inputs of one length each, which have to agree though the file does not say so."""
    nodes = [helper.make_node("Add", ["left", "right"], ["sum"])]
    inputs: list[Value] = [("left", F32, [1, "width"]), ("right", F32, [1, "length"])]
    save(path, nodes, inputs, [("sum", F32, [1, "width"])])
    return path


def test_inputs_of_ones_own_are_run(tmp_path: Path) -> None:
    file = dynamic(tmp_path / "net.onnx")
    np.savez(tmp_path / "inputs.npz", left=np.zeros((1, 7)), right=np.zeros((1, 7), np.float32))
    (row,) = bench.run([file], inputs=tmp_path / "inputs.npz", **QUICK)["rows"]
    assert row["input"] == [1, 7]


def test_inputs_that_are_not_given_are_made_up_beside_those_that_are(tmp_path: Path) -> None:
    file = dynamic(tmp_path / "net.onnx")
    np.savez(tmp_path / "inputs.npz", left=np.zeros((1, 32), np.float32))
    (row,) = bench.run([file], inputs=tmp_path / "inputs.npz", **QUICK)["rows"]
    assert row["input"] == [1, 32]


def test_a_single_input_may_have_any_name_and_leaves_accuracy_out(tmp_path: Path) -> None:
    folder = models.run_folder(tmp_path / "net")
    np.savez(tmp_path / "inputs.npz", np.zeros((3, models.INPUTS), np.float32))
    (row,) = bench.run([folder / "full.onnx"], inputs=tmp_path / "inputs.npz", **QUICK)["rows"]
    assert (row["input"], row["accuracy"]) == ([3, models.INPUTS], None)


def test_a_network_that_refuses_made_up_inputs_says_how_to_give_others(tmp_path: Path) -> None:
    file = dynamic(tmp_path / "net.onnx")
    with pytest.raises(EdgenetError) as caught:
        bench.run([file], shapes={"left": [1, 7]}, **QUICK)
    told = str(caught.value)
    assert told.startswith("The network cannot run on these inputs: ")
    assert "these were made up: right [1, 32]; give shapes with --input-shape NAME:SIZES" in told
    assert "\n" not in told


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"middle": np.zeros(3)}, "has an array 'middle'; the network's inputs are left, right"),
        (
            {"left": np.zeros((1, 3), np.complex64)},
            r"has complex64 values for input 'left', which takes a tensor\(float\)",
        ),
        ({"left": np.zeros((1, 3, 3))}, r"Input 'left' takes \[1, width\], not \[1, 3, 3\]"),
    ],
)
def test_arrays_that_do_not_fit_are_named(tmp_path: Path, arrays: dict, message: str) -> None:
    np.savez(tmp_path / "inputs.npz", **arrays)
    with pytest.raises(EdgenetError, match=message):
        bench.run([dynamic(tmp_path / "net.onnx")], inputs=tmp_path / "inputs.npz", **QUICK)


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "inputs.npz").write_text("no arrays")
    with pytest.raises(EdgenetError, match=r"inputs\.npz cannot be read; --inputs takes what numpy\.savez"):
        bench.run([dynamic(tmp_path / "net.onnx")], inputs=tmp_path / "inputs.npz", **QUICK)


def test_missing_weights_are_named(tmp_path: Path) -> None:
    outside(tmp_path / "net.onnx")
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(EdgenetError, match=r"keeps its weights in .*weights\.bin, which is not there"):
        bench.run([tmp_path / "net.onnx"], **QUICK)
