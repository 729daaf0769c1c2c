"""Finding the operator library, and saying why it is not used."""

from pathlib import Path

import numpy as np
import pytest

from edgenet.runtime import library


def test_a_library_that_cannot_be_loaded_is_named_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "libother.so"
    broken.write_text("no library here")
    monkeypatch.setenv(library.ENVIRONMENT_VARIABLE, str(broken))
    reason = library.why_portable()
    assert reason is not None
    assert str(broken) in reason
    assert "install a C++ compiler" in reason
    assert not library.available()
    assert (library.version(), library.isa(), library.isas(), library.operator_set()) == (None, None, [], None)
    assert (library.kernels_created(), library.kernel_runs()) == (0, 0)


def test_a_library_of_others_is_named_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    # Any library without our functions will do; numpy's extension modules are such.
    monkeypatch.setenv(library.ENVIRONMENT_VARIABLE, np.linalg._umath_linalg.__file__)
    reason = library.why_portable()
    assert reason is not None
    assert "undefined symbol" in reason
    assert library.version() is None


def test_a_library_that_is_here_names_itself() -> None:
    if not library.available():
        assert library.why_portable()
        return
    assert library.version()
    assert library.isa() in library.isas()
    assert library.isas()[0] == "scalar"
    assert library.operator_set() == 2
