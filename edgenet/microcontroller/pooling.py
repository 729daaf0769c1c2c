"""Pooling that no layer could do on the way, and the signs of values that are read as numbers too."""

from dataclasses import replace

import numpy as np

from edgenet.microcontroller.graph import STEPS, Node, unsupported
from edgenet.microcontroller.preparation import SIGN
from edgenet.microcontroller.program import Program
from edgenet.microcontroller.sums import loop
from edgenet.microcontroller.text import indent


def pool(program: Program, node: Node) -> None:
    """MaxPool, AveragePool and GlobalAveragePool over an image."""
    x, y = node.input(0), node.outputs[0]
    if len(x.shape) != 4 or len(y.shape) != 4 or len(node.outputs) > 1:
        raise unsupported(node, "C can be written for images only, and without indices")
    if node.get("auto_pad", "NOTSET") != "NOTSET" or set(node.get("dilations", [1])) != {1}:
        raise unsupported(node, "auto_pad must be NOTSET and dilations 1")
    height, width = x.shape[2:]
    whole = node.operator == "GlobalAveragePool"
    kernel = (height, width) if whole else tuple(node.attributes["kernel_shape"])
    strides, pads = tuple(node.get("strides", (1, 1))), tuple(node.get("pads", (0, 0, 0, 0)))
    average = node.operator != "MaxPool"
    everywhere = f"{kernel[0] * kernel[1]}.0f" if node.get("count_include_pad", 0) else "(float)met"
    inner = (
        f"const int r = py * {strides[0]} - {pads[0]} + i, c = px * {strides[1]} - {pads[1]} + j;\n"
        f"if (r < 0 || r >= {height} || c < 0 || c >= {width}) continue;\n"
        f"const float n = x[(o * {height} + r) * {width} + c];\n"
        + ("v += n;\nmet++;" if average else "if (n > v) v = n;")
    )
    window = loop(kernel[0], loop(kernel[1], inner, "j"), "i")
    start = "float v = 0.0f;\nint met = 0;" if average else "float v = -INFINITY;"
    if average and node.get("count_include_pad", 0):
        start, window = "float v = 0.0f;", window.replace("met++;", "")
    end = f" / {everywhere}" if average else ""
    store = f"y[(o * {y.shape[2]} + py) * {y.shape[3]} + px] = v{end};"
    body = loop(x.shape[1], loop(y.shape[2], loop(y.shape[3], f"{start}\n{window}\n{store}", "px"), "py"))
    name = program.function_name(node)
    program.functions.append(f"LAYER void {name}(const float* x, float* y) {{\n{indent(body, 2)}\n}}\n")
    program.call(name, [program.read(x), program.write(y)])


def mean(program: Program, node: Node) -> None:
    """ReduceMean over an image's pixels."""
    x = node.input(0)
    axes = node.get("axes", None) if node.given(1) is None else node.array(1).ravel().tolist()
    if len(x.shape) != 4 or sorted(axis % 4 for axis in axes or ()) != [2, 3]:
        raise unsupported(node, "C can be written for the mean over all pixels only")
    count = x.shape[2] * x.shape[3]
    name = program.function_name(node)
    body = loop(x.shape[1], f"float v = 0.0f;\n{loop(count, f'v += x[o * {count} + i];', 'i')}\ny[o] = v / {count}.0f;")
    program.functions.append(f"LAYER void {name}(const float* x, float* y) {{\n{indent(body, 2)}\n}}\n")
    program.call(name, [program.read(x), program.write(node.outputs[0])])


def largest(program: Program, node: Node) -> None:
    """ReduceMax over the steps of a sequence."""
    x = node.input(0)
    axes = node.get("axes", None) if node.given(1) is None else node.array(1).ravel().tolist()
    if x.rows != STEPS or [x.shape[axis] for axis in axes or ()] != [STEPS]:
        raise unsupported(node, "C can be written for the largest of all steps only")
    program.kernel("largest_of_rows")
    program.call("largest_of_rows", [program.read(x), program.write(node.outputs[0]), str(x.columns), "steps"])


def sign_pool(program: Program, node: Node) -> None:
    """SignMaxPool2d: the bits that any pixel of a window has."""
    x, y = node.input(0), node.outputs[0]
    if x.layout is None or len(x.layout) != 3:
        raise unsupported(node, "its input is no image of packed signs")
    channels, height, width = x.layout
    size = (channels + 7) // 8
    kernel, strides, pads = (node.attributes[key] for key in ("kernel_shape", "strides", "pads"))
    out = [(extent + pads[i] + pads[2 + i] - kernel[i]) // strides[i] + 1 for i, extent in enumerate((height, width))]
    y.layout = (channels, out[0], out[1])
    inner = (
        f"const int r = py * {strides[0]} - {pads[0]} + i, c = px * {strides[1]} - {pads[1]} + j;\n"
        f"if (r >= 0 && r < {height} && c >= 0 && c < {width}) found |= x[(r * {width} + c) * {size} + b];"
    )
    window = loop(kernel[0], loop(kernel[1], inner, "j"), "i")
    store = f"y[(py * {out[1]} + px) * {size} + b] = (uint8_t)found;"
    body = loop(out[0], loop(out[1], loop(size, f"uint32_t found = 0;\n{window}\n{store}", "b"), "px"), "py")
    name = program.function_name(node)
    program.functions.append(f"LAYER void {name}(const uint8_t* x, uint8_t* y) {{\n{indent(body, 2)}\n}}\n")
    source = replace(program.read(x), as_bytes=True)
    target = program.write_signs(y, *y.layout)
    program.call(name, [source, target])


def sign(program: Program, node: Node) -> None:
    """The packed signs of a value."""
    x, bits = node.input(0), node.outputs[0]
    threshold = program.constant(node.attributes["threshold"].astype(np.float32), f"{node.name}_threshold")
    assert bits.layout is not None
    source = program.read(x)
    if len(bits.layout) == 3:
        channels, height, width = bits.layout
        program.kernel("pack_pixels")
        by_pixel = str(int(len(node.attributes["threshold"]) != channels))
        target = program.write_signs(bits, channels, height, width)
        program.call(
            "pack_pixels",
            [source, threshold, target, str(channels), str(height * width), by_pixel],
        )
        return
    count = bits.layout[0]
    words = (count + 31) // 32
    target = program.write(bits, "bits", words)
    if x.rows == STEPS:
        program.kernel("pack_rows")
        program.call("pack_rows", [source, threshold, target, str(count), "steps"])
    elif x.columns == count:
        program.kernel("pack_row")
        program.call("pack_row", [source, threshold, target, str(count)])
    else:
        raise unsupported(node, "it reads more than one row of a sample")


LOWERINGS = {
    "MaxPool": pool, "AveragePool": pool, "GlobalAveragePool": pool, "ReduceMean": mean, "ReduceMax": largest,
    "SignMaxPool2d": sign_pool, SIGN: sign,
}  # fmt: skip
