"""An image and what the networks of a run look at in it, side by side."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgenet.errors import EdgenetError
from edgenet.files import write_whole

Panel = tuple[str, NDArray[Any]]
"""A title, and the heat [H, W] from 0 to 1 to lay over the image."""
_HEAT_SHARE = 0.55


def draw_explanation(image: NDArray[Any], panels: Sequence[Panel], caption: str, path: str | Path) -> None:
    """Write a PNG of the image, uint8 [H, W, 1 or 3], and beside it the image under each heat map.

    Raises EdgenetError where matplotlib is missing or the file cannot be written.
    """
    try:
        from matplotlib import colormaps
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise EdgenetError(
            "Pictures need matplotlib; get it with pip install '.[plot]' in a clone of edgenet."
        ) from error
    colours = image.repeat(3, 2) if image.shape[2] == 1 else image
    figure = Figure(figsize=(2.6 * (1 + len(panels)), 3.3), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    all_axes = figure.subplots(1, 1 + len(panels))
    heat_colours = colormaps["inferno"]
    for axes, (title, heat) in zip(all_axes, [("input", None), *panels], strict=True):
        shown = colours / 255
        if heat is not None:
            shown = (1 - _HEAT_SHARE) * shown + _HEAT_SHARE * heat_colours(heat)[..., :3]
        axes.imshow(shown, interpolation="nearest")
        axes.set_title(title, fontsize=10)
        axes.set_axis_off()
    figure.supxlabel(caption, fontsize=8, color="#555555")
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    try:
        write_whole(path, stream.getvalue())
    except OSError as error:
        raise EdgenetError(f"{path} cannot be written: {error.strerror}") from error
