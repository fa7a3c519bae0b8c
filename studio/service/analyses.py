"""Analyses of takes' attention, for a face: begun when they are first asked for, the latest kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Protocol

from studio.core.errors import InvalidRequestError
from studio.core.events import Finished
from studio.core.request import ModelChoice
from studio.core.views import AttentionView, DraftAttention, FocusShares
from studio.pipeline.analysis.draft_attention import look
from studio.service.jobs.job import Job

if TYPE_CHECKING:
    from studio.backends.base import Backend
    from studio.pipeline.analysis.self_attention import AttentionStudy
    from studio.pipeline.drafts import Drafts

NOTHING_HEARD = "Generate a clip with a draft first: then it can be looked at what it attends to."
NONE_YET = "Generate a clip first: then its attention can be looked at."


class Jobs(Protocol):
    """What an analysis needs of the studio."""

    def job(self, job_id: str) -> Job: ...

    def borrow(self, choice: ModelChoice) -> AbstractContextManager[Backend]: ...


class Analyses:
    """One study at a time: it holds a block's queries and keys."""

    def __init__(self, studio: Jobs) -> None:
        self._studio = studio
        self._lock = threading.Lock()
        self._kept: tuple[str, AttentionStudy] | None = None

    def open(self, job_id: str) -> AttentionStudy:
        """The study of a job's take.

        Raises:
            InvalidRequestError: it has none yet, or its file or model can't be looked at.
        """
        with self._lock:
            if self._kept is None or self._kept[0] != job_id:
                if not job_id:
                    raise InvalidRequestError(NONE_YET)
                job = self._studio.job(job_id)
                outcome = job.outcome
                if not isinstance(outcome, Finished) or outcome.path is None:
                    raise InvalidRequestError(NONE_YET)
                # It needs torch, which a page that is opened does not wait for.
                from studio.pipeline.analysis.self_attention import AttentionStudy

                borrow = partial(self._studio.borrow, job.request.model)
                self._kept = job_id, AttentionStudy.of_take(job.request, outcome.path, borrow)
            return self._kept[1]

    def duration_s(self, job_id: str) -> float:
        """How long a job's clip is. Raises `InvalidRequestError` where it is not known any more."""
        return self._studio.job(job_id).request.duration_s or 0.0

    def look(
        self, job_id: str, block: str, noise: float, at_s: float, height: float
    ) -> Iterator[str | AttentionView | FocusShares]:
        """A look at a token, then the shares of all blocks, with words on what is done in between.

        Raises:
            InvalidRequestError: as `open`, and where there is no such block or place.
        """
        yield "Looking at the take"
        study = self.open(job_id)
        with self._lock:
            look = study.look(block or study.blocks[-1], noise, at_s, height)
        yield look
        shares = yield from study.measure()
        yield shares


def attention_to_draft(
    job: Job | None,
    drafts: Drafts | None,
    borrow: Callable[[ModelChoice], AbstractContextManager[Backend]],
    block: str,
    step: int,
) -> DraftAttention:
    """What a finished take attends to in its draft, at a block and a step of it.

    Raises:
        InvalidRequestError: there is no such take, it heard no draft or is endless; or one is being made.
    """
    outcome = job.outcome if job else None
    if job is None or drafts is None or job.request.draft.kind == "none":
        raise InvalidRequestError(NOTHING_HEARD)
    if not isinstance(outcome, Finished) or outcome.path is None:
        raise InvalidRequestError(NOTHING_HEARD)
    return look(job.request, outcome.path, partial(borrow, job.request.model), drafts, block, step)
