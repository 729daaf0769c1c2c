"""Work on several devices at the same time: what one of them fails at takes nothing from the others."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

from edgenet.bench.devices.base import Device, Progress
from edgenet.bench.devices.worker_process import collected_interrupts
from edgenet.errors import EdgenetError

T = TypeVar("T")
_LOOK_SECONDS = 0.5


def on_each(
    devices: Sequence[Device], work: Callable[[Device, Progress], T], progress: Progress
) -> tuple[dict[str, T], dict[str, str]]:
    """Do some work on every device, each in a thread of its own where there are several.

    Ctrl-C reaches each device where it next tells of its progress, as a KeyboardInterrupt there, so that it ends as it
    would alone: timing keeps what was measured. A second Ctrl-C ends what comes after.

    Args:
        devices: of different names.
        work: is given a device and how to tell of its progress.
        progress: is called with the fraction done of all, and what is being done where.

    Returns:
        What came of it, and a sentence on why nothing did, each by the device's name.

    Raises:
        EdgenetError: the only device has failed, or all have.
        KeyboardInterrupt: none has anything to keep.
    """
    if len(devices) == 1:
        return {devices[0].name: work(devices[0], progress)}, {}
    done = dict.fromkeys((device.name for device in devices), 0.0)

    def teller(name: str) -> Progress:
        seen = 0

        def tell(fraction: float, text: str) -> None:
            nonlocal seen
            done[name] = fraction
            progress(sum(done.values()) / len(done), f"{name}: {text}")
            if seen < len(interrupts):
                seen += 1
                raise KeyboardInterrupt

        return tell

    with collected_interrupts() as interrupts, ThreadPoolExecutor(len(devices)) as pool:
        futures = {device.name: pool.submit(work, device, teller(device.name)) for device in devices}
        while not all(future.done() for future in futures.values()):
            # Who waits without end does not see a Ctrl-C that came just before.
            wait(futures.values(), timeout=_LOOK_SECONDS)
    errors = {name: error for name, future in futures.items() if (error := future.exception())}
    if len(errors) == len(futures):
        raise _as_one(errors)
    outcomes = {name: future.result() for name, future in futures.items() if name not in errors}
    return outcomes, {name: _sentence(error) for name, error in errors.items()}


def _as_one(errors: dict[str, BaseException]) -> BaseException:
    interrupt = next((error for error in errors.values() if isinstance(error, KeyboardInterrupt)), None)
    if interrupt is not None:
        return interrupt
    first, *others = errors.values()
    if all(str(error) == str(first) for error in others):
        return first
    return EdgenetError(" ".join(f"{name} failed: {_sentence(error)}" for name, error in errors.items()))


def _sentence(error: BaseException) -> str:
    if isinstance(error, EdgenetError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "It was interrupted before there was anything to keep; run it again."
    text = str(error).partition("\n")[0]
    return f"{type(error).__name__}: {text} (this was not foreseen; that device alone with --debug shows where it is)"
