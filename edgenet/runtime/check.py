"""Does the operator library really run here? One tiny node answers."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from edgenet.errors import EdgenetError
from edgenet.runtime.session import InferenceSession

_OUTPUTS, _INPUTS = 3, 20


def run_native_node() -> int:
    """Run one XnorLinear node through the operator library and compare it with numpy.

    Returns:
        How many native kernels ONNX Runtime made for it.

    Raises:
        EdgenetError: the library is not here, is not used, or gives wrong numbers.
    """
    random = np.random.default_rng(0)
    signs = random.integers(0, 2, (_OUTPUTS, _INPUTS)) * 2 - 1
    x = random.standard_normal((1, _INPUTS)).astype(np.float32)
    constants: dict[str, np.ndarray] = {
        "threshold": np.zeros(_INPUTS, np.float32),
        "weight": np.packbits(signs > 0, axis=1, bitorder="little"),
        "scale": np.ones(_OUTPUTS, np.float32),
        "bias": np.zeros(_OUTPUTS, np.float32),
    }
    node = helper.make_node("XnorLinear", ["x", *constants], ["y"], domain="edgenet", weight_shape=[_OUTPUTS, _INPUTS])
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, size])
        for name, size in (("x", _INPUTS), ("y", _OUTPUTS))
    ]
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph([node], "check", values[:1], values[1:], tensors)
    imports = [helper.make_opsetid("", 18), helper.make_opsetid("edgenet", 1)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=8)
    session = InferenceSession(model.SerializeToString(), native=True)
    (y,) = session.run({"x": x})
    expected = np.where(x >= 0, 1, -1) @ signs.T
    if not np.array_equal(y, expected):
        raise EdgenetError(
            f"The operator library gives {y.tolist()} where {expected.tolist()} is right; "
            "set EDGENET_ISA=scalar and report it."
        )
    return session.native_kernels
