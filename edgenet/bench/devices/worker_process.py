"""A process that holds one model, and the near end of what is said to it."""

import json
import subprocess
import tempfile
from types import TracebackType
from typing import Any

from edgenet.errors import EdgenetError


class WorkerProcess:
    """The near end of `edgenet.bench.worker`: a request is a call, an error there is an EdgenetError here."""

    def __init__(self, command: list[str], environment: dict[str, str] | None = None) -> None:
        self._messages = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._unread = 0
        # A session of its own, so that Ctrl-C reaches us alone and what was measured can be kept.
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._messages,
            text=True,
            env=environment,
            start_new_session=True,
        )

    def call(self, request: str, **arguments: Any) -> Any:
        """Send a request and wait for its reply.

        Raises:
            EdgenetError: the worker refused, or died.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"do": request, **arguments}) + "\n")
            self._process.stdin.flush()
            # Ctrl-C may have left the reply to an earlier request behind.
            self._unread += 1
            while self._unread:
                reply = self._process.stdout.readline()
                self._unread -= 1
        except BrokenPipeError:
            reply = ""
        if not reply:
            raise EdgenetError(
                f"The process that was to {request.replace('_', ' ')} a model died: {self._last_words()}"
            )
        answer = json.loads(reply)
        if "error" in answer:
            raise EdgenetError(answer["error"])
        return answer["ok"]

    def _last_words(self) -> str:
        code = self._process.wait()
        self._messages.seek(0)
        lines = [line for line in self._messages.read().splitlines() if line.strip()]
        return lines[-1] if lines else f"exit code {code}, with no message; too little memory is a common cause."

    def __enter__(self) -> "WorkerProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._messages):
            if stream is not None:
                stream.close()
