"""A library runs the operators that it knows; a newer file's other operators run as the functions that it carries."""

import numpy as np
import onnx
from onnx import TensorProto, helper

from edgenet.runtime import library
from tests.ops import models
from tests.ops.test_operators import CALLS


def newer_file() -> onnx.ModelProto:
    """A file of operator set 3: an XnorLinear whose function says y = 0, and an operator of tomorrow, which negates."""
    model = CALLS["XnorLinear"].model()
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("edgenet", 3)]
    known = helper.make_function(
        "edgenet",
        "XnorLinear",
        ["x", "threshold", "weight", "scale", "bias"],
        ["y"],
        [
            helper.make_node("Mul", ["scale", "bias"], ["unused"]),
            helper.make_node("ReduceSum", ["x"], ["total"], keepdims=0),
            helper.make_node("Sub", ["total", "total"], ["y"]),
        ],
        opsets,
        ["weight_shape"],
    )
    unknown = helper.make_function(
        "edgenet", "OperatorOfTomorrow", ["x"], ["y"], [helper.make_node("Neg", ["x"], ["y"])], opsets
    )
    graph = model.graph
    graph.node.append(helper.make_node("OperatorOfTomorrow", ["y"], ["z"], domain="edgenet"))
    graph.output[0].CopyFrom(helper.make_tensor_value_info("z", TensorProto.FLOAT, None))
    return helper.make_model(graph, opset_imports=opsets, ir_version=8, functions=[known, unknown])


def test_a_newer_file_runs_with_its_known_operators_native_and_the_others_by_their_functions():
    call = CALLS["XnorLinear"]
    made, ran = library.kernels_created(), library.kernel_runs()
    session = models.session(newer_file())
    (z,) = session.run(None, {"x": call.inputs["x"]})
    np.testing.assert_array_equal(z, -call.run()[0])
    assert library.kernels_created() - made == 2  # this session's and call.run's
    assert library.kernel_runs() - ran == 2


def test_the_same_file_runs_without_the_library():
    made = library.kernels_created()
    (z,) = models.session(newer_file(), native=False).run(None, {"x": CALLS["XnorLinear"].inputs["x"]})
    np.testing.assert_array_equal(z, 0)
    assert library.kernels_created() == made


def test_the_library_tells_its_version_and_what_it_runs_on(isa):
    assert library.operator_set() == 2
    assert library.isa() == isa
    assert library.isas()[0] == "scalar"


def test_an_operator_runs_inside_a_scan():
    """Inside a Scan ONNX Runtime demands that an operator infer its outputs' shapes."""
    call = CALLS["XnorLinear"]
    body = call.but().model().graph
    body.input[0].CopyFrom(helper.make_tensor_value_info("x", TensorProto.FLOAT, [20]))
    body.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, [5]))
    scan = helper.make_node("Scan", ["rows"], ["ys"], body=body, num_scan_inputs=1)
    graph = helper.make_graph(
        [scan],
        "scan",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["rows", 20])],
        [helper.make_tensor_value_info("ys", TensorProto.FLOAT, ["rows", 5])],
    )
    session = models.session(helper.make_model(graph, opset_imports=models.OPSETS, ir_version=8))
    (ys,) = session.run(None, {"rows": call.inputs["x"]})
    np.testing.assert_array_equal(ys, call.run()[0])
