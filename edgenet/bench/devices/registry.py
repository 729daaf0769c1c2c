"""The kinds of devices."""

from edgenet.bench.devices.adb import AdbDevice
from edgenet.bench.devices.arm64 import Arm64Device
from edgenet.bench.devices.base import Device
from edgenet.bench.devices.cortex_m import CortexMDevice
from edgenet.bench.devices.cpu import CpuDevice
from edgenet.bench.devices.limits import MemoryLimits, parse_bytes
from edgenet.bench.devices.ssh import SshDevice
from edgenet.errors import EdgenetError

_KINDS: tuple[type[Device], ...] = (CpuDevice, Arm64Device, SshDevice, AdbDevice, CortexMDevice)


def list_kinds() -> list[type[Device]]:
    """Return the kinds of devices; each says how it is named and what it is."""
    return list(_KINDS)


def get_device(name: str, *, flash: str | None = None, ram: str | None = None) -> Device:
    """Return the device that `--device` names.

    Args:
        flash, ram: memory of a microcontroller, as 256K.

    Raises:
        EdgenetError: there is no such device (the message names those there are), or a size is none or of no
            microcontroller.
    """
    for kind in _KINDS:
        device = kind.named(name)
        if isinstance(device, CortexMDevice):
            return device.with_limits(MemoryLimits(parse_bytes(flash), parse_bytes(ram)))
        if device is not None and (flash or ram):
            raise EdgenetError(f"--flash and --ram are for microcontrollers, not for {name}.")
        if device is not None:
            return device
    raise EdgenetError(f"There is no device {name!r}; there is {', '.join(kind.pattern for kind in _KINDS)}.")
