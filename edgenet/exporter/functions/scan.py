"""The Scan over the steps of a sequence that the recurrences have in common."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from onnx import NodeProto, ValueInfoProto, helper

from edgenet.exporter.functions.nodes import FLOAT, UINT8, constant


@dataclass(frozen=True)
class State:
    """What one step hands the next, [N, H]: its name in the step, what it begins as, and what a step makes of it."""

    name: str
    initial: str
    following: str
    final: str
    """What it is called after the last step."""
    kind: int = FLOAT


def scan(
    step: list[NodeProto], states: Sequence[State], result: str, output: str, sequences: Sequence[str] = ("u",)
) -> list[NodeProto]:
    """A Scan of `step` over sequences, whose slices are `{name}_step`; what the steps call `result` becomes `output`.

    The nodes of the step may read whatever the function has. The fewer they are, the faster: calling a small node takes
    ONNX Runtime as long as its numbers do.
    """
    body = helper.make_graph(
        step,
        "step",
        [
            *(_matrix(state.name, state.kind) for state in states),
            *(_matrix(f"{name}_step", FLOAT) for name in sequences),
        ],
        [*(_matrix(state.following, state.kind) for state in states), _matrix(result, FLOAT)],
    )
    begin, end = [state.initial for state in states], [state.final for state in states]
    return [helper.make_node("Scan", [*begin, *sequences], [*end, output], body=body, num_scan_inputs=len(sequences))]


def last_step(sequence: str, output: str) -> list[NodeProto]:
    """The last of a sequence [T, N, H]."""
    return [constant("last", np.int64(-1)), helper.make_node("Gather", [sequence, "last"], [output], axis=0)]


def _matrix(name: str, kind: int) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, [None, None])


SIGNS = State("signs", "initial_signs", "next_signs", "last_signs", UINT8)
"""The state of an XNOR layer that reads nothing of its last step but the signs."""
