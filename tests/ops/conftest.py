"""The operator library under test, on each kernel set that this machine runs."""

from collections.abc import Iterator

import pytest

from edgenet.runtime import library


@pytest.fixture(scope="session", autouse=True)
def library_path() -> str:
    path = library.find()
    if path is None:
        pytest.fail("The operator library is not here: install edgenet with a C++ compiler, or set EDGENET_LIBRARY.")
    return path


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "isa" in metafunc.fixturenames:
        metafunc.parametrize("isa", library.isas(), indirect=True, scope="module")


@pytest.fixture(scope="module")
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """A kernel set, which sessions made during the test use."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGENET_ISA", request.param)
        yield request.param
