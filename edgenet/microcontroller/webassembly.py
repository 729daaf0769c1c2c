"""A C program as one WebAssembly module without imports, built by clang; what it takes and gives it says itself."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgenet.errors import EdgenetError
from edgenet.microcontroller.graph import STEPS, Graph, Value
from edgenet.microcontroller.program import Program
from edgenet.microcontroller.samples import Feeds, pack_samples, unpack_outputs
from edgenet.microcontroller.text import identifier
from edgenet.microcontroller.writing import c_type, can_refuse, write_folder
from edgenet.serve.page import page_folder

_PACKAGES = "clang, lld and wasi-libc (Debian: apt-get install clang lld wasi-libc)"
_FLAGS = (
    "--target=wasm32-wasi", "-std=c99", "-O3", "-msimd128", "-ffp-contract=off", "-nostdlib", "-Wall", "-Wextra",
    "-Wl,--no-entry", "-Wl,--strip-all",
)  # fmt: skip
_GLUE = """\
#include "{name}.h"

#define EXPORT(name) __attribute__((export_name(name)))

static struct {{
{rooms}
}} rooms;

/* What goes in and comes out, as JSON. */
EXPORT("description") const char* description(void) {{ return {description}; }}

/* Where the numbers of an input, or behind those of an output, lie. */
EXPORT("room") void* room(int index) {{
  void* const all[] = {{{addresses}}};
  return all[index];
}}

/* Runs a sample; 0, or -1 where the network refuses it. */
EXPORT("run") int run(int steps) {{
  (void)steps;
  {run}
}}
"""


# Runs every sample of inputs.bin and writes outputs.bin.
_RUN = """\
import { readFileSync, writeFileSync } from 'node:fs';
import { CompiledNetwork } from './wasm.mjs';

const network = await CompiledNetwork.load(readFileSync('network.wasm'));
const numbers = readFileSync('inputs.bin'), outputs = [];
for (let at = 0; at < numbers.length;) {
  const steps = numbers.readInt32LE(at), feeds = {};
  at += 4;
  for (const { name, type, columns, isSequence } of network.inputs) {
    const start = numbers.byteOffset + at, size = 4 * columns * (isSequence ? steps : 1);
    const bytes = numbers.buffer.slice(start, start + size);
    feeds[name] = type === 'int32' ? new Int32Array(bytes) : new Float32Array(bytes);
    at += size;
  }
  const results = network.run(feeds);
  for (const { name } of network.outputs) outputs.push(Buffer.from(results[name].buffer));
}
writeFileSync('outputs.bin', Buffer.concat(outputs));
"""


def compile_wasm(program: Program) -> bytes:
    """Build the module, which exports `memory`, `description`, `room` and `run` (export/apps/web/wasm.js calls them).

    Raises:
        EdgenetError: clang, its linker or a C library for WebAssembly is missing.
    """
    compiler = os.environ.get("EDGENET_WASM_CC") or shutil.which("clang")
    if compiler is None:
        raise EdgenetError(f"WebAssembly is built by {_PACKAGES}; there is no clang here, install them")
    with tempfile.TemporaryDirectory(prefix="edgenet-") as name:
        folder = Path(name)
        write_folder(program, folder)
        (folder / "glue.c").write_text(_glue(program))
        module = folder / "network.wasm"
        command = [compiler, *_FLAGS, f"{program.name}.c", "glue.c", "-lc", "-lm", "-o", module.name]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        except OSError as error:
            raise EdgenetError(f"{compiler} cannot be started ({error.strerror}); install {_PACKAGES}") from error
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if "error" in line] or [done.stderr.strip()]
            raise EdgenetError(f"{compiler} could not build WebAssembly ({lines[0][:200]}); it needs {_PACKAGES}")
        return module.read_bytes()


def run_in_node(module: bytes, graph: Graph, samples: Sequence[Feeds]) -> list[list[NDArray]] | None:
    """The outputs of every sample as Node computes them; None where there is no Node.

    Raises:
        EdgenetError: Node could not run the module.
    """
    node = shutil.which("node")
    if node is None:
        return None
    with tempfile.TemporaryDirectory(prefix="edgenet-") as name:
        folder = Path(name)
        (folder / "network.wasm").write_bytes(module)
        (folder / "inputs.bin").write_bytes(pack_samples(graph, samples))
        # Node takes .js for a module where the folder says so.
        (folder / "wasm.mjs").write_bytes((page_folder() / "wasm.js").read_bytes())
        (folder / "run.mjs").write_text(_RUN)
        done = subprocess.run([node, "run.mjs"], cwd=folder, capture_output=True, text=True)
        if done.returncode:
            raise EdgenetError(f"{node} could not run the WebAssembly: {done.stderr.strip()[-300:]}")
        return unpack_outputs(graph, samples, np.fromfile(folder / "outputs.bin", "<f4"))


def _glue(program: Program) -> str:
    graph = program.graph
    values = [*graph.inputs, *graph.outputs]
    names = [identifier(value.name) for value in values]
    rooms = [f"  {c_type(value)} {name}[{program.room(value)}];" for value, name in zip(values, names, strict=True)]
    described = {
        "model": graph.metadata.get("edgenet.model", program.name),
        "scheme": graph.metadata.get("edgenet.scheme"),
        "classes": json.loads(graph.metadata.get("edgenet.classes", "null")),
        "steps": program.steps if graph.has_steps else None,
        "inputs": [_described(value) for value in graph.inputs],
        "outputs": [_described(value) for value in graph.outputs],
    }
    places, inputs = [f"rooms.{name}" for name in names], len(graph.inputs)
    arguments = [*places[:inputs], *["steps"] * graph.has_steps, *places[inputs:]]
    call = f"{program.name}_run({', '.join(arguments)});"
    return _GLUE.format(
        name=program.name,
        rooms="\n".join(rooms),
        # A question mark might be part of a trigraph.
        description=json.dumps(json.dumps(described).replace("?", "\\u003f")),
        addresses=", ".join(places),
        run=f"return {call}" if can_refuse(program) else f"{call}\n  return 0;",
    )


def _described(value: Value) -> dict[str, object]:
    return {
        "name": value.name,
        "type": "float32" if value.vocabulary is None else "int32",
        "shape": ["steps" if size == STEPS else size for size in value.shape],
    }
