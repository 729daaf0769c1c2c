"""What shapes ONNX Runtime knows of the operators' outputs before anything has run."""

import pytest

from tests.ops import models
from tests.ops.test_operators import CALLS

SEQUENCES = ("u", "h")


def batch_axis(operator: str, name: str) -> int:
    return 1 if name in SEQUENCES or (name == "y" and operator.endswith(("Recurrence", "Gru"))) else 0


@pytest.mark.parametrize("operator", CALLS)
def test_fixed_shapes_are_known_when_the_model_is_loaded(operator):
    known = [output.shape for output in models.session(CALLS[operator].model()).get_outputs()]
    assert known == [list(array.shape) for array in CALLS[operator].run()]


@pytest.mark.parametrize("operator", CALLS)
def test_an_open_batch_keeps_its_name(operator):
    model = CALLS[operator].model()
    for value in model.graph.input:
        value.type.tensor_type.shape.dim[batch_axis(operator, value.name)].dim_param = "batch"
    outputs = models.session(model).get_outputs()
    assert [output.shape[batch_axis(operator, output.name)] for output in outputs] == ["batch"] * len(outputs)


@pytest.mark.parametrize("operator", ["XnorConv2d", "SignMaxPool2d"])
def test_an_open_size_keeps_its_name_where_the_window_keeps_the_size(operator):
    window = {"weight_shape": (4, 3, 3, 3)} if operator == "XnorConv2d" else {"kernel_shape": (3, 3)}
    model = CALLS[operator].but(**window, strides=(1, 2), pads=(1, 1, 1, 1)).model()
    for axis, name in ((2, "height"), (3, "width")):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = name
    (output,) = models.session(model).get_outputs()
    assert output.shape[2] == "height"
    assert output.shape[3] != "width"
