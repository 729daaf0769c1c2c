"""Pictures of any size, as a decoder or a canvas gives them, to samples."""

import numpy as np
from onnx import GraphProto, TensorProto, helper

from edgenet.exporter.preprocessing.graph import Front
from edgenet.tasks.pictures import PicturePreprocessing

IMAGE = "image"
# ITU-R BT.601 luma in 65536ths, as Pillow rounds it: each product and sum is exact in float32.
_LUMA = np.array([19595, 38470, 7471], np.float32) / 65536


def embed_pictures(graph: GraphProto, how: PicturePreprocessing) -> None:
    """Let a graph take `image`, uint8 [batch, height, width, channels], in place of its first input.

    Channels are grey, grey and alpha, RGB, or RGBA; alpha is left out. What Pillow makes of the same picture differs by
    at most a few levels of 255, and by nothing where the picture has the sample's size and channels.
    """
    front = Front(graph)
    height, width = how.size
    # The largest part in the middle that has the sample's proportions.
    shape = front.node("Shape", [IMAGE], "shape")
    sides = front.node("Gather", [shape, front.constant("sides_at", np.array([1, 2]))], "sides")
    others = front.node("Gather", [shape, front.constant("others_at", np.array([2, 1]))], "others")
    ratio = front.constant("ratio", np.array([height, width]))
    of = front.constant("of", np.array([width, height]))
    scaled = front.node("Mul", [others, ratio], "scaled")
    rounded = front.node("Add", [scaled, front.constant("half", np.array([width // 2, height // 2]))], "rounded")
    fitting = front.node("Div", [rounded, of], "fitting")
    smaller = front.node("Min", [sides, fitting], "smaller")
    crop = front.node("Max", [smaller, front.constant("one", np.array([1, 1]))], "crop")
    around = front.node("Sub", [sides, crop], "around")
    start = front.node("Div", [around, front.constant("two", np.array([2, 2]))], "start")
    end = front.node("Add", [start, crop], "end")
    inner = front.node("Slice", [IMAGE, start, end, front.constant("axes", np.array([1, 2]))], "inner")
    planes = front.node("Transpose", [inner], "planes", perm=[0, 3, 1, 2])
    # The target of all four axes: ONNX Runtime 1.32 loses a constant of two that equals another of the graph.
    kept = front.node("Gather", [shape, front.constant("kept_at", np.array([0, 3]))], "kept")
    size = front.node("Concat", [kept, ratio], "size", axis=0)
    # Antialiased, as Pillow scales: a large picture's pixels all count.
    resized = front.node("Resize", [planes, "", "", size], "resized", mode="linear", antialias=1)
    colours = _grey(front, shape, resized) if how.channels == 1 else _colour(front, shape, resized)
    framed = colours
    if any(how.margins):
        top, left, bottom, right = how.margins
        margins = front.constant("margins", np.array([0, 0, top, left, 0, 0, bottom, right]))
        framed = front.node("Pad", [colours, margins], "framed")
    multiplied = front.node("Mul", [framed, front.constant("scale", how.scale.reshape(-1, 1, 1))], "multiplied")
    offset = front.constant("offset", how.offset.reshape(-1, 1, 1))
    normalised = front.node("Sub", [multiplied, offset], "normalised")
    # Says the sizes, which cannot be inferred from those of a picture.
    sample = [0, how.height, how.width] if how.rows else [0, how.channels, how.height, how.width]
    front.node("Reshape", [normalised, front.constant("sample", np.array(sample))], front.result)
    front.put([helper.make_tensor_value_info(IMAGE, TensorProto.UINT8, ["batch", "height", "width", "channels"])])


def _grey(front: Front, shape: str, picture: str) -> str:
    """[N, channels, H, W] uint8 -> [N, 1, H, W] float32 of whole numbers."""
    by_count = [np.ones(1), np.array([1, 0]), _LUMA, np.append(_LUMA, 0)]
    weights = _of_count(front, shape, "luma", np.concatenate(by_count).astype(np.float32))
    axes = front.constant("plane", np.array([1, 2]))
    columns = front.node("Unsqueeze", [weights, axes], "weights")
    values = front.node("Cast", [picture], "values", to=TensorProto.FLOAT)
    weighted = front.node("Mul", [values, columns], "weighted")
    total = front.node("ReduceSum", [weighted, front.constant("channel_axis", np.array([1]))], "total", keepdims=1)
    above = front.node("Add", [total, front.constant("rounding", np.float32(0.5))], "above")
    return front.node("Floor", [above], "grey")


def _colour(front: Front, shape: str, picture: str) -> str:
    """[N, channels, H, W] uint8 -> [N, 3, H, W] float32 of whole numbers."""
    which = np.array([[0, 0, 0], [0, 0, 0], [0, 1, 2], [0, 1, 2]])
    count = front.node("Gather", [shape, front.constant("channels_at", np.array(3))], "count")
    row = front.node("Sub", [count, front.constant("first", np.array(1))], "row")
    planes = front.node("Gather", [front.constant("which", which), row], "which_planes")
    chosen = front.node("Gather", [picture, planes], "chosen", axis=1)
    return front.node("Cast", [chosen], "colour", to=TensorProto.FLOAT)


def _of_count(front: Front, shape: str, name: str, table: np.ndarray) -> str:
    """Of a table of 1, 2, 3 and 4 entries one behind the other, those for the picture's channels."""
    count = front.node("Gather", [shape, front.constant("channels_at", np.array([3]))], "count")
    before = front.node("Sub", [count, front.constant("first", np.array([1]))], "before")
    pairs = front.node("Mul", [count, before], "pairs")
    start = front.node("Div", [pairs, front.constant("double", np.array([2]))], "from")
    end = front.node("Add", [start, count], "to")
    return front.node("Slice", [front.constant("table", table), start, end], name)
