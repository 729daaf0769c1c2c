"""`inspect` counts what an ONNX file holds and does, whoever wrote it."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgenet.errors import EdgenetError
from edgenet.runtime.inspection import inspect


def value(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def stored(name, *shape, dtype=np.float32):
    return numpy_helper.from_array(np.ones(shape, dtype), name)


def model(nodes, inputs, outputs, tensors, metadata=None, functions=()):
    graph = helper.make_graph(nodes, "network", inputs, outputs, tensors)
    domains = sorted({node.domain for node in nodes} | {""})
    opsets = [helper.make_opsetid(domain, 1 if domain else 18) for domain in domains]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=8, functions=functions)
    helper.set_model_props(made, metadata or {})
    return made.SerializeToString()


CONV = {"strides": [2, 2], "pads": [1, 1, 1, 1], "dilations": [1, 1], "group": 1}


def binary_network(metadata=None):
    """A float stem, an XNOR convolution, a binary-weight one and a classifier, with an open batch."""
    nodes = [
        helper.make_node("Conv", ["input", "stem.weight"], ["a"], "stem", pads=[1, 1, 1, 1]),
        helper.make_node(
            "XnorConv2d",
            ["a", "xnor.threshold", "xnor.weight", "xnor.scale", "xnor.bias"],
            ["b"],
            "xnor",
            domain="edgenet",
            weight_shape=[5, 4, 3, 3],
            **CONV,
        ),
        helper.make_node(
            "BwnConv2d",
            ["b", "bwn.weight", "bwn.scale", "bwn.bias"],
            ["c"],
            "bwn",
            domain="edgenet",
            weight_shape=[6, 5, 3, 3],
            **CONV,
        ),
        helper.make_node("Flatten", ["c"], ["d"]),
        helper.make_node("Gemm", ["d", "head.weight", "head.bias"], ["logits"], "head", transB=1),
    ]
    tensors = [
        stored("stem.weight", 4, 3, 3, 3),
        stored("xnor.threshold", 4),
        stored("xnor.weight", 5, 5, dtype=np.uint8),
        stored("xnor.scale", 5),
        stored("xnor.bias", 5),
        stored("bwn.weight", 6, 6, dtype=np.uint8),
        stored("bwn.scale", 6),
        stored("bwn.bias", 6),
        stored("head.weight", 10, 24),
        stored("head.bias", 10),
    ]
    return model(nodes, [value("input", ["batch", 3, 8, 8])], [value("logits", ["batch", 10])], tensors, metadata)


def test_counts_weights_bytes_and_work_of_every_layer():
    found = inspect(binary_network())
    rows = [(x.name, x.precision, x.weights, x.weight_bytes, x.macs, x.binary_macs) for x in found.layers]
    assert rows == [
        ("stem", "32x32", 108, 432, 8 * 8 * 108, 0),
        ("xnor", "1x1", 180, 25 + 4 * 14, 0, 4 * 4 * 180),
        ("bwn", "1x32", 270, 36 + 4 * 12, 2 * 2 * 270, 0),
        ("head", "32x32", 240, 4 * 250, 240, 0),
    ]


def test_totals_count_each_parameter_once_and_sixty_four_binary_multiply_adds_as_one_operation():
    found = inspect(binary_network())
    assert found.input_shape == [1, 3, 8, 8]
    assert found.parameters == 108 + 180 + 14 + 270 + 12 + 250
    assert found.binary_parameters == 180 + 270
    assert found.weight_bytes == 432 + 25 + 56 + 36 + 48 + 1000
    assert found.macs == 6912 + 1080 + 240
    assert found.binary_macs == 2880
    assert found.operations == found.macs + 2880 / 64
    assert found.macs_by_precision == {"32x32": 6912 + 240, "1x1": 2880, "1x32": 1080}


def test_work_grows_with_the_batch_that_is_asked_for():
    one, four = inspect(binary_network()), inspect(binary_network(), [4, 3, 8, 8])
    assert four.operations == 4 * one.operations
    assert four.parameters == one.parameters


def test_says_why_a_layer_is_not_binary_in_the_words_recorded_by_binarize():
    rows = [
        {"name": "stem", "action": "kept", "reason": "it sees the image"},
        {"name": "xnor", "action": "binarized", "reason": ""},
    ]
    layers = {x.name: x for x in inspect(binary_network({"edgenet.binary_layers": json.dumps(rows)})).layers}
    assert layers["stem"].reason == "it sees the image"
    assert not layers["stem"].binary
    assert layers["xnor"].reason == ""
    assert layers["xnor"].binary
    assert layers["head"].reason == "32-bit weights: last layer"


def test_a_file_of_others_says_that_it_has_no_binary_operator():
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    layer = inspect(model(nodes, [value("x", [2, 3])], [value("y", [2, 4])], [stored("w", 3, 4)])).layers[0]
    assert layer.name == "y"
    assert layer.reason == "32-bit weights: the file has no binary operator"
    assert layer.macs == 2 * 3 * 4


def test_recurrent_layers_work_at_every_step_of_every_sequence():
    nodes = [
        helper.make_node("Transpose", ["input"], ["steps"], perm=[1, 0, 2]),
        helper.make_node("RNN", ["steps", "w", "r", "b", "", "state"], ["h", "last"], "float", hidden_size=6),
        helper.make_node("Squeeze", ["h", "axis"], ["u"]),
        helper.make_node("Squeeze", ["last", "zero"], ["initial"]),
        helper.make_node(
            "XnorRecurrence",
            ["u", "t", "packed", "s", "initial"],
            ["p", "final"],
            "binary",
            domain="edgenet",
            weight_shape=[6, 6],
        ),
    ]
    tensors = [
        stored("w", 1, 6, 4),
        stored("r", 1, 6, 6),
        stored("b", 1, 12),
        stored("t", 6),
        stored("packed", 6, 1, dtype=np.uint8),
        stored("s", 6),
        numpy_helper.from_array(np.array([1]), "axis"),
        numpy_helper.from_array(np.array([0]), "zero"),
    ]
    inputs = [value("input", ["batch", "time", 4]), value("state", [1, "batch", 6])]
    made = model(nodes, inputs, [value("p", None), value("final", None)], tensors, {"edgenet.input_shape": "[7, 4]"})
    float_layer, binary_layer = inspect(made, [2, 5, 4]).layers
    assert float_layer.macs == 5 * 2 * 6 * (4 + 6)
    assert float_layer.weights == 24 + 36
    assert binary_layer.binary_macs == 5 * 2 * 36
    assert inspect(made).input_shape == [1, 7, 4]


def edgenet_node(operator, inputs, outputs, weight_shape, **attributes):
    """A node named after its input that ends in `.w`."""
    (name,) = (name.removesuffix(".w") for name in inputs if name.endswith(".w"))
    return helper.make_node(
        operator, inputs, outputs, name, domain="edgenet", weight_shape=weight_shape, **attributes
    )  # fmt: skip


def test_layers_of_eight_bits_and_packed_signs_are_counted_as_what_they_are():
    same = {"strides": [1, 1], "pads": [1, 1, 1, 1], "dilations": [1, 1], "group": 1}
    pool = {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [0, 0, 0, 0]}
    nodes = [
        edgenet_node("Int8Conv2dRelu", ["input", "stem.w", "stem.s", "stem.b"], ["a"], [4, 3, 3, 3], **same),
        edgenet_node("XnorConv2dToSigns", ["a", "t", "one.w", "one.s", "one.b", "next"], ["b"], [9, 4, 3, 3], **same),
        helper.make_node("SignMaxPool2d", ["b"], ["c"], domain="edgenet", **pool),
        edgenet_node("XnorConv2dFromSignsAdd", ["c", "two.w", "two.s", "two.b", "r"], ["d"], [5, 9, 3, 3], **same),
        edgenet_node("BwnConv2dInt8", ["d", "three.w", "three.s", "three.b"], ["e"], [6, 5, 3, 3], **CONV),
        helper.make_node("Flatten", ["e"], ["f"]),
        edgenet_node("Int8Linear", ["f", "head.w", "head.s", "head.b"], ["logits"], [10, 24]),
    ]
    vectors = {"stem": 4, "one": 9, "two": 5, "three": 6, "head": 10}
    tensors = [stored(f"{name}.{role}", size) for name, size in vectors.items() for role in "sb"]
    tensors += [stored("t", 4), stored("next", 9), stored("r", 1, 5, 4, 4)]
    tensors += [stored("stem.w", 4, 3, 3, 3, dtype=np.int8), stored("head.w", 10, 24, dtype=np.int8)]
    packed = {"one": (9, 5), "two": (5, 11), "three": (6, 6)}
    tensors += [stored(f"{name}.w", *shape, dtype=np.uint8) for name, shape in packed.items()]
    recorded = [{"name": "stem", "action": "quantized", "reason": "first layer"}]
    metadata = {"edgenet.binary_layers": json.dumps(recorded)}
    found = inspect(model(nodes, [value("input", ["batch", 3, 8, 8])], [value("logits", None)], tensors, metadata))
    rows = [(x.name, x.precision, x.weights, x.weight_bytes, x.macs, x.binary_macs, x.reason) for x in found.layers]
    assert rows == [
        ("stem", "8x8", 108, 108 + 4 * 8, 8 * 8 * 108, 0, "first layer"),
        ("one", "1x1", 324, 45 + 4 * 31, 0, 8 * 8 * 324, ""),
        ("two", "1x1", 405, 55 + 4 * (10 + 80), 0, 4 * 4 * 405, ""),
        ("three", "1x8", 270, 36 + 4 * 12, 2 * 2 * 270, 0, ""),
        ("head", "8x8", 240, 240 + 4 * 20, 240, 0, "8-bit weights: last layer"),
    ]
    assert found.binary_parameters == 324 + 405 + 270


def test_a_pooled_convolution_is_counted_before_its_pooling():
    geometry = {"strides": [2, 2], "pads": [3, 3, 3, 3], "dilations": [1, 1], "group": 1}
    pool = {"pool_kernel_shape": [3, 3], "pool_strides": [2, 2], "pool_pads": [1, 1, 1, 1]}
    inputs = ["input", "stem.w", "stem.s", "stem.b"]
    nodes = [edgenet_node("Int8Conv2dReluMaxPool", inputs, ["y"], [4, 3, 7, 7], **geometry, **pool)]
    tensors = [stored("stem.w", 4, 3, 7, 7, dtype=np.int8), stored("stem.s", 4), stored("stem.b", 4)]
    found = inspect(model(nodes, [value("input", ["batch", 3, 32, 32])], [value("y", None)], tensors))
    assert [layer.macs for layer in found.layers] == [16 * 16 * 4 * 3 * 7 * 7]


@pytest.mark.parametrize(("kind", "gates", "extra", "states"), [("Lstm", 4, [], 2), ("Gru", 3, ["bias"], 1)])
@pytest.mark.parametrize("scheme", ["Xnor", "Bwn"])
def test_gated_layers_work_at_every_step_of_every_sequence(scheme, kind, gates, extra, states):
    initial = [f"initial_{index}" for index in range(states)]
    threshold = ["t"] if scheme == "Xnor" else []
    inputs = ["u", *threshold, "packed", "s", *extra, *initial]
    outputs = ["h", *(f"final_{index}" for index in range(states))]
    nodes = [
        helper.make_node(f"{scheme}{kind}", inputs, outputs, "gated", domain="edgenet", weight_shape=[gates * 6, 6]),
        helper.make_node("MatMul", ["h", "head"], ["logits"], "head"),
    ]
    tensors = [
        stored("t", 6), stored("packed", gates * 6, 1, dtype=np.uint8), stored("s", gates * 6), stored("bias", 6),
        stored("head", 6, 2),
    ]  # fmt: skip
    made = model(
        nodes,
        [value("u", ["time", "batch", gates * 6]), *(value(name, ["batch", 6]) for name in initial)],
        [value("logits", None)],
        tensors,
    )
    gated, head = inspect(made, [5, 2, gates * 6]).layers
    assert gated.weights == gates * 36
    assert (gated.macs, gated.binary_macs)[scheme == "Xnor"] == 5 * 2 * gates * 36
    assert (gated.macs, gated.binary_macs)[scheme == "Bwn"] == 0
    assert head.macs == 5 * 2 * 6 * 2


def test_weights_behind_a_dequantizer_count_at_their_stored_width():
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "zero"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "s", "zero"], ["xd"]),
        helper.make_node("DequantizeLinear", ["wq", "s", "zero"], ["w"]),
        helper.make_node("Conv", ["xd", "w"], ["y"], "conv", group=4),
    ]
    tensors = [
        numpy_helper.from_array(np.float32(0.5), "s"),
        numpy_helper.from_array(np.int8(0), "zero"),
        stored("wq", 4, 1, 3, 3, dtype=np.int8),
    ]
    found = inspect(model(nodes, [value("x", [1, 4, 5, 5])], [value("y", [1, 4, 3, 3])], tensors))
    assert found.layers[0].precision == "8x8"
    assert found.layers[0].weight_bytes == 36
    assert found.macs == 4 * 9 * 9
    assert found.parameters == 36


def test_the_body_of_a_scan_counts_once_a_step():
    body = helper.make_graph(
        [helper.make_node("MatMul", ["row", "w"], ["product"], "inner"), helper.make_node("Identity", ["h"], ["h2"])],
        "body",
        [value("h", [3]), value("row", [3])],
        [value("h2", [3]), value("product", [4])],
    )
    nodes = [helper.make_node("Scan", ["h0", "x"], ["h1", "y"], body=body, num_scan_inputs=1)]
    inputs = [value("x", [9, 3]), value("h0", [3])]
    made = model(nodes, inputs, [value("h1", [3]), value("y", [9, 4])], [stored("w", 3, 4)])
    assert inspect(made).macs == 9 * 12


def test_sees_through_functions_of_other_domains():
    body = helper.make_function(
        "other",
        "Twice",
        ["a", "b"],
        ["c"],
        [helper.make_node("MatMul", ["a", "b"], ["c"])],
        [helper.make_opsetid("", 18)],
    )
    nodes = [helper.make_node("Twice", ["x", "w"], ["y"], domain="other")]
    made = model(nodes, [value("x", [1, 3])], [value("y", [1, 4])], [stored("w", 3, 4)], functions=[body])
    assert inspect(made).macs == 12


def test_sizes_that_the_file_leaves_open_leave_the_work_unknown_until_given():
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"])]
    made = model(nodes, [value("x", ["n", 3, "h", "w0"])], [value("y", None)], [stored("w", 4, 3, 3, 3)])
    assert inspect(made).macs is None
    assert inspect(made).operations is None
    assert inspect(made).input_shape is None
    assert inspect(made).parameters == 108
    assert inspect(made, [1, 3, 6, 6]).macs == 16 * 108


@pytest.mark.parametrize("shape", [[1, 3, 8], [1, 4, 8, 8], [0, 3, 8, 8]])
def test_refuses_an_input_shape_that_does_not_fit(shape):
    with pytest.raises(EdgenetError, match=r"does not fit the file's input 'input' \[batch, 3, 8, 8\]"):
        inspect(binary_network(), shape)


def test_refuses_what_is_not_an_onnx_file(tmp_path):
    with pytest.raises(EdgenetError, match="no such file"):
        inspect(tmp_path / "missing.onnx")
    with pytest.raises(EdgenetError, match="is a folder"):
        inspect(tmp_path)
    (tmp_path / "text.onnx").write_text("not a network, but some text")
    with pytest.raises(EdgenetError, match=r"give an \.onnx file"):
        inspect(tmp_path / "text.onnx")
    (tmp_path / "empty.onnx").write_bytes(onnx.ModelProto().SerializeToString())
    with pytest.raises(EdgenetError, match="holds no network"):
        inspect(tmp_path / "empty.onnx")
