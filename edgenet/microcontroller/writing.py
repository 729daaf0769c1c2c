"""The folder: one header, one C99 file, the weights."""

import os
import textwrap
from pathlib import Path

from edgenet.errors import EdgenetError
from edgenet.files import write_whole
from edgenet.microcontroller.graph import STEPS, Value
from edgenet.microcontroller.program import Program, definitions
from edgenet.microcontroller.text import identifier

_KERNELS = Path(__file__).parent / "kernels"
_PROLOGUE = """\
#include "{name}.h"

#include <math.h>
#include <string.h>

#include "{name}_weights.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "The weights are packed for little-endian machines."
#endif

#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline))
#define LAYER static __attribute__((noinline))
#else
#define INLINE static inline
#define LAYER static
#endif
#if defined(__GNUC__) && !defined(__clang__)
#define UNROLL _Pragma("GCC unroll 8")
#else
#define UNROLL
#endif
"""


def write_folder(program: Program, folder: str | os.PathLike[str]) -> list[Path]:
    """Write NAME.h, NAME.c and NAME_weights.h, each whole or not at all; returns their paths.

    Raises:
        EdgenetError: the folder cannot be made or written.
    """
    folder = Path(folder)
    files = {
        f"{program.name}.h": header(program),
        f"{program.name}.c": source(program),
        f"{program.name}_weights.h": weights(program),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            write_whole(folder / name, text)
    except OSError as error:
        raise EdgenetError(f"{folder} cannot be written: {error.strerror}; name a folder with --out") from error
    return [folder / name for name in files]


def signature(program: Program) -> str:
    """The function that runs the network, as C declares it."""
    parameters = [f"const {c_type(value)}* {identifier(value.name)}" for value in program.graph.inputs]
    parameters += ["int steps"] if program.graph.has_steps else []
    parameters += [f"float* {identifier(value.name)}" for value in program.graph.outputs]
    return f"{'int' if can_refuse(program) else 'void'} {program.name}_run({', '.join(parameters)})"


def c_type(value: Value) -> str:
    """The C type of an input's or output's numbers."""
    return "float" if value.vocabulary is None else "int32_t"


def can_refuse(program: Program) -> bool:
    """Whether the function returns 0, or -1 where it cannot take what it is given."""
    return program.graph.has_steps or any(value.vocabulary is not None for value in program.graph.inputs)


def _size(value: Value) -> str:
    sizes = [str(size) if size != STEPS else "steps" for size in value.shape if size != 1]
    return f"[{'*'.join(sizes) or 1}]"


def header(program: Program) -> str:
    """NAME.h."""
    name, graph = program.name, program.graph
    guard = f"{name.upper()}_H"
    described = [f"{identifier(value.name)}{_size(value)}" for value in [*graph.inputs, *graph.outputs]]
    scheme = graph.metadata.get("edgenet.scheme")
    about = f"{graph.metadata.get('edgenet.model', name)}{f', {scheme}' if scheme else ''}, one sample at a time."
    limits = ""
    if graph.has_steps:
        limits = f"""
/* The most steps that there is memory for; with more, or fewer than 1, nothing is done and -1 returned, else 0. */
#define {name.upper()}_MAX_STEPS {program.steps}
"""
    includes = ""
    for value in graph.inputs:
        if value.vocabulary is not None:
            includes = "\n#include <stdint.h>\n"
            called = identifier(value.name)
            limits += f"""
/* How many tokens {called} may be of, numbered from 0; with others nothing is done and -1 returned, else 0. */
#define {name.upper()}_{called.upper()}_VOCABULARY {value.vocabulary}
"""
    arguments = ", ".join([identifier(value.name) for value in graph.inputs] + ["steps"] * graph.has_steps
                          + [identifier(value.name) for value in graph.outputs])  # fmt: skip
    state = ""
    if any(value.name == "state" for value in graph.inputs):
        state = (
            "\n * A state of zeros starts afresh; what comes out as final_state goes in as state with the next steps."
        )
    call = textwrap.fill(
        f"Call {name}_run({arguments}) with {', '.join(described)}: row-major, inputs as in training.",
        120, initial_indent=" * ", subsequent_indent=" * ", break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    return f"""\
/* {about}
 *
{call}
 * All memory is static ({program.memory_bytes} bytes): do not call it twice at a time.{state}
 * Compile {name}.c as C99 (-std=c99 -O2; elsewhere with -ffp-contract=off, so that sums are rounded as the .onnx file's
 * are) and link with -lm. */
#ifndef {guard}
#define {guard}
{includes}
#ifdef __cplusplus
extern "C" {{
#endif
{limits}
{signature(program)};

#ifdef __cplusplus
}}
#endif

#endif
"""


def source(program: Program) -> str:
    """NAME.c."""
    size = program.memory_bytes
    kernels = "\n".join((_KERNELS / f"{kernel}.c").read_text() for kernel in program.kernels)
    memory = f"static union {{\n  uint8_t bytes[{size}];\n  uint32_t words[1];\n  float numbers[1];\n}} memory;\n" * (
        size > 0
    )
    calls, refusals = program.rendered_calls(), []
    if program.graph.has_steps:
        refusals.append(f"if (steps < 1 || steps > {program.name.upper()}_MAX_STEPS) return -1;")
    for value in program.graph.inputs:
        if value.vocabulary is not None:
            called, count = identifier(value.name), "steps" if value.rows == STEPS else str(value.columns)
            refusals.append(f"if (!tokens_known({called}, {count}, {value.vocabulary})) return -1;")
    if refusals:
        calls = [*refusals, *calls, "return 0;"]
    body = "\n".join(f"  {call}" for call in calls)
    functions = "\n".join(program.functions)
    run = f"{signature(program)} {{\n{body}\n}}\n"
    return "\n".join([_PROLOGUE.format(name=program.name), memory, kernels, functions, run])


def weights(program: Program) -> str:
    """NAME_weights.h."""
    guard = f"{program.name.upper()}_WEIGHTS_H"
    includes = "#include <math.h>\n#include <stdint.h>"
    return f"#ifndef {guard}\n#define {guard}\n\n{includes}\n\n{definitions(program)}\n#endif\n"
