"""The kinds of devices."""

from edgenet.bench.devices.adb import AdbDevice
from edgenet.bench.devices.arm64 import Arm64Device
from edgenet.bench.devices.base import Device
from edgenet.bench.devices.cpu import CpuDevice
from edgenet.bench.devices.ssh import SshDevice
from edgenet.errors import EdgenetError

_KINDS: tuple[type[Device], ...] = (CpuDevice, Arm64Device, SshDevice, AdbDevice)


def list_kinds() -> list[type[Device]]:
    """Return the kinds of devices; each says how it is named and what it is."""
    return list(_KINDS)


def get_device(name: str) -> Device:
    """Return the device that `--device` names.

    Raises:
        EdgenetError: there is no such device; the message names those there are.
    """
    for kind in _KINDS:
        device = kind.named(name)
        if device is not None:
            return device
    raise EdgenetError(f"There is no device {name!r}; there is {', '.join(kind.pattern for kind in _KINDS)}.")
