"""Linear layers, over one row or a row a step."""

import numpy as np

from edgenet.microcontroller.absorption import Absorbed, absorb
from edgenet.microcontroller.epilogue import Step
from edgenet.microcontroller.graph import STEPS, Node, Value, unsupported
from edgenet.microcontroller.program import Program, RowFunction
from edgenet.microcontroller.storage import Buffer
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
from edgenet.microcontroller.text import identifier, indent, pack_words, unpack_rows

RECURRENT = ("XnorRecurrence", "BwnRecurrence", "XnorLstm", "BwnLstm", "XnorGru", "BwnGru")


def gemm(program: Program, node: Node) -> None:
    """Gemm of a row and a constant matrix."""
    if node.get("alpha", 1.0) != 1.0 or node.get("transA", 0) or node.get("beta", 1.0) != 1.0:
        raise unsupported(node, "alpha, beta and transA must be 1, 1 and 0")
    weight = node.array(1).astype(np.float32)
    weight = np.ascontiguousarray(weight if node.get("transB", 0) else weight.T)
    bias = np.zeros(len(weight), np.float32) if node.given(2) is None else node.array(2).astype(np.float32)
    float_rows(program, node, node.input(0), node.outputs[0], weight, np.broadcast_to(bias.ravel(), len(weight)))


def matmul(program: Program, node: Node) -> None:
    """MatMul of rows and a constant matrix."""
    weight = node.array(1).astype(np.float32)
    if weight.ndim != 2:
        raise unsupported(node, "its second input is no matrix")
    float_rows(program, node, node.input(0), node.outputs[0], np.ascontiguousarray(weight.T), None)


def float_rows(
    program: Program, node: Node, x: Value, output: Value, weight: np.ndarray, bias: np.ndarray | None
) -> None:
    """`y = W x + b` for every row; weight [O, K]."""
    steps = [] if bias is None else [Step("shift", [np.ascontiguousarray(bias)])]
    sums = float_sums(program, weight, node.name)
    _rows(program, node, x, output, sums, steps, len(weight), "float", weight.shape[1])


def float_row_function(program: Program, node: Node, x: Value, u: Value, weight: np.ndarray, bias: np.ndarray) -> None:
    """`u = W x + b` as a function that a recurrent layer calls step by step."""
    sums = float_sums(program, weight, f"{node.name}_input")
    body = row_body(program, Absorbed(u, [Step("shift", [bias])]), sums, len(weight), f"{node.name}_input")
    name = f"{program.function_name(node)}_input"
    program.functions.append(f"LAYER void {name}(const float* x, float* y) {{\n{indent(body, 2)}\n}}\n")
    program.row_functions[id(u)] = RowFunction(name, program.read(x), weight.shape[1], ())


def bwn(program: Program, node: Node) -> None:
    """BwnLinear."""
    outputs, count = node.attributes["weight_shape"]
    sums = binary_weight_sums(program, unpack_rows(node.array(1), count), node.name)
    steps = scale_and_bias(node.array(2), node.array(3))
    scratch = program.scratch("float", outputs)
    _rows(program, node, node.input(0), node.outputs[0], sums, steps, outputs, "float", count, [(scratch, "sums")])


def xnor(program: Program, node: Node) -> None:
    """XnorLinear of packed signs."""
    outputs, count = node.attributes["weight_shape"]
    x = node.input(0)
    scale, signs = not_negative(node.array(2), unpack_rows(node.array(1), count).astype(bool))
    words = pack_words(in_order_of(x, signs))
    sums = xnor_sums(program, words, count, node.name)
    steps = scale_and_bias(scale, node.array(3))
    _rows(program, node, x, node.outputs[0], sums, steps, outputs, "bits", words.shape[1])


def in_order_of(x: Value, signs: np.ndarray) -> np.ndarray:
    """Weights [O, K] in the order in which the signs of x lie, with bits of 0 for the spare ones."""
    assert x.layout is not None
    if len(x.layout) == 1:
        return signs
    channels, height, width = x.layout
    spare = -channels % 8
    pixels = signs.reshape(len(signs), channels, height * width).transpose(0, 2, 1)
    padded = np.pad(pixels, ((0, 0), (0, 0), (0, spare)))
    return np.ascontiguousarray(padded.reshape(len(signs), -1))


def int8(program: Program, node: Node) -> None:
    """Int8Linear: every row is quantised by itself."""
    outputs, count = node.attributes["weight_shape"]
    program.kernel("dot_int8", "quantize_row")
    weight = program.constant(node.array(1).astype(np.int8), f"{node.name}_weight")
    scale = program.constant(node.array(2).astype(np.float32), f"{node.name}_scale")
    sums = Sums(
        f"dot_int8({weight} + o * {count}, q, {count})",
        f"const float step = quantize_row(x, q, {count});",
        as_float=f"({scale}[o] * step) * (float){{0}}",
    )
    steps = [Step("shift", [node.array(3).astype(np.float32)])]
    scratch = program.scratch("int8", count)
    _rows(program, node, node.input(0), node.outputs[0], sums, steps, outputs, "float", count, [(scratch, "q")])


def _rows(
    program: Program, node: Node, x: Value, output: Value, sums: Sums, steps: list[Step], outputs: int, kind: str,
    stride: int, scratch: list[tuple[Buffer, str]] | None = None,
) -> None:  # fmt: skip
    """Write a function for one row and call it for all, or leave that to the recurrent layer that reads them."""
    scratch = scratch or []
    absorbed = absorb(program, output, steps, outputs)
    residuals = [step.residual for step in absorbed.steps if step.residual is not None]
    if len(residuals) > 1:
        raise unsupported(node, "more than one value is added to its output")
    name = program.function_name(node)
    to_bits = absorbed.threshold is not None
    width = (outputs + 31) // 32 if to_bits else outputs
    source_type = "uint32_t" if kind == "bits" else "float"
    parameters = [f"const {source_type}* x", f"{'uint32_t' if to_bits else 'float'}* y"]
    parameters += [f"{buffer.c_type}* {called}" for buffer, called in scratch]
    parameters += ["const float* residual"] if residuals else []
    body = row_body(program, absorbed, sums, outputs, node.name)
    program.functions.append(f"LAYER void {name}({', '.join(parameters)}) {{\n{indent(body, 2)}\n}}\n")
    source = program.read(x)
    reader = absorbed.value.consumers[0] if len(absorbed.value.consumers) == 1 else None
    in_steps = output.rows == STEPS
    if in_steps and not residuals and reader is not None and reader.operator in RECURRENT and not to_bits:
        buffers = tuple(buffer for buffer, _ in scratch)
        program.row_functions[id(absorbed.value)] = RowFunction(name, source, stride, buffers)
        return
    if output.rows != STEPS and output.columns != outputs:
        raise unsupported(node, "it reads more than one row of a sample")
    target = program.write(absorbed.value, "bits" if to_bits else "float", width)
    extra = [buffer for buffer, _ in scratch] + [program.read(residual) for residual in residuals]
    if not in_steps:
        program.call(name, [source, target, *extra])
        return
    names = [f"s{i}" for i in range(len(extra))]
    types = [f"{buffer.c_type}* {called}" for (buffer, _), called in zip(scratch, names, strict=False)]
    loop_name = f"{name}_rows"
    rest = "".join(f", {called}" for called in names)
    program.functions.append(
        f"static void {loop_name}({', '.join([*parameters[:2], *types, 'int steps'])}) {{\n"
        f"  for (int t = 0; t < steps; t++) {name}(x + t * {stride}, y + t * {width}{rest});\n}}\n"
    )
    program.call(loop_name, [source, target, *extra, "steps"])


def row_body(program: Program, absorbed: Absorbed, sums: Sums, outputs: int, hint: str) -> str:
    """C that makes the row y of x."""
    test = limit_test(program, absorbed, sums.integer, outputs, hint) if sums.integer else None
    if absorbed.threshold is None:
        text = finish(program, absorbed.steps, identifier(hint), "o")
        body = f"float v = {sums.as_float.format(sums.value)};\n{text}\ny[o] = v;"
        return f"{sums.before}\n{loop(outputs, body)}".strip()
    if test is not None:
        condition, turned = test
        make = f"const int32_t sum = {sums.value};\n"
        round_ = f" ^ {turned}[o / 32]" if turned else ""
    else:
        finished = finish(program, absorbed.steps, identifier(hint), "o")
        make = f"float v = {sums.as_float.format(sums.value)};\n{finished}\n"
        condition, round_ = threshold_test(program, absorbed, outputs, hint, ""), ""
    body = (
        f"{make}bits |= (uint32_t)({condition}) << (o % 32);\n"
        f"if (o % 32 == 31 || o == {outputs - 1}) {{\n  y[o / 32] = bits{round_};\n  bits = 0;\n}}"
    )
    return f"{sums.before}\nuint32_t bits = 0;\n{loop(outputs, body)}".strip()


LOWERINGS = {"Gemm": gemm, "MatMul": matmul, "BwnLinear": bwn, "XnorLinear": xnor, "Int8Linear": int8}
