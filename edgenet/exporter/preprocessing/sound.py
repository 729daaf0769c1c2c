"""Sound to features, frame by frame, as `edgenet.tasks.features` computes them."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, TensorProto, helper

from edgenet.exporter.preprocessing.graph import PREFIX, Front
from edgenet.tasks.features import AudioFeatures

SOUND, TAIL, FINAL_TAIL, LENGTHS, STATE = "sound", "tail", "final_tail", "lengths", "state"


@dataclass(frozen=True)
class SoundPreprocessing:
    """How sound [samples] at `rate` samples a second becomes normalised features [T, F]."""

    features: AudioFeatures
    rate: int
    mean: NDArray[np.float32]
    std: NDArray[np.float32]

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> "SoundPreprocessing | None":
        """From a data set's `preprocessing`; None where it tells of something else than recordings."""
        names = [field.name for field in fields(AudioFeatures)]
        if not {*names, "rate", "mean", "std"} <= described.keys():
            return None
        mean, std = (np.array(described[key], np.float32) for key in ("mean", "std"))
        return cls(AudioFeatures(**{name: described[name] for name in names}), int(described["rate"]), mean, std)

    @property
    def window(self) -> int:
        """Samples of sound that a frame covers."""
        return self.features.frame_samples(self.rate)[0]

    @property
    def hop(self) -> int:
        """Samples of sound from one frame to the next."""
        return self.features.frame_samples(self.rate)[1]

    def samples(self, sounds: NDArray[np.float32]) -> NDArray[np.float32]:
        """Sounds [N, samples] as the network takes them, [N, T, F]."""
        return np.stack([(self.features.compute(sound, self.rate) - self.mean) / self.std for sound in sounds])


def made_up_sounds(count: int, length: int, rate: int) -> NDArray[np.float32]:
    """Sounds [count, length] to verify with: tones that glide, loud and soft, in noise, seed 0."""
    random = np.random.default_rng(0)
    seconds = np.arange(length) / rate
    low, high = random.uniform(80, 0.2 * rate, (2, count, 1))
    phase = 2 * np.pi * (low + (high - low) * seconds / max(seconds[-1], 1 / rate) / 2) * seconds
    noise = random.standard_normal((count, length)) * random.uniform(1e-3, 0.1, (count, 1))
    return (random.uniform(0.02, 0.6, (count, 1)) * np.sin(phase) + noise).clip(-1, 1).astype(np.float32)


def embed_sound(graph: GraphProto, how: SoundPreprocessing) -> None:
    """Let a graph take `sound`, float32 [batch, samples], at least a window of it, in place of its first input.

    A network with a state streams: it also takes `tail` [batch, kept], the end of the sound before, which had no whole
    frame left ([batch, 0] at first), and gives it as `final_tail`. Sounds are of one length; an input `lengths` is no
    longer one.
    """
    front = Front(graph)
    streams = any(value.name == STATE for value in graph.input)
    sound = front.node("Concat", [TAIL, SOUND], "joined", axis=1) if streams else SOUND
    count, steps, starts = _count_frames(front, sound, how)
    window = front.constant("window", np.arange(how.window)[None])
    columns = front.node("Unsqueeze", [starts, front.constant("second_axis", np.array([1]))], "columns")
    places = front.node("Add", [columns, window], "places")
    frames = front.node("Gather", [sound, places], "frames", axis=1)
    hann = front.constant("hann", np.hanning(how.window).astype(np.float32))
    windowed = front.node("Mul", [frames, hann], "windowed")
    signal = front.node("Unsqueeze", [windowed, front.constant("last_axis", np.array([3]))], "signal")
    size = 1 << (how.window - 1).bit_length()
    length = front.constant("transform", np.array(size))
    spectrum = front.node("DFT", [signal, length], "spectrum", axis=2, onesided=1)
    squares = front.node("Mul", [spectrum, spectrum], "squares")
    power = front.node("ReduceSum", [squares, front.constant("parts", np.array([3]))], "power", keepdims=0)
    filters, floor, cosines = how.features.tables(size, how.rate)
    energies = front.node("MatMul", [power, front.constant("filters", filters.T.astype(np.float32))], "energies")
    audible = front.node("Max", [energies, front.constant("silence", np.float32(floor))], "audible")
    features = front.node("Log", [audible], "log_mel")
    if cosines is not None:
        features = front.node("MatMul", [features, front.constant("cosines", cosines.T.astype(np.float32))], "mfcc")
    centred = front.node("Sub", [features, front.constant("mean", how.mean)], "centred")
    front.node("Div", [centred, front.constant("deviation", how.std)], front.result)
    inputs = [helper.make_tensor_value_info(SOUND, TensorProto.FLOAT, ["batch", "samples"])]
    if streams:
        inputs.append(helper.make_tensor_value_info(TAIL, TensorProto.FLOAT, ["batch", "kept"]))
        graph.output.append(helper.make_tensor_value_info(FINAL_TAIL, TensorProto.FLOAT, ["batch", "left"]))
        consumed = front.node("Mul", [steps, front.constant("hops", np.array([how.hop]))], "consumed")
        front.node("Slice", [sound, consumed, count, front.constant("time", np.array([1]))], FINAL_TAIL)
    front.put(inputs)
    kept = [value for value in graph.input if value.name != LENGTHS]
    del graph.input[:]
    graph.input.extend(kept)


def _count_frames(front: Front, sound: str, how: SoundPreprocessing) -> tuple[str, str, str]:
    """How many samples [1] and frames [1] there are, and where each frame starts [T]."""
    count = front.node("Shape", [sound], "count", start=1, end=2)
    room = front.node("Add", [count, front.constant("slack", np.array([how.hop - how.window]))], "room")
    whole = front.node("Div", [room, front.constant("hop", np.array([how.hop]))], "whole")
    steps = front.node("Max", [whole, front.constant("none", np.array([0]))], "steps")
    scalar = front.node("Squeeze", [steps], "frames_in_all")
    zero, one = front.constant("zero", np.array(0)), front.constant("one", np.array(1))
    numbers = front.node("Range", [zero, scalar, one], "numbers")
    return count, steps, front.node("Mul", [numbers, PREFIX + "hop"], "starts")
