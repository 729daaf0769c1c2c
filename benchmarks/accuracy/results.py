"""What is kept of a trained network: a JSON file a scheme and seed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgenet.errors import EdgenetError

Row = dict[str, Any]
_KEYS = ("model", "data", "scheme", "ends", "metric", "value", "loss_vs_full", "seed", "epochs", "file_bytes", "curve")
SCHEMES = ("full", "bwn", "xnor")


def result_name(row: Mapping[str, Any]) -> str:
    """Return the name of a result's file, MODEL-DATA-SCHEME-SEED.json."""
    return "-".join(str(row[key]) for key in ("model", "data", "scheme", "seed")).replace("/", "_") + ".json"


def read_results(folder: Path) -> list[Row]:
    """Return all results of a folder, by network, data, scheme and seed.

    Raises:
        EdgenetError: a file is no result.
    """
    rows = []
    for path in sorted(folder.glob("*.json")):
        try:
            row = json.loads(path.read_text(encoding="utf-8"))
            missing = [key for key in _KEYS if key not in row]
        except (OSError, TypeError, ValueError) as error:
            raise EdgenetError(f"{path} cannot be read as a result: {error}") from error
        if missing:
            raise EdgenetError(f"{path} is no result: it lacks {missing[0]!r}; remove it or train it again.")
        rows.append(row)
    return sorted(rows, key=lambda row: (row["model"], row["data"], SCHEMES.index(row["scheme"]), row["seed"]))
