"""The session: which path runs, what the file says of itself, and how bad files and inputs are refused."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import edgenet
from edgenet.errors import EdgenetError
from edgenet.runtime import InferenceSession, library
from edgenet.runtime.scan import count_operator_nodes
from tests.runtime import models


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.run_folder(tmp_path_factory.mktemp("runtime") / "run")


@pytest.fixture
def inputs() -> np.ndarray:
    return np.random.default_rng(2).standard_normal((3, models.INPUTS)).astype(np.float32)


def test_a_file_of_standard_operators_runs_plain(folder: Path, inputs: np.ndarray) -> None:
    session = InferenceSession(folder / "full.onnx")
    (logits,) = session.run({"input": inputs})
    assert session.path == "plain"
    assert session.operator_nodes == 0
    np.testing.assert_allclose(logits, inputs @ models.weights().T, rtol=1e-4, atol=1e-4)


def test_without_the_library_the_files_own_functions_run(folder: Path, inputs: np.ndarray) -> None:
    session = InferenceSession(folder / "xnor.onnx", native=False)
    (logits,) = session.run({"input": inputs})
    assert session.path == "portable"
    np.testing.assert_array_equal(logits, 0.5 * np.where(inputs >= 0, 1, -1) @ models.weights().T)


def test_the_library_takes_over_where_it_is_installed_and_gives_the_same(folder: Path, inputs: np.ndarray) -> None:
    session = InferenceSession(folder / "xnor.onnx")
    assert session.path == ("native" if library.available() else "portable")
    before = library.kernel_runs()
    (logits,) = session.run({"input": inputs})
    assert library.kernel_runs() - before == session.native_kernels
    np.testing.assert_array_equal(
        logits, InferenceSession(folder / "xnor.onnx", native=False).run({"input": inputs})[0]
    )


def test_insisting_on_native_without_a_library_says_how_to_get_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / library.FILE_NAME
    broken.write_bytes(b"no library")
    monkeypatch.setenv(library.ENVIRONMENT_VARIABLE, str(broken))
    with pytest.raises(EdgenetError, match=r"install a C\+\+ compiler"):
        InferenceSession(folder / "xnor.onnx", native=True)
    assert InferenceSession(folder / "xnor.onnx").path == "portable"


def test_a_library_named_but_absent_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(library.ENVIRONMENT_VARIABLE, "/nowhere/libedgenet_ops.so")
    with pytest.raises(EdgenetError, match="EDGENET_LIBRARY names /nowhere"):
        InferenceSession(folder / "xnor.onnx")


def test_an_instruction_set_that_is_not_there_is_named(folder: Path) -> None:
    if not library.available():
        assert library.isa() is None
        return
    script = f"from edgenet.runtime import InferenceSession; InferenceSession({str(folder / 'xnor.onnx')!r})"
    environment = {**os.environ, "EDGENET_ISA": "avx9000"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "EdgenetError" in done.stderr
    assert 'EDGENET_ISA is "avx9000"' in done.stderr


def test_metadata_is_read_without_its_prefix_and_decoded(folder: Path) -> None:
    metadata = InferenceSession(folder / "xnor.onnx", native=False).metadata
    assert metadata["scheme"] == "xnor"
    assert metadata["classes"] == ["a", "b", "c", "d"]


def test_bytes_are_as_good_as_a_path(folder: Path, inputs: np.ndarray) -> None:
    session = InferenceSession((folder / "xnor.onnx").read_bytes(), native=False)
    assert session.path == "portable"
    assert session.run({"input": inputs}, ["logits"])[0].shape == (3, models.CLASSES)


def test_options_reach_onnx_runtime(folder: Path, tmp_path: Path) -> None:
    optimized = tmp_path / "optimized.onnx"
    InferenceSession(
        folder / "xnor.onnx",
        native=False,
        threads=2,
        options={"optimized_model_filepath": str(optimized), "session.disable_prepacking": "1"},
    )
    assert optimized.is_file()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"threads": 0}, "threads is 0"),
        ({"options": {"colour": "red"}}, "no session option 'colour'"),
        ({"options": {"intra_op_num_threads": "two"}}, "'intra_op_num_threads' cannot be 'two'"),
    ],
)
def test_bad_arguments_are_named(folder: Path, change: dict, message: str) -> None:
    with pytest.raises(EdgenetError, match=message):
        InferenceSession(folder / "full.onnx", **change)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EdgenetError, match=r"nothing\.onnx is not a file"):
        InferenceSession(tmp_path / "nothing.onnx")


@pytest.mark.parametrize("content", [b"", b"hello, this is no ONNX model", b"\x00" * 64, b"\x08\x08"])
def test_a_file_that_is_no_onnx_model_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "note.onnx"
    path.write_bytes(content)
    with pytest.raises(EdgenetError, match=r"note\.onnx is no ONNX model"):
        InferenceSession(path)


@given(st.data())
def test_a_file_cut_short_anywhere_is_refused(folder: Path, data: st.DataObject) -> None:
    content = (folder / "full.onnx").read_bytes()
    cut = data.draw(st.integers(0, len(content) - 1))
    try:
        InferenceSession(content[:cut])
    except EdgenetError:
        return
    # A cut between two of the file's fields leaves a shorter but whole model.
    onnx.checker.check_model(onnx.load_from_string(content[:cut]))


def test_a_model_that_onnx_runtime_refuses_gives_its_reason_in_one_line(tmp_path: Path, folder: Path) -> None:
    model = onnx.load(folder / "full.onnx")
    model.graph.node[0].op_type = "NoSuchOperator"
    onnx.save(model, tmp_path / "odd.onnx")
    with pytest.raises(EdgenetError, match="NoSuchOperator") as caught:
        InferenceSession(tmp_path / "odd.onnx")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "feeds",
    [
        {},
        {"image": np.zeros((1, models.INPUTS), np.float32)},
        {"input": np.zeros((1, 3), np.float32)},
        {"input": np.zeros((1, models.INPUTS), np.int64)},
    ],
)
def test_wrong_inputs_are_refused_in_one_sentence(folder: Path, feeds: dict) -> None:
    with pytest.raises(EdgenetError, match="cannot run on these inputs"):
        InferenceSession(folder / "full.onnx").run(feeds)


def test_edgenet_nodes_inside_branches_are_counted(tmp_path: Path, folder: Path) -> None:
    model = onnx.load(folder / "xnor.onnx")
    branch = onnx.helper.make_graph(list(model.graph.node), "branch", [], list(model.graph.output))
    choice = onnx.helper.make_node("If", ["condition"], ["logits"], then_branch=branch, else_branch=branch)
    del model.graph.node[:]
    model.graph.node.append(choice)
    assert count_operator_nodes(model.SerializeToString()) == 2


def test_the_package_gives_the_session_and_its_version() -> None:
    assert edgenet.InferenceSession is InferenceSession
    with pytest.raises(AttributeError):
        edgenet.nothing  # noqa: B018
