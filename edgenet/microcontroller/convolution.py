"""Convolutions of float, binary and XNOR weights: a patch of the image at a time, all its outputs, pooled at once."""

from dataclasses import dataclass, replace

import numpy as np

from edgenet.microcontroller.absorption import Absorbed, absorb
from edgenet.microcontroller.epilogue import Step
from edgenet.microcontroller.graph import Node, Value, unsupported
from edgenet.microcontroller.program import Argument, Program
from edgenet.microcontroller.storage import Place
from edgenet.microcontroller.sums import (
    Sums,
    binary_weight_sums,
    finish,
    float_sums,
    limit_test,
    loop,
    not_negative,
    scale_and_bias,
    threshold_test,
    xnor_sums,
)
from edgenet.microcontroller.text import indent, pack_words, unpack_rows
from edgenet.runtime.operators import CONVOLUTIONS


@dataclass(frozen=True)
class Geometry:
    """A convolution over one image."""

    weight: tuple[int, int, int, int]
    height: int
    width: int
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
    dilations: tuple[int, int]
    group: int

    @property
    def out(self) -> tuple[int, int]:
        sizes = zip((self.height, self.width), self.pads[:2], self.pads[2:], self.dilations, self.weight[2:],
                    self.strides, strict=True)  # fmt: skip
        height, width = (
            (size + before + after - dilation * (kernel - 1) - 1) // stride + 1
            for size, before, after, dilation, kernel, stride in sizes
        )
        return height, width

    @property
    def terms(self) -> int:
        return int(np.prod(self.weight[1:]))

    @property
    def at(self) -> str:
        """C arguments: kernel size, dilations and the place of the patch's first number."""
        (sh, sw), (top, left) = self.strides, self.pads[:2]
        row = f"row * {sh} - {top}" if top else f"row * {sh}"
        column = f"column * {sw} - {left}" if left else f"column * {sw}"
        return f"{self.weight[2]}, {self.weight[3]}, {self.dilations[0]}, {self.dilations[1]}, {row}, {column}"


@dataclass
class Parts:
    """What the layers of one precision bring: C that makes the sums, and room that they need."""

    sums: Sums
    steps: list[Step]
    scratch: list[tuple[str, int, str]]
    """Kind, count and name of each."""
    setup: str = ""
    bits_in: bool = False


def geometry(node: Node, x: Value) -> Geometry:
    """The geometry of a convolution node over x.

    Raises EdgenetError where the node leaves its padding to be worked out.
    """
    if len(x.shape) != 4:
        raise unsupported(node, "C can be written for images only")
    if node.get("auto_pad", "NOTSET") != "NOTSET":
        raise unsupported(node, "auto_pad must be NOTSET")
    weight = node.get("weight_shape", None) or node.array(1).shape
    strides, pads = tuple(node.get("strides", (1, 1))), tuple(node.get("pads", (0, 0, 0, 0)))
    dilations, group = tuple(node.get("dilations", (1, 1))), node.get("group", 1)
    return Geometry(tuple(weight), x.shape[2], x.shape[3], strides, pads, dilations, group)


def float_convolution(program: Program, node: Node) -> None:
    """Conv."""
    shape = geometry(node, node.input(0))
    weight = node.array(1).astype(np.float32).reshape(shape.weight[0], -1)
    steps = [] if node.given(2) is None else [Step("shift", [node.array(2).astype(np.float32)])]
    sums = float_sums(program, weight, node.name, "patch")
    sums.before = _gather(program, shape)
    _emit(program, node, shape, Parts(sums, steps, [("float", shape.terms, "patch")]))


def bwn(program: Program, node: Node) -> None:
    """BwnConv2d."""
    shape = geometry(node, node.input(0))
    scale, signs = not_negative(node.array(2), unpack_rows(node.array(1), shape.terms))
    sums = binary_weight_sums(program, signs, node.name, "patch", shape.group)
    sums.before = f"{_gather(program, shape)}\n{sums.before}"
    scratch = [("float", shape.terms, "patch"), ("float", shape.weight[0], "sums")]
    _emit(program, node, shape, Parts(sums, scale_and_bias(scale, node.array(3)), scratch))


def bwn_int8(program: Program, node: Node) -> None:
    """BwnConv2dInt8: 8-bit numbers as floats, which hold every sum of them."""
    shape = geometry(node, node.input(0))
    program.kernel("quantize_floats")
    scale, signs = not_negative(node.array(2), unpack_rows(node.array(1), shape.terms))
    sums = binary_weight_sums(program, signs, node.name, "patch", shape.group)
    sums.before = f"{_gather(program, shape, 'q')}\n{sums.before}"
    sums.as_float = f"({program.constant(scale, f'{node.name}_scale')}[o] * step) * {{0}}"
    count = node.input(0).columns
    scratch = [("float", shape.terms, "patch"), ("float", shape.weight[0], "sums"), ("float", count, "q")]
    steps = [Step("shift", [node.array(3).astype(np.float32)])]
    _emit(program, node, shape, Parts(sums, steps, scratch, f"const float step = quantize_floats(x, q, {count});"))


def xnor(program: Program, node: Node) -> None:
    """XnorConv2d of packed signs, in all its forms."""
    x = node.input(0)
    shape = geometry(node, x if x.layout is None else Value(x.name, (1, *x.layout)))
    outputs, channels = shape.weight[:2]
    if shape.group > 1 and channels % 8:
        raise unsupported(node, "C can be written for groups of a multiple of 8 channels only where they are signs")
    scale, signs = not_negative(node.array(2), unpack_rows(node.array(1), shape.terms).astype(bool))
    pixels = signs.reshape(shape.weight).transpose(0, 2, 3, 1)
    steps, extra = scale_and_bias(scale, node.array(3)), list(node.inputs[4:])
    form = node.operator.removeprefix("XnorConv2d")
    if "Add" in form:
        steps.append(Step("residual", residual=extra.pop(0)))
    if "Prelu" in form:
        slope = extra.pop(0)
        assert slope is not None
        assert slope.constant is not None
        steps.append(Step("prelu", [slope.constant.astype(np.float32)]))
    threshold = node.array(len(node.inputs) - 1) if "ToSigns" in form else None
    kernel_height, kernel_width = shape.weight[2:]
    pixel_bytes, pitch = (channels + 7) // 8, (shape.group * channels + 7) // 8
    start = f"x + group * {pixel_bytes}" if shape.group > 1 else "x"
    words = -(-kernel_height * kernel_width * pixel_bytes // 4)
    padded = any(shape.pads)
    joins = shape.group == 1 and not padded and set(shape.dilations) == {1}
    if joins and channels * kernel_width <= 32 and kernel_height <= words:
        rows = pack_words(pixels.reshape(outputs, kernel_height, -1)).reshape(outputs, kernel_height)
        program.kernel("join_pixels")
        joined = shape.width - kernel_width + 1
        sums = xnor_sums(program, rows, shape.terms, node.name, "patch")
        copy = f"patch[i] = joined[(row * {shape.strides[0]} + i) * {joined} + column * {shape.strides[1]}];"
        sums.before = f"uint32_t patch[{kernel_height}];\n{loop(kernel_height, copy, 'i')}"
        setup = f"join_pixels(x, joined, {channels}, {shape.height}, {shape.width}, {kernel_width});"
        parts = Parts(sums, steps, [("bits", shape.height * joined, "joined")], setup, bits_in=True)
    else:
        spare = np.pad(pixels, ((0, 0), (0, 0), (0, 0), (0, -channels % 8)))
        rows = pack_words(spare.reshape(outputs, -1))
        sums = xnor_sums(program, rows, shape.terms, node.name, "patch")
        setup = f"patch[{words - 1}] = 0;"
        parts = Parts(sums, steps, [("bits", words, "patch")], setup, bits_in=True)
        if padded:
            program.kernel("mismatches_within", "gather_bits")
            name = program.constant(rows, f"{node.name}_weight")
            sums.before = (
                f"const int32_t inside = {channels} * gather_bits({start}, (uint8_t *)patch, (uint8_t *)mask, {pitch}, "
                f"{pixel_bytes}, {shape.height}, {shape.width}, {shape.at});"
            )
            sums.value = f"inside - 2 * mismatches_within(patch, {name} + o * {words}, mask, {words})"
            parts.scratch.append(("bits", words, "mask"))
            # What the patch holds outside of the image is any sign, and masked.
            parts.setup += f"\nmask[{words - 1}] = 0;"
        else:
            program.kernel("gather_bits_inside")
            sums.before = (
                f"gather_bits_inside({start}, (uint8_t *)patch, {pitch}, {pixel_bytes}, {shape.width}, {shape.at});"
            )
    _emit(program, node, shape, parts, threshold)


def _gather(program: Program, shape: Geometry, x: str = "x") -> str:
    inside = not any(shape.pads)
    program.kernel("gather_inside" if inside else "gather")
    function = "gather_inside" if inside else "gather"
    channels = shape.weight[1]
    start = f"{x} + group * {channels * shape.height * shape.width}" if shape.group > 1 else x
    return f"{function}({start}, patch, {channels}, {shape.height}, {shape.width}, {shape.at});"


def _emit(program: Program, node: Node, shape: Geometry, parts: Parts, threshold: np.ndarray | None = None) -> None:
    outputs = shape.weight[0]
    # What is pooled must not fall while the sum grows, as it may after these.
    if threshold is not None or any(step.kind in ("residual", "prelu") for step in parts.steps):
        absorbed = Absorbed(node.outputs[0], parts.steps, after=len(parts.steps), threshold=threshold)
        if threshold is not None:
            absorbed.value.layout = (outputs, *shape.out)
    else:
        absorbed = absorb(program, node.outputs[0], parts.steps, outputs)
    name = program.function_name(node)
    out = (shape.out[0] // absorbed.pool[0], shape.out[1] // absorbed.pool[1])
    to_bits = absorbed.threshold is not None
    pixel = f"py * {out[1]} + px"
    test = limit_test(program, absorbed, parts.sums.integer, outputs, node.name, pixel) if parts.sums.integer else None
    if test:
        body = _bits_of_window(shape, parts, absorbed, test, out)
    else:
        body = _floats(program, node, shape, parts, absorbed, out)
    scratch = [(program.scratch(kind, count), called) for kind, count, called in parts.scratch]
    residuals = [step.residual for step in absorbed.steps if step.residual is not None]
    if len(residuals) > 1:
        raise unsupported(node, "more than one value is added to its output")
    if absorbed.pool != (1, 1) and test is None:
        scratch.append((program.scratch("float", outputs), "best"))
    parameters = ["const uint8_t* x" if parts.bits_in else "const float* x", "uint8_t* y" if to_bits else "float* y"]
    parameters += [f"{buffer.c_type}* {called}" for buffer, called in scratch]
    parameters += ["const float* residual"] if residuals else []
    loops = loop(out[0], loop(out[1], body, "px"), "py")
    text = f"{parts.setup}\n{loops}".strip()
    program.functions.append(f"LAYER void {name}({', '.join(parameters)}) {{\n{indent(text, 2)}\n}}\n")
    extra: list[Argument] = [buffer for buffer, _ in scratch]
    extra += [program.read(residual) for residual in residuals]
    source = replace(program.read(node.input(0)), as_bytes=parts.bits_in)
    program.call(name, [source, write_image(program, absorbed, outputs, out), *extra])


def write_image(program: Program, absorbed: Absorbed, outputs: int, out: tuple[int, int]) -> Place:
    """Find room for an image of numbers, or of packed signs."""
    if absorbed.threshold is None:
        return program.write(absorbed.value)
    return program.write_signs(absorbed.value, outputs, *out)


def _position(absorbed: Absorbed, body: str) -> str:
    """C that runs body at every place of a window, whose row and column are those of the unpooled output."""
    height, width = absorbed.pool
    if (height, width) == (1, 1):
        return f"const int row = py, column = px;\n{body}"
    inner = loop(f"(px + 1) * {width}", body, "column").replace("int column = 0", f"int column = px * {width}", 1)
    return loop(f"(py + 1) * {height}", inner, "row").replace("int row = 0", f"int row = py * {height}", 1)


def store_bits(outputs: int, width: int, turned: str = "", found: str = "found", column: str = "px") -> str:
    """C that stores the bits `found` of a pixel, byte by byte."""
    size = (outputs + 7) // 8
    round_ = f" ^ {turned}[b / 4]" if turned else ""
    byte = f"(uint8_t)(({found}[b / 4]{round_}) >> (8 * (b % 4)))"
    return f"for (int b = 0; b < {size}; b++) y[(py * {width} + {column}) * {size} + b] = {byte};"


def _over_outputs(shape: Geometry, before: str, body: str) -> str:
    """C that runs body for every output, after what is done once a place, of every group."""
    outputs, group = shape.weight[0], shape.group
    if group == 1:
        return f"{before}\n{loop(outputs, body)}"
    each = outputs // group
    ranged = loop(f"(group + 1) * {each}", body).replace("int o = 0", f"int o = group * {each}", 1)
    return loop(group, f"{before}\n{ranged}", "group")


def _bits_of_window(
    shape: Geometry, parts: Parts, absorbed: Absorbed, test: tuple[str, str], out: tuple[int, int]
) -> str:
    """C for a pixel whose bits are met by any sum of the window."""
    condition, turned = test
    outputs = shape.weight[0]
    words = (outputs + 31) // 32
    each = f"const int32_t sum = {parts.sums.value};\nfound[o / 32] |= (uint32_t)({condition}) << (o % 32);"
    if absorbed.pool != (1, 1):
        each = f"if (found[o / 32] >> (o % 32) & 1) continue;\n{each}"
    inner = _over_outputs(shape, parts.sums.before, each)
    return f"uint32_t found[{words}] = {{0}};\n{_position(absorbed, inner)}\n{store_bits(outputs, out[1], turned)}"


def _floats(
    program: Program, node: Node, shape: Geometry, parts: Parts, absorbed: Absorbed, out: tuple[int, int]
) -> str:
    """C for a pixel by way of floats."""
    outputs = shape.weight[0]
    place = f"o * {out[0] * out[1]} + py * {out[1]} + px"
    before = finish(program, absorbed.steps[: absorbed.after], node.name, place)
    after = finish(program, absorbed.steps[absorbed.after :], node.name, place)
    make = f"float v = {parts.sums.as_float.format(parts.sums.value)};"
    if absorbed.threshold is None:
        store = f"y[{place}] = v;"
        head = tail = ""
    else:
        condition = threshold_test(program, absorbed, outputs, node.name, f"py * {out[1]} + px")
        store = f"found[o / 32] |= (uint32_t)({condition}) << (o % 32);"
        head = f"uint32_t found[{(outputs + 31) // 32}] = {{0}};\n"
        tail = f"\n{store_bits(outputs, out[1])}"

    if absorbed.pool == (1, 1):
        whole = _over_outputs(shape, parts.sums.before, f"{make}\n{before}\n{after}\n{store}")
        return f"{head}{_position(absorbed, whole)}{tail}"
    # A sum that grows makes what comes before the pooling no smaller, so the largest of each is the largest result.
    merge = f"{make}\n{before}\nif (v > best[o]) best[o] = v;"
    start = loop(outputs, "best[o] = -INFINITY;")
    end = loop(outputs, f"float v = best[o];\n{after}\n{store}")
    return f"{head}{start}\n{_position(absorbed, _over_outputs(shape, parts.sums.before, merge))}\n{end}{tail}"


LOWERINGS = {
    "Conv": float_convolution,
    "BwnConv2d": bwn,
    "BwnConv2dInt8": bwn_int8,
    **{name: xnor for name in CONVOLUTIONS if name.startswith("XnorConv2d") and "FromSigns" in name},
}
