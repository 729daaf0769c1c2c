"""A result as bench writes it, with figures that are easy to recognise in a table."""

from typing import Any

from edgenet.bench import results

_PAGE = ("full", "plain", 44_700_000, 1, 5e8, 4.31, 0.985), ("bwn", "native", 2_230_000, 20.04, 5e8, 4.91, 0.981)
_PAGE += (
    ("xnor", "native", 2_260_000, 19.78, 2.5e7, 1.21, 0.973),
    ("xnor", "portable", 2_260_000, 19.78, 2.5e7, 5.2, 0.973),
)


def result(**environment: Any) -> dict[str, Any]:
    """Return four rows of one network: full, bwn native, xnor native and portable, the last one doubtful."""
    rows = []
    for scheme, path, size, ratio, operations, latency, accuracy in _PAGE:
        row: dict[str, Any] = dict.fromkeys(results.ROW_KEYS)
        speedup = 4.31 / latency
        row.update(
            device="cpu", model="resnet18", data="digits", input=[1, 3, 32, 32], scheme=scheme, path=path,
            file=f"{scheme}.onnx", file_bytes=size, operations=operations, valid=True, flags=[],
            rss_load_peak_bytes=3 * size, rss_run_bytes=2 * size,
            latency_ms={"load": 9.0, "first": 8.0, "mean": latency, "std": 0.1, "min": latency, "p50": latency,
                        "p90": latency, "p99": latency, "runs": 90},
            accuracy={"metric": "top1", "value": accuracy, "samples": 1000, "loss_vs_full": None},
        )  # fmt: skip
        if scheme != "full":
            row["speedup"] = {"over": "full", "median": speedup, "low": speedup - 0.02, "high": speedup + 0.02}
            row["size_ratio"] = {"over": "full", "value": ratio}
            row["accuracy"]["loss_vs_full"] = 0.985 - accuracy
        rows.append(row)
    rows[-1].update(valid=False, flags=["too few runs: 9 of 50", "throttled"])
    stamp = {"cpu": "AMD EPYC", "isa": "avx512", "threads": 1, "onnxruntime": "1.32.0", "edgenet": "0.1.0"}
    stamp |= {"operators": "0.1.0", **environment}
    return results.new_result(rows, {"cpu": stamp}, ["edgenet", "bench", "my run"], 0)
