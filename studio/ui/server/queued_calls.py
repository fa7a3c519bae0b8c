"""A call's take, made by a worker elsewhere: put into the studio's queue as a set of one, and waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from studio.core.draft import RecordedDraft
from studio.core.errors import InvalidRequestError, StudioError
from studio.core.preset import load_preset
from studio.core.request import GenerationRequest
from studio.service.batch.rows import row_of
from studio.service.batch.standing import Look
from studio.service.studio import Studio

POLL_S = 0.5
STOPPED = "The take was stopped before it was made."


async def queued_take(
    studio: Studio,
    read: Callable[[], tuple[GenerationRequest, str]],
    client: str,
    is_waited_for: Callable[[], bool],
) -> tuple[Path | None, dict[str, Any]]:
    """The take's file and figures, once a worker has made it. It is stopped where nobody waits any more.

    `read` gives the request, and the sound that it goes on from, if any. No file comes of a take that hears a
    recording: that lies on this machine alone, which is to make it.

    Raises:
        StudioError: it can't be asked for, or was not made; says why.
    """
    request, sound = await asyncio.to_thread(read)
    if sound or isinstance(request.draft, RecordedDraft):
        return None, {}
    row = await asyncio.to_thread(row_of, request, studio.sets.fingerprint)
    set_id = await asyncio.to_thread(studio.sets.begin, [row], "", client)
    look = await _ended(studio, set_id, is_waited_for)
    path, fault = look.folder.found(row.id), look.folder.error_of(row.id)
    if path is None:
        raise InvalidRequestError(fault.sentence if fault else STOPPED)
    take = load_preset(look.folder.sidecar(row.id)).take
    return path, {**(take.figures if take else {}), "seed": str(request.seed)}


async def _ended(studio: Studio, set_id: str, is_waited_for: Callable[[], bool]) -> Look:
    """A set when all of it is made, has failed, or was stopped."""
    try:
        while True:
            look = await asyncio.to_thread(studio.sets.look, set_id)
            if look.summary.phase in ("done", "failed", "stopped"):
                return look
            if not is_waited_for():
                raise InvalidRequestError(STOPPED)
            await asyncio.sleep(POLL_S)
    except BaseException:
        with suppress(StudioError):
            studio.sets.stop(set_id)
        raise
