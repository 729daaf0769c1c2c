"""What devices of Arm need."""

from tests.arm.conftest import built

__all__ = ["built"]
