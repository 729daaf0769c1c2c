"""Parts of the way to C: memory, thresholds, constants, the folder."""

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from edgenet.cli import main
from edgenet.errors import EdgenetError
from edgenet.microcontroller import compile_network, write_folder
from edgenet.microcontroller.epilogue import Step, integer_limits
from edgenet.microcontroller.storage import Buffer, Memory
from edgenet.microcontroller.text import identifier, number
from tests.microcontroller.networks import frame_classifier


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12))
def test_buffers_that_live_together_do_not_overlap(drawn):
    memory = Memory()
    for count, first, last in drawn:
        buffer = memory.add(Buffer("b", "float", count))
        buffer.use(min(first, last))
        buffer.use(max(first, last))
    size = memory.plan(1)
    assert size <= sum(buffer.size(1) for buffer in memory.buffers)
    for i, a in enumerate(memory.buffers):
        assert a.offset + a.size(1) <= size
        for b in memory.buffers[:i]:
            together = a.first <= b.last and b.first <= a.last
            assert not together or a.offset + a.size(1) <= b.offset or b.offset + b.size(1) <= a.offset


def test_buffers_one_after_the_other_share_their_place():
    memory = Memory()
    for moment in range(5):
        buffer = memory.add(Buffer("b", "float", 10))
        buffer.use(moment)
    assert memory.plan(1) == 40


@given(
    st.integers(1, 70), st.floats(0, 4, width=32), st.floats(-9, 9, width=32), st.floats(-3, 3, width=32),
    st.floats(-30, 30, width=32) | st.sampled_from([-np.inf, np.inf]),
)  # fmt: skip
def test_integer_limits_decide_as_the_floats_do(count, scale, bias, gain, threshold):
    steps = [Step(kind, [np.array([value], np.float32)]) for kind, value in
             (("scale", scale), ("shift", bias), ("scale", gain))]  # fmt: skip
    limits, turned = integer_limits(steps, np.array([threshold], np.float32), count)
    sums = np.arange(-count, count + 1)
    expected = np.float32(gain) * (np.float32(scale) * sums.astype(np.float32) + np.float32(bias)) >= np.float32(
        threshold
    )
    assert (((sums >= limits[0]) != turned[0]) == expected).all()


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_constants_are_the_same_to_the_bit(value):
    text = number(value)
    assert text.endswith("f")
    assert np.float32(text[:-1]).tobytes() == np.float32(value).tobytes()


def test_names_become_identifiers():
    assert identifier("stack.rnn.layers.0/input") == "stack_rnn_layers_0_input"
    assert identifier("0-größe") == "n0_gr_e"


def test_the_header_says_how_to_call_it_and_a_second_writing_is_the_same(tmp_path):
    path, _ = frame_classifier("gru", "xnor", tmp_path / "net.onnx")
    files = write_folder(compile_network(path, "vowels", steps=7), tmp_path / "c")
    assert [file.name for file in files] == ["vowels.h", "vowels.c", "vowels_weights.h"]
    header = files[0].read_text()
    assert "int vowels_run(const float* input, int steps, float* logits);" in header
    assert "#define VOWELS_MAX_STEPS 7" in header
    first = [file.read_bytes() for file in files]
    assert [file.read_bytes() for file in write_folder(compile_network(path, "vowels", 7), tmp_path / "c")] == first
    assert b"malloc" not in first[1]


def test_the_command_writes_a_file_as_c_and_says_how_it_compares(tmp_path):
    path, _ = frame_classifier("gru", "xnor", tmp_path / "net.onnx")
    done = CliRunner().invoke(
        main, ["export", str(path), "--format", "c", "--steps", "9", "--out", str(tmp_path / "c")]
    )
    assert done.exit_code == 0, done.output
    assert "c: same class as the .onnx file on 100.0% of 32 random samples, largest difference 0" in done.output
    assert "Wrote network.h, network.c, network_weights.h into" in done.output
    assert "MAX_STEPS 9" in (tmp_path / "c" / "network.h").read_text()


@pytest.mark.parametrize(
    "words", [("--format", "c", "--output", "x.onnx"), ("--out", "c"), ("--steps", "3"), ("--format", "d")]
)
def test_options_of_the_other_format_are_wrong_usage(words):
    assert CliRunner().invoke(main, ["export", "net.onnx", *words]).exit_code == 2


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    path, _ = frame_classifier("elman", "xnor", tmp_path / "net.onnx")
    (tmp_path / "file").write_text("")
    with pytest.raises(EdgenetError, match="file cannot be written"):
        write_folder(compile_network(path), tmp_path / "file")
