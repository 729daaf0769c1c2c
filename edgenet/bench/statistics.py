"""The few statistics a benchmark needs, each robust against the odd slow run."""

from collections.abc import Sequence

import numpy as np

_RESAMPLES = 2000


def summarize(times_ms: Sequence[float]) -> dict[str, float]:
    """Return mean, standard deviation, minimum and percentiles of latencies in milliseconds."""
    values = np.asarray(times_ms, np.float64)
    p50, p90, p99 = np.percentile(values, [50, 90, 99])
    return {
        "mean": float(values.mean()),
        "std": float(values.std(ddof=1)) if len(values) > 1 else 0.0,
        "min": float(values.min()),
        "p50": float(p50),
        "p90": float(p90),
        "p99": float(p99),
    }


def median_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float, float]:
    """Return the median and its bootstrap percentile interval (Efron 1979), from 2,000 resamples with a fixed seed."""
    sample = np.asarray(values, np.float64)
    random = np.random.default_rng(0)
    medians = np.median(random.choice(sample, (_RESAMPLES, len(sample))), axis=1)
    low, high = np.percentile(medians, [50 * (1 - confidence), 50 * (1 + confidence)])
    return float(np.median(sample)), float(low), float(high)


def paired_ratio(numerators: Sequence[float], denominators: Sequence[float]) -> tuple[float, float, float]:
    """Return the median of numerator / denominator, round by round, with its 95 % interval.

    Pairing within a round cancels what drifts slower than a round does.
    """
    return median_interval([above / below for above, below in zip(numerators, denominators, strict=True)])


def proportion_interval(value: float, samples: int) -> tuple[float, float]:
    """Return the 95 % interval of a fraction seen in so many samples (Wilson 1927)."""
    z = 1.959964
    centre = (value + z * z / (2 * samples)) / (1 + z * z / samples)
    half = z / (1 + z * z / samples) * np.sqrt(value * (1 - value) / samples + z * z / (4 * samples**2))
    return float(centre - half), float(centre + half)
