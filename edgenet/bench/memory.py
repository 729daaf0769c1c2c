"""Resident memory of this process, as Linux counts it."""

# Imported before the baseline is taken, so without pathlib, whose import takes half a megabyte.
_STATUS = "/proc/self/status"


def resident_bytes() -> int:
    """Return the resident set size now, in bytes."""
    return _status("VmRSS")


def peak_resident_bytes() -> int:
    """Return the highest resident set size since `reset_peak`, in bytes."""
    return _status("VmHWM")


def reset_peak() -> bool:
    """Let the peak start anew from what is resident now; False where the kernel does not allow it."""
    try:
        with open("/proc/self/clear_refs", "w") as stream:
            stream.write("5")
    except OSError:
        return False
    return True


def _status(key: str) -> int:
    with open(_STATUS) as stream:
        for line in stream:
            name, _, value = line.partition(":")
            if name == key:
                return int(value.split()[0]) * 1024
    raise KeyError(key)
