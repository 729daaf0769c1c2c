"""The native operator library: where it is, what it can do here, and why it is not used when it is not."""

import ctypes
import os
import sys
from functools import lru_cache

import onnxruntime

from edgenet.errors import EdgenetError

FILE_NAME = "libedgenet_ops.so"
ENVIRONMENT_VARIABLE = "EDGENET_LIBRARY"
OLDEST_ONNXRUNTIME = (1, 18)

HOW_TO_GET_IT = (
    "install a C++ compiler (Debian: apt-get install g++) and install edgenet again "
    "(pip install --force-reinstall --no-deps . in a clone of it)"
)


def find() -> str | None:
    """Return the operator library's path, or None if this installation has none.

    Looked for in this order: the file that the environment variable EDGENET_LIBRARY names, beside this module, and as
    `edgenet/runtime/libedgenet_ops.so` where Python looks for packages (an editable installation keeps it apart from
    its Python files).

    Raises:
        EdgenetError: EDGENET_LIBRARY names a file that does not exist.
    """
    # os.path and no importlib.metadata: pathlib and what that imports are 2 MB that a device need not spend.
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    if named:
        if not os.path.isfile(named):
            raise EdgenetError(
                f"{ENVIRONMENT_VARIABLE} names {named}, which is not a file; unset it or give the path of {FILE_NAME}."
            )
        return os.path.realpath(named)
    folders = [os.path.dirname(__file__), *(os.path.join(entry, "edgenet", "runtime") for entry in sys.path)]
    candidates = (os.path.join(folder, FILE_NAME) for folder in folders)
    return next((os.path.realpath(path) for path in candidates if os.path.isfile(path)), None)


@lru_cache(maxsize=4)
def _open(path: str) -> ctypes.CDLL | OSError:
    try:
        library = ctypes.CDLL(path)
        for name in ("edgenet_version", "edgenet_isa", "edgenet_isas"):
            getattr(library, name).restype = ctypes.c_char_p
        for name in ("edgenet_kernels_created", "edgenet_kernel_runs"):
            getattr(library, name).restype = ctypes.c_uint64
        library.edgenet_operator_set.restype = ctypes.c_int
    except OSError as error:
        return error
    except AttributeError as error:
        # Some other library, or one of another version.
        return OSError(str(error))
    return library


def _loaded() -> ctypes.CDLL | None:
    path = find()
    library = _open(path) if path else None
    return library if isinstance(library, ctypes.CDLL) else None


def _text(function: str) -> str | None:
    library = _loaded()
    return getattr(library, function)().decode() if library else None


def available() -> bool:
    """Whether the library is here, loads, and this ONNX Runtime is new enough for it."""
    return why_portable() is None


def version() -> str | None:
    """Return the library's version, None without a library."""
    return _text("edgenet_version")


def isa() -> str | None:
    """Return the instruction set whose kernels run: scalar, avx2, avx512, neon or neondot; None without a library.

    The environment variable EDGENET_ISA forces one; None where it names one that this machine does not run.
    """
    return _text("edgenet_isa") or None


def isas() -> list[str]:
    """Return the instruction sets that this machine runs, narrowest first; empty without a library."""
    return (_text("edgenet_isas") or "").split()


def operator_set() -> int | None:
    """Return the version of the operator set that the library implements (export/SPEC.md), None without a library."""
    library = _loaded()
    return library.edgenet_operator_set() if library else None


def kernels_created() -> int:
    """Return how many native kernels sessions of this process have made so far; 0 without a library."""
    library = _loaded()
    return library.edgenet_kernels_created() if library else 0


def kernel_runs() -> int:
    """Return how often native kernels have run in this process so far; 0 without a library."""
    library = _loaded()
    return library.edgenet_kernel_runs() if library else 0


def why_portable() -> str | None:
    """Return one sentence on why files run their own functions here and how to get native kernels; None if native."""
    path = find()
    if path is None:
        return f"The portable path runs because this installation has no operator library; to get it, {HOW_TO_GET_IT}."
    opened = _open(path)
    if isinstance(opened, OSError):
        return f"The portable path runs because {path} cannot be loaded ({opened}); to mend that, {HOW_TO_GET_IT}."
    if _onnxruntime_version() < OLDEST_ONNXRUNTIME:
        return (
            f"The portable path runs because ONNX Runtime {onnxruntime.__version__} is older than "
            f"{'.'.join(map(str, OLDEST_ONNXRUNTIME))}; upgrade it (pip install --upgrade onnxruntime)."
        )
    return None


def _onnxruntime_version() -> tuple[int, int]:
    major, minor = onnxruntime.__version__.split(".")[:2]
    return int(major), int(minor)
