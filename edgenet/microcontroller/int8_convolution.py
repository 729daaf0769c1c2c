"""Convolutions of 8-bit weights and activations: two pixels and three outputs at a time, pooled on the way."""

import numpy as np

from edgenet.microcontroller.absorption import Absorbed, absorb
from edgenet.microcontroller.convolution import Geometry, geometry, store_bits, write_image
from edgenet.microcontroller.epilogue import Step
from edgenet.microcontroller.graph import Node, unsupported
from edgenet.microcontroller.program import Program
from edgenet.microcontroller.sums import finish, loop, not_negative, threshold_test
from edgenet.microcontroller.text import indent

_BLOCK = 3  # outputs at a time


def int8(program: Program, node: Node) -> None:
    """Int8Conv2d and Int8Conv2dRelu."""
    shape = geometry(node, node.input(0))
    if shape.group > 1 or set(shape.dilations) != {1}:
        raise unsupported(node, "C can be written for 8-bit weights without groups and dilations only")
    outputs, channels, kernel_height, kernel_width = shape.weight
    scale, weight = not_negative(node.array(2), node.array(1).astype(np.int16))
    steps = [Step("shift", [node.array(3).astype(np.float32)])]
    if node.operator.endswith("Relu"):
        steps.append(Step("relu"))
    absorbed = absorb(program, node.outputs[0], steps, outputs, residuals=False)
    pairs = (kernel_width + 1) // 2
    wide = np.pad(weight, ((0, 0), (0, 0), (0, 0), (0, 2 * pairs - kernel_width)))
    whole = outputs // _BLOCK * _BLOCK
    blocks = wide[:whole].reshape(-1, _BLOCK, channels, kernel_height, pairs, 2).transpose(0, 2, 3, 4, 1, 5)
    top, left, bottom, right = shape.pads
    pitch, padded_height = shape.width + left + right, shape.height + top + bottom
    plane = padded_height * pitch
    program.kernel("quantize_image")
    geometry_text = f"{channels}, {kernel_height}, {pairs}, {pitch}, {plane}"
    bodies = []
    scale_name = program.constant(scale, f"{node.name}_scale")
    if whole:
        program.kernel("int8_block")
        name = program.constant(np.ascontiguousarray(blocks), f"{node.name}_weight")
        size = channels * kernel_height * pairs * 2
        call = f"int8_block3(a, b, {name} + o * {size}, {geometry_text}, sums);"
        bodies.append(_outputs(program, node, shape, absorbed, call, 0, whole, _BLOCK, scale_name))
    if whole < outputs:
        program.kernel("int8_block1")
        name = program.constant(np.ascontiguousarray(wide[whole:]), f"{node.name}_weight")
        size = channels * kernel_height * pairs * 2
        call = f"int8_block1(a, b, {name} + (o - {whole}) * {size}, {geometry_text}, sums);"
        bodies.append(_outputs(program, node, shape, absorbed, call, whole, outputs, 1, scale_name))
    text = _loops(program, shape, absorbed, bodies)
    quantize = (
        f"const float step = quantize_image(x, q, {channels}, {shape.height}, {shape.width}, {top}, {left}, "
        f"{padded_height}, {pitch});"
    )
    text = f"{quantize}\n{text}"
    function = program.function_name(node)
    kind = "float" if absorbed.threshold is None else "uint8_t"
    program.functions.append(
        f"LAYER void {function}(const float* x, {kind}* y, int16_t* q) {{\n{indent(text, 2)}\n}}\n"
    )
    source = program.read(node.input(0))
    scratch = program.scratch("int16", channels * plane + 1)
    out = _out(shape, absorbed)
    program.call(function, [source, write_image(program, absorbed, outputs, out), scratch])


def _out(shape: Geometry, absorbed: Absorbed) -> tuple[int, int]:
    return shape.out[0] // absorbed.pool[0], shape.out[1] // absorbed.pool[1]


def _outputs(
    program: Program, node: Node, shape: Geometry, absorbed: Absorbed, call: str, begin: int, end: int, block: int,
    scale: str,
) -> str:  # fmt: skip
    """C for a range of outputs at one place, or two where nothing is pooled."""
    out = _out(shape, absorbed)
    pooled = absorbed.pool != (1, 1)
    column = "px" if pooled else "(px + p)"
    place = f"(o + i) * {out[0] * out[1]} + py * {out[1]} + {column}"
    finished = finish(program, absorbed.steps, node.name, place, "(o + i)")
    if absorbed.threshold is None:
        store = f"y[{place}] = v;"
    else:
        condition = threshold_test(
            program, absorbed, shape.weight[0], node.name, f"py * {out[1]} + {column}", "(o + i)"
        )
        found = "found" if pooled else "found[p]"
        store = f"{found}[(o + i) / 32] |= (uint32_t)({condition}) << ((o + i) % 32);"
    value = f"float v = ({scale}[o + i] * step) * (float){{0}};\n{finished}\n{store}"
    if pooled:
        pointers = _pointers(
            shape, "row", "column", f"column + 1 < (px + 1) * {absorbed.pool[1]}" * (absorbed.pool[1] % 2)
        )
        merge = (
            f"if (sums[i] > best[i]) best[i] = sums[i];\nif (sums[i + {block}] > best[i]) best[i] = sums[i + {block}];"
        )
        height, width = absorbed.pool
        inner = f"{pointers}\nint32_t sums[{2 * block}];\n{call}\nUNROLL {loop(block, merge, 'i')}"
        columns = (
            f"for (int column = px * {width}; column < (px + 1) * {width}; column += 2) {{\n{indent(inner, 2)}\n}}"
        )
        rows = f"for (int row = py * {height}; row < (py + 1) * {height}; row++) {{\n{indent(columns, 2)}\n}}"
        start = f"int32_t best[{block}];\nUNROLL {loop(block, 'best[i] = INT32_MIN;', 'i')}"
        body = f"{start}\n{rows}\nUNROLL {loop(block, value.format('best[i]'), 'i')}"
    else:
        pointers = _pointers(shape, "py", "px", f"px + 1 < {out[1]}" * (out[1] % 2))
        finish_two = loop(f"2 && px + p < {out[1]}", loop(block, value.format(f"sums[p * {block} + i]"), "i"), "p")
        body = f"{pointers}\nint32_t sums[{2 * block}];\n{call}\n{finish_two}"
    return f"for (int o = {begin}; o < {end}; o += {block}) {{\n{indent(body, 2)}\n}}"


def _pointers(shape: Geometry, row: str, column: str, second: str) -> str:
    """C that finds the first numbers of two pixels side by side; both are the same where there is no second."""
    pitch = shape.width + shape.pads[1] + shape.pads[3]
    stride = shape.strides[1]
    step = f"({second} ? {stride} : 0)" if second else str(stride)
    return f"const int16_t* a = q + {row} * {shape.strides[0] * pitch} + {column} * {stride}, *b = a + {step};"


def _loops(program: Program, shape: Geometry, absorbed: Absorbed, bodies: list[str]) -> str:
    out = _out(shape, absorbed)
    outputs = shape.weight[0]
    words = (outputs + 31) // 32
    pooled = absorbed.pool != (1, 1)
    head, tail = [], []
    if absorbed.threshold is not None and pooled:
        head, tail = [f"uint32_t found[{words}] = {{0}};"], [store_bits(outputs, out[1])]
    elif absorbed.threshold is not None:
        head = [f"uint32_t found[2][{words}] = {{{{0}}}};"]
        tail = [loop(f"2 && px + p < {out[1]}", store_bits(outputs, out[1], "", "found[p]", "(px + p)"), "p")]
    body = "\n".join([*head, *bodies, *tail])
    columns = f"for (int px = 0; px < {out[1]}; px += {1 if pooled else 2}) {{\n{indent(body, 2)}\n}}"
    return loop(out[0], columns, "py")


LOWERINGS = {"Int8Conv2d": int8, "Int8Conv2dRelu": int8}
