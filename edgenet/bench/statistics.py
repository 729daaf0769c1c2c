"""The few statistics a benchmark needs, each robust against the odd slow run.

A measurement is several windows, each in processes of its own, after the five of MLPerf Tiny (Banbury et al. 2021),
whose median is what counts there too. Rounds within a window resemble each other: they share where the system put a
model's memory, which core runs it, and what the machine did just then. Intervals taken over rounds (their bootstrap,
say) are therefore too narrow; those here are taken over windows, which are as good as independent.
"""

import math
from collections.abc import Sequence
from statistics import fmean, median, stdev

import numpy as np

QUANTILES = tuple(range(0, 101, 5))
"""The percentages of `summarize`'s quantiles."""
_RESAMPLES = 2000
# Student's t, two-sided 95 %, for 1, 2, ... degrees of freedom; the last serves for more, a little too wide.
_STUDENT = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
)  # fmt: skip
# What all windows of a measurement have in common, such as what else the machine does in those seconds, none of them
# can tell. Measurements repeated for half an hour on a busy machine (`python -m benchmarks.repeats`) differed by 0.36
# of the windows' standard deviation more than their windows explained; on a quiet machine little is left.
_BETWEEN_MEASUREMENTS = 0.36
_LEAST_BETWEEN = 0.005


def summarize(windows: Sequence[Sequence[float]]) -> dict[str, float | list[float]]:
    """Return mean, standard deviation, minimum and percentiles of latencies in milliseconds, given window by window.

    `p50` is the median of the windows' medians, which are `windows`; all else is over all runs. `quantiles` are those
    of QUANTILES.
    """
    values = np.concatenate([np.asarray(window, np.float64) for window in windows])
    p90, p99 = np.percentile(values, [90, 99])
    medians = [median(window) for window in windows]
    return {
        "mean": float(values.mean()),
        "std": float(values.std(ddof=1)) if len(values) > 1 else 0.0,
        "min": float(values.min()),
        "p50": median(medians),
        "p90": float(p90),
        "p99": float(p99),
        "windows": medians,
        "quantiles": np.percentile(values, QUANTILES).tolist(),
    }


def window_interval(windows: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """Return the median of windows' medians of positive figures, and the 95 % interval of what it estimates.

    Student's t of the logarithms of the medians (Student 1908), with what two measurements differ by beyond that added
    to the variance. Of a single window the rounds are all there is: their bootstrap interval, which is too narrow.
    """
    if len(windows) < 2:
        return median_interval(windows[0])
    medians = [median(window) for window in windows]
    logs = [math.log(value) for value in medians]
    t = _STUDENT[min(len(logs), len(_STUDENT) + 1) - 2]
    spread = stdev(logs)
    half = t * math.hypot(spread / math.sqrt(len(logs)), max(_BETWEEN_MEASUREMENTS * spread, _LEAST_BETWEEN))
    centre, middle = fmean(logs), median(medians)
    # Of many windows the median may lie further from the mean than the interval reaches.
    return middle, min(math.exp(centre - half), middle), max(math.exp(centre + half), middle)


def median_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float, float]:
    """Return the median and its bootstrap percentile interval (Efron 1979), from 2,000 resamples with a fixed seed."""
    sample = np.asarray(values, np.float64)
    random = np.random.default_rng(0)
    medians = np.median(random.choice(sample, (_RESAMPLES, len(sample))), axis=1)
    low, high = np.percentile(medians, [50 * (1 - confidence), 50 * (1 + confidence)])
    return float(np.median(sample)), float(low), float(high)


def paired_ratio(numerators: Sequence[float], denominators: Sequence[float]) -> tuple[float, float, float]:
    """Return the median of numerator / denominator, round by round, with its 95 % interval over rounds.

    Pairing within a round cancels what drifts slower than a round does. For rounds of one process; `window_interval`
    also sees what a process has to itself.
    """
    return median_interval([above / below for above, below in zip(numerators, denominators, strict=True)])


def proportion_interval(value: float, samples: int) -> tuple[float, float]:
    """Return the 95 % interval of a fraction seen in so many samples (Wilson 1927)."""
    z = 1.959964
    centre = (value + z * z / (2 * samples)) / (1 + z * z / samples)
    half = z / (1 + z * z / samples) * np.sqrt(value * (1 - value) / samples + z * z / (4 * samples**2))
    return float(centre - half), float(centre + half)


def difference_interval(first: float, first_samples: int, second: float, second_samples: int) -> tuple[float, float]:
    """Return the 95 % interval of `first` - `second`, fractions of so many samples (Newcombe 1998, method 10)."""
    low, high = proportion_interval(first, first_samples)
    other_low, other_high = proportion_interval(second, second_samples)
    below, above = math.hypot(first - low, other_high - second), math.hypot(high - first, second - other_low)
    return first - second - below, first - second + above
