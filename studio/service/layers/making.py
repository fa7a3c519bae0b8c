"""The takes that a scene lacks, made as the studio makes any: as jobs, into the Library."""

from __future__ import annotations

import time
from collections.abc import Callable

from studio.core.errors import InvalidRequestError
from studio.core.events import Failed
from studio.core.request import GenerationRequest
from studio.pipeline.cancel import CancelToken
from studio.service.jobs.job import Job
from studio.service.layers.takes import MakeTake
from studio.service.takes.shelf import id_of

POLL_S = 0.05
STOPPED = "A take of this scene was stopped: make what is missing once more."


def made_by_jobs(submit: Callable[[GenerationRequest], Job], stop: Callable[[str], None]) -> MakeTake:
    """Makes a request a take of the Library, whose id it gives. What is stopped stays there as far as it is.

    It raises `CancelledError` once its token is set, and `StudioError` where the take can't be made.
    """

    def make(request: GenerationRequest, cancel: CancelToken, share: Callable[[float], None]) -> str:
        job = submit(request)
        try:
            while not job.ended:
                cancel.check()
                share(job.share)
                time.sleep(POLL_S)
        finally:
            if not job.ended:
                stop(job.id)
        outcome = job.outcome
        if isinstance(outcome, Failed):
            raise InvalidRequestError(outcome.message)
        if outcome is None or outcome.path is None or outcome.stopped:
            raise InvalidRequestError(STOPPED)
        return id_of(outcome.path.with_suffix(".json"))

    return make
