"""What stands in for Hugging Face's `spaces` on ZeroGPU: calls in processes of their own, for so long.

As the real one does, it forks for a call, hands arguments and results on as bytes, has a thread of its own
take the results up, and kills what runs past its time. Unlike it, it never uses a process twice. POSIX
alone.
"""

from __future__ import annotations

import multiprocessing
import queue
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

Task = Callable[..., Iterator[bytes]]
_END = object()


class Aborted(Exception):  # noqa: N818 - the real one's is called no error either
    """A call that was killed, as `gradio.Error` with its `message`."""

    message = "GPU task aborted"


class FakeSpaces:
    """The module: `FakeSpaces().GPU` is its decorator."""

    def __init__(
        self,
        *,
        kill_after: Callable[[int], int | None] = lambda call: None,
        limit_s: Callable[[int], float | None] = lambda call: None,
    ) -> None:
        """`kill_after`: of the n-th call, after how many results it is killed; None for never. `limit_s`: how
        long it may last at most; None for the duration that it asks for.
        """
        self.durations: list[float] = []  # that calls asked for
        self.pids: set[int] = set()
        self._kill_after, self._limit_s = kill_after, limit_s

    def GPU(self, *, duration: Callable[..., float]) -> Callable[[Task], Task]:  # noqa: N802 - its name
        """Make a generator function one whose body runs elsewhere."""

        def decorate(task: Task) -> Task:
            def call(*arguments: Any) -> Iterator[bytes]:
                self.durations.append(duration(*arguments))
                yield from self._run(task, arguments)

            return call

        return decorate

    def _run(self, task: Task, arguments: tuple[Any, ...]) -> Iterator[bytes]:
        most = self._kill_after(len(self.durations))
        context = multiprocessing.get_context("fork")
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(task, arguments, there), daemon=True)
        process.start()
        there.close()
        self.pids.add(process.pid or 0)
        results: queue.Queue[Any] = queue.Queue()
        threading.Thread(target=_take_up, args=(here, results), daemon=True).start()
        limit_s = self._limit_s(len(self.durations))
        killer = threading.Timer(self.durations[-1] if limit_s is None else limit_s, process.kill)
        killer.start()
        try:
            count = 0
            while (result := results.get()) is not _END:
                if result is None:
                    return
                if most is not None and count >= most:
                    process.kill()
                    break
                count += 1
                yield result
            raise Aborted
        finally:
            killer.cancel()
            process.kill()
            process.join()


def _work(task: Task, arguments: tuple[Any, ...], out: Connection) -> None:
    import torch

    torch.set_num_threads(1)  # the threads of the process that was forked are not here
    for result in task(*arguments):
        out.send(result)
    out.send(None)


def _take_up(results: Connection, into: queue.Queue[Any]) -> None:
    try:
        while True:
            into.put(results.recv())
    except (EOFError, OSError):
        into.put(_END)
