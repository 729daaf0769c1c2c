"""Embeddings: the rows of a table, in floats, int8 or bits, that tokens name."""

import numpy as np

from edgenet.microcontroller.graph import STEPS, Node
from edgenet.microcontroller.program import Program
from edgenet.microcontroller.text import pack_words
from edgenet.microcontroller.tokens import EMBEDDING


def embedding(program: Program, node: Node) -> None:
    """A row of numbers for every token."""
    tokens, table, scale = node.input(0), node.attributes["table"], node.attributes["scale"]
    width = table.shape[1]
    hint = f"{node.name}_weight"
    scales = [] if scale is None else [program.constant(scale, f"{node.name}_scale")]
    if table.dtype == np.bool_:
        kernel, rows = "embed_bits", pack_words(table)
    else:
        kernel, rows = "embed_floats" if scale is None else "embed_int8", table
    program.kernel(kernel)
    count = "steps" if tokens.rows == STEPS else str(tokens.columns)
    source, target = program.read(tokens), program.write(node.outputs[0])
    program.call(kernel, [source, program.constant(rows, hint), *scales, target, str(width), count])


LOWERINGS = {EMBEDDING: embedding}
