"""Where the time goes: ONNX Runtime's own profile of a session of its own, summed under the nodes of the file.

ONNX Runtime fuses nodes, reorders tensors, and inlines functions into many nodes. What it runs is brought back to the
file's nodes by names: every node gets a mark as its name, and within a function's body all names begin with the mark of
the node that calls it. What ONNX Runtime makes of marked nodes keeps a mark in its name or in a tensor's.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import onnx
import onnx.inliner

from edgenet.bench.recording import KERNEL, Event, Recorder, Runs, model_runs, record, within_run
from edgenet.bench.results import file_bytes
from edgenet.runtime.inspection import inspect, read_model
from edgenet.runtime.operators import DOMAIN
from edgenet.runtime.shapes import walk
from edgenet.runtime.tensors import WEIGHT_INPUTS

Part = tuple[str, str, Mapping[str, np.ndarray], int]
"""A file: what to put before its layers' names, its path, what it is fed, and how often it runs."""

BETWEEN = "between operators"
"""The layer under which the time stands that ONNX Runtime itself and the recording take."""
_SECONDS = 0.3
_LEAST_RUNS, _MOST_RUNS = 5, 100
_MOST_EVENTS = 200_000
_MOST_BYTES = 2**31 - 2**24  # protobuf's limit, less some room for marks
_MARK = re.compile(r"_M(\d+)_")
_OWN_LAYOUT = re.compile(r"(.*?)(_bn)?_nchwc(?:_token_\d+)?")
_REORDERING = ("ReorderInput", "ReorderOutput")
# Batch normalisation, a sum, and an activation of several nodes.
_MOST_FUSED = 6


def profile(parts: Sequence[Part], native: bool | None, recorder: Recorder = record) -> list[dict[str, Any]] | None:
    """Run files some times with ONNX Runtime's profile on, and return a row for each of their nodes that took time.

    A row has `layer`, `operator`, `ms` of one run (the mean of its middle half), `share` of all, `weight_bytes`,
    `precision`, `macs` and `binary_macs` (null for what does not multiply), `fused`, the operators behind the layer
    that ran within it, and `kernels`, how many of ONNX Runtime's nodes it was. Recording takes some microseconds a
    node, most of which fall between operators, so all together is slower than the latency. Rows are in the order in
    which they first ran.

    Returns:
        None where a model is too large to be marked (2 GiB).
    """
    rows: list[dict[str, Any]] = []
    for prefix, file, feeds, runs in parts:
        found = _profile_file(file, native, feeds, recorder)
        if found is None:
            return None
        for row in found:
            row["layer"] = f"{prefix}.{row['layer']}" if prefix else row["layer"]
            row["ms"] *= runs
            rows.append(row)
    total = sum(row["ms"] for row in rows)
    for row in rows:
        row["share"] = row["ms"] / total if total else 0.0
    return rows


class _Marked:
    """A model whose nodes are named by marks, and what the marks stand for."""

    def __init__(self, file: str, inline: bool) -> None:
        model = read_model(file)
        onnx.load_external_data_for_model(model, str(Path(file).parent))
        nodes = [node for node, _ in walk(model.graph, {})]
        self.names = [node.name or node.output[0] for node in nodes]
        for number, node in enumerate(nodes):
            node.name = f"_M{number}_"
        self.operators = [node.op_type for node in nodes]
        self._reads = [list(node.input) for node in nodes]
        self._gives = [[name for name in node.output if name] for node in nodes]
        # Marks are put on tensors only within bodies: the file's own tensors are told by their names.
        self._producers = {name: number for number, names in enumerate(self._gives) for name in names}
        self.original = model.SerializeToString()
        """The file with its nodes marked."""
        run = _inlined(model) if inline else model
        self.content = run.SerializeToString() if inline else self.original
        """The same with its `edgenet` functions in place of the nodes that call them, if they are to run."""
        self.nodes = len(run.graph.node)

    def number(self, node: str, operator: str = "") -> int | None:
        """Return the number of the file's node that a node which ONNX Runtime runs belongs to, by its name."""
        found = _MARK.search(node)
        if found:
            return int(found.group(1))
        # A node in ONNX Runtime's own layout is named after what it gives, at the end of all that was fused into it.
        named = _OWN_LAYOUT.fullmatch(node)
        last = self._producers.get(named.group(1)) if named else None
        multiplies = operator in WEIGHT_INPUTS and named is not None and not named.group(2)
        return self._layer_before(last) if multiplies else last

    def _layer_before(self, number: int | None) -> int | None:
        """The node that multiplies behind which a node was fused, the node itself where there is none near."""
        at = number
        for _ in range(_MOST_FUSED):
            if at is None or self.operators[at] in WEIGHT_INPUTS:
                break
            at = self._producers.get(self._reads[at][0]) if self._reads[at] else None
        return number if at is None or self.operators[at] not in WEIGHT_INPUTS else at

    def of_tensor(self, name: str) -> int | None:
        """Return the number of the file's node that gives a tensor."""
        found = _MARK.match(name)
        return int(found.group(1)) if found else self._producers.get(name)

    def fused(self, number: int, ran: set[int]) -> list[str]:
        """Return the operators right behind a node that did not run as nodes of their own."""
        found: list[str] = []
        while True:
            readers = [i for i, names in enumerate(self._reads) if set(names) & set(self._gives[number])]
            if len(readers) != 1 or readers[0] in ran:
                return found
            number = readers[0]
            found.append(self.operators[number])


def _inlined(model: onnx.ModelProto) -> onnx.ModelProto:
    """Put the bodies of `edgenet` functions in place of the nodes that call them, all their names marked."""
    functions = {function.name: function for function in model.functions if function.domain == DOMAIN}
    copies = []
    for node, _ in list(walk(model.graph, {})):
        if node.domain == DOMAIN and node.op_type in functions:
            body = onnx.FunctionProto()
            body.CopyFrom(functions[node.op_type])
            body.name = node.op_type + node.name
            _mark(body.node, node.name)
            for names in (body.input, body.output):
                marked = [node.name + name for name in names]
                del names[:]
                names.extend(marked)
            node.op_type = body.name
            copies.append(body)
    model.functions.extend(copies)
    return onnx.inliner.inline_local_functions(model)


def _mark(nodes: Sequence[onnx.NodeProto], mark: str) -> None:
    for index, node in enumerate(nodes):
        node.name = f"{mark}{index}"
        for names in (node.input, node.output):
            marked = [mark + name if name else name for name in names]
            del names[:]
            names.extend(marked)
        for attribute in node.attribute:
            for graph in [attribute.g] if attribute.HasField("g") else []:
                _mark(graph.node, mark)
                for value in (*graph.input, *graph.output, *graph.initializer, *graph.value_info):
                    value.name = mark + value.name


def _profile_file(
    file: str, native: bool | None, feeds: Mapping[str, np.ndarray], recorder: Recorder
) -> list[dict[str, Any]] | None:
    if file_bytes(Path(file)) > _MOST_BYTES:
        return None
    marked = _Marked(file, inline=native is False)
    # A run of a network with few nodes and much work may be long.
    most = min(_MOST_RUNS, max(_LEAST_RUNS, _MOST_EVENTS // max(marked.nodes, 1)))
    events, graph = recorder(marked.content, native, feeds, Runs(_SECONDS, _LEAST_RUNS, most))
    runs, owners = _milliseconds(events), _owners(marked, graph)
    times: dict[int | str, list[float]] = {}
    kernels: dict[int | str, set[str]] = {}
    for number, run in enumerate(runs):
        for name, milliseconds in run.items():
            owner = owners.get(name, name)
            times.setdefault(owner, [0.0] * len(runs))[number] += milliseconds
            kernels.setdefault(owner, set()).add(name)
    inspection = inspect(marked.original, {name: list(value.shape) for name, value in feeds.items()})
    layers = {marked.number(layer.name): layer for layer in inspection.layers}
    ran = {owner for owner in times if isinstance(owner, int)}
    rows = []
    for owner, spent in times.items():
        layer = layers.get(owner) if isinstance(owner, int) else None
        rows.append(
            {
                "layer": marked.names[owner] if isinstance(owner, int) else owner,
                "operator": marked.operators[owner] if isinstance(owner, int) else "",
                "ms": _middle(spent),
                "share": 0.0,
                "weight_bytes": layer.weight_bytes if layer else 0,
                "precision": layer.precision if layer else None,
                "macs": layer.macs if layer else None,
                "binary_macs": layer.binary_macs if layer else None,
                "fused": marked.fused(owner, ran) if isinstance(owner, int) else [],
                "kernels": 0 if owner == BETWEEN else len(kernels[owner]),
            }
        )
    return rows


def _middle(values: Sequence[float]) -> float:
    """The mean of the middle half: ONNX Runtime counts whole microseconds, and the odd run is disturbed."""
    quarter = len(values) // 4
    return fmean(sorted(values)[quarter : len(values) - quarter])


def _milliseconds(events: Sequence[Event]) -> list[dict[str, float]]:
    """The milliseconds of every node that ran, run by run; the first run is slow and left out."""
    return [_by_node(run, within_run(run, events)) for run in model_runs(events)[1:]]


def _by_node(run: Event, inside: Sequence[Event]) -> dict[str, float]:
    """The milliseconds of every node within one run, less what nodes of its inner graphs took."""
    spent: dict[str, float] = {}
    outer: list[Event] = []
    top = 0.0
    for event in inside:
        while outer and outer[-1]["ts"] + outer[-1]["dur"] <= event["ts"]:
            outer.pop()
        name, milliseconds = event["name"].removesuffix(KERNEL), event["dur"] / 1e3
        spent[name] = spent.get(name, 0.0) + milliseconds
        if outer:
            spent[outer[-1]["name"].removesuffix(KERNEL)] -= milliseconds
        else:
            top += milliseconds
        outer.append(event)
    spent[BETWEEN] = max(run["dur"] / 1e3 - top, 0.0)
    return spent


def _owners(marked: _Marked, graph: onnx.GraphProto) -> dict[str, int]:
    """The number of the file's node that each node of an optimised graph belongs to."""
    nodes = [node for node, _ in walk(graph, {})]
    owners: dict[str, int] = {}
    homeless = []
    for node in nodes:
        number = marked.number(node.name, node.op_type)
        if number is None and node.op_type not in _REORDERING:
            number = next((found for name in node.output if (found := marked.of_tensor(name)) is not None), None)
        if number is None:
            homeless.append(node)
        else:
            owners[node.name] = number
    # What changes a tensor's layout belongs to who needs the layout.
    readers = {name: owners[node.name] for node in reversed(nodes) if node.name in owners for name in node.input}
    givers = {name: owners[node.name] for node in nodes if node.name in owners for name in node.output}
    for node in homeless:
        near = [[readers.get(name) for name in node.output], [givers.get(name) for name in node.input]]
        if node.op_type == "ReorderOutput":
            near.reverse()
        owner = next((number for numbers in near for number in numbers if number is not None), None)
        if owner is not None:
            owners[node.name] = owner
    return owners
