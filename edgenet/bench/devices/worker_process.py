"""A process that holds one model, and the near end of what is said to it."""

import json
import math
import os
import select
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from edgenet.errors import EdgenetError

# So long after Ctrl-C waiting for a reply ends.
_INTERRUPT_SECONDS = 0.1


@contextmanager
def collected_interrupts() -> Iterator[list[int]]:
    """Collect interrupts (Ctrl-C) instead of raising them anywhere; none in another thread than the main one."""
    collected: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield collected
        return
    before = signal.signal(signal.SIGINT, lambda number, frame: collected.append(number))
    try:
        yield collected
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _interrupts_at_rest() -> Iterator[list[int]]:
    """Collect interrupts, so that no reply is half read or miscounted, and raise them at the end, unless the body has
    raised them."""
    with collected_interrupts() as collected:
        yield collected
    if collected:
        raise KeyboardInterrupt


class WorkerProcess:
    """The near end of `edgenet.bench.worker`: a request is a call, an error there is an EdgenetError here.

    Args:
        command: what starts the process.
        environment: its environment variables; None for ours.
        reply_seconds: how long a reply may take; None for as long as it needs.
    """

    def __init__(
        self, command: list[str], environment: dict[str, str] | None = None, reply_seconds: float | None = None
    ) -> None:
        self._messages = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
        self._unread = 0
        self._reply_seconds = reply_seconds
        self._late = False
        self._rest = b""
        # A session of its own, so that Ctrl-C reaches us alone and what was measured can be kept.
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._messages,
            bufsize=0,
            env=environment,
            start_new_session=True,
        )

    def call(self, request: str, **arguments: Any) -> Any:
        """Send a request and wait for its reply.

        Raises:
            EdgenetError: the worker refused, died, or took too long.
        """
        with _interrupts_at_rest() as interrupts:
            try:
                self._write(json.dumps({"do": request, **arguments}).encode() + b"\n")
                # Ctrl-C may have left the reply to an earlier request behind.
                self._unread += 1
                while self._unread:
                    reply = self._read_line(interrupts)
                    self._unread -= 1
            except BrokenPipeError:
                reply = ""
        if not reply:
            self._process.wait()
            doing = request.replace("_", " ")
            if self._late:
                raise EdgenetError(self._explain_silence(doing, self._reply_seconds or 0))
            raise EdgenetError(self._explain_death(doing, self._process.returncode, self._last_words()))
        answer = json.loads(reply)
        if "error" in answer:
            raise EdgenetError(answer["error"])
        return answer["ok"]

    def _write(self, line: bytes) -> None:
        assert self._process.stdin is not None
        # A pipe takes what fits.
        while line:
            line = line[self._process.stdin.write(line) :]

    def _read_line(self, interrupts: list[int]) -> str:
        """The next line that the process writes; empty where it ends, or is late."""
        assert self._process.stdout is not None
        deadline = math.inf if self._reply_seconds is None else time.monotonic() + self._reply_seconds
        while b"\n" not in self._rest:
            readable, _, _ = select.select([self._process.stdout], [], [], _INTERRUPT_SECONDS)
            if interrupts:
                raise KeyboardInterrupt
            if not readable and time.monotonic() < deadline:
                continue
            if not readable:
                self._late = True
                self._process.kill()
                return ""
            piece = os.read(self._process.stdout.fileno(), 1 << 20)
            if not piece:
                return ""
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()

    def _explain_death(self, doing: str, code: int, last_words: str) -> str:
        words = last_words or f"exit code {code}, with no message; too little memory is a common cause."
        return f"The process that was to {doing} a model died: {words}"

    def _explain_silence(self, doing: str, seconds: float) -> str:
        return f"The process that was to {doing} a model gave no answer for {seconds:.0f} seconds."

    def finish(self) -> None:
        """Let the process end by itself, as it does with its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _last_words(self) -> str:
        """The last line that the process has written to its standard error; empty where it has written none."""
        self._messages.seek(0)
        lines = [line.strip() for line in self._messages.read().splitlines() if line.strip()]
        return lines[-1] if lines else ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._messages):
            if stream is not None:
                stream.close()
