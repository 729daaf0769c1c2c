import doctest
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgenet.errors import EdgenetError
from edgenet.nn import packing


def test_least_significant_bit_comes_first_and_spare_bits_are_zero():
    weight = np.array([[1, -1, 1, 1, -1, -1, -1, -1, 1], [-1] * 9], np.float32)
    assert packing.pack_bits(weight).tolist() == [[0b00001101, 1], [0, 0]]


def test_zero_of_either_sign_is_one_and_nan_is_zero():
    assert packing.pack_bits([[0.0, -0.0, np.nan, -1e-40]]).tolist() == [[0b0011]]


@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_unpacking_gives_back_the_signs(outputs, inputs, side, seed):
    weight = np.random.default_rng(seed).standard_normal((outputs, inputs, side, side))
    packed = packing.pack_bits(weight)
    assert packed.shape == (outputs, packing.packed_row_bytes(inputs * side * side))
    np.testing.assert_array_equal(packing.unpack_bits(packed, weight.shape), np.where(weight >= 0, 1, -1))


def test_rows_that_do_not_belong_to_the_shape_are_refused():
    with pytest.raises(EdgenetError, match=r"needs uint8 rows \[2, 2\]"):
        packing.unpack_bits(np.zeros((2, 1), np.uint8), (2, 9))
    with pytest.raises(EdgenetError, match="shape"):
        packing.pack_bits([1.0, -1.0])


def test_examples_in_the_documentation_are_right():
    assert doctest.testmod(packing, extraglobs={"np": np}).failed == 0


def test_packing_needs_no_torch():
    code = "import sys, edgenet.nn.packing; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
