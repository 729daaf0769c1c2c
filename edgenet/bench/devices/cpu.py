"""`--device cpu`: this machine."""

import os
import platform
import sys
from pathlib import Path

import edgenet
from edgenet.bench import machine
from edgenet.bench.devices.worker_device import WorkerDevice
from edgenet.bench.devices.worker_process import WorkerProcess
from edgenet.bench.health import Health


class CpuDevice(WorkerDevice):
    """This machine's CPU."""

    pattern = name = "cpu"
    description = "this machine, through ONNX Runtime's CPU provider"

    @classmethod
    def named(cls, name: str) -> "CpuDevice | None":
        return cls() if name == cls.name else None

    def environment(self, threads: int) -> dict[str, object]:
        return machine.environment(threads)

    def cores(self, threads: int) -> list[int]:
        return machine.quiet_cores(threads)

    def start(self) -> WorkerProcess:
        package = str(Path(edgenet.__file__).parents[1])
        paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        return WorkerProcess([sys.executable, "-P", "-m", "edgenet.bench.worker"], environment)

    def native_available(self) -> bool:
        from edgenet.runtime import library

        return library.why_portable() is None

    def adds_products_of_bytes_exactly(self) -> bool:
        return machine.adds_products_of_bytes_exactly(platform.machine(), machine.features())

    def health(self) -> Health:
        return Health.now()
