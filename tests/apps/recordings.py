"""Two words of one tone each, and a labeller of frames that learned them in seconds."""

from pathlib import Path

from edgenet.training import train
from tests.tasks.test_recordings import HERTZ, record


def write_recordings(folder: Path) -> Path:
    """Seven recordings of 0.10 to 0.16 s a word."""
    for label, hertz in HERTZ.items():
        for index in range(7):
            record(folder / f"{label}_ann_{index}.wav", hertz, 0.1 + index / 100)
    return folder


def train_labeller(folder: Path, schemes: list[str]) -> Path:
    """A run folder with checkpoints of `frame_labeller`, which streams, without exported files."""
    recordings = write_recordings(folder / "recordings")
    run = folder / "labeller"
    train("frame_labeller", schemes, recordings, epochs=1, out=run, distill=False, data_options={"joined_count": 80})
    return run
