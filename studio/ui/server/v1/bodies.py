"""What a call of /v1 may say: read up to a size, and validated."""

from __future__ import annotations

import json
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from starlette.requests import Request

from studio.core.fields import parameters_of
from studio.core.messages import first_error
from studio.core.modes import MODES
from studio.core.request import MAX_CLIP_S, MAX_PROMPT_CHARS
from studio.core.values import Frozen
from studio.service.takes.wire import USUAL_WIRE
from studio.ui.server.v1.refusals import RefusedError

MAX_BYTES = 1 << 20  # a script of some hours is in it
USUAL_S = 10.0

Body = TypeVar("Body", bound=BaseModel)


class SoundBody(BaseModel):
    """A sound effect, in the words of the well-known service; what it says beyond them is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    text: str = Field(min_length=1, max_length=MAX_PROMPT_CHARS, description="The sound, in words.")
    duration_seconds: float | None = Field(
        None, ge=0.5, le=MAX_CLIP_S, description="Its length; 10 s where none is given."
    )
    loop: bool = Field(False, description="Whether it meets its own beginning.")
    prompt_influence: float | None = Field(
        None, ge=0, le=1, description="How literally the text is taken; 0.3 is what the model begins with."
    )
    model_id: str | None = Field(
        None,
        max_length=500,
        description="A model of this studio's; the service's own mean its usual one.",
    )
    output_format: str | None = Field(None, description=f"As the query's, which is {USUAL_WIRE} by itself.")


class TakeBody(Frozen):
    """A take, in the words of the API: `live` is made as it is heard, as one without `seconds` always is."""

    mode: str = "infinite"
    live: bool = Field(False, description="Whether it is made as it is heard, for its stream.")
    loop: bool = Field(False, description="Whether a sparse take meets its own beginning.")

    @property
    def said(self) -> dict[str, Any]:
        """What of it the table of fields knows, as far as it is given."""
        return {
            name: value
            for name, value in self.model_dump(exclude={"mode", "live", "loop"}).items()
            if value is not None
        }


def _body_of(mode: str) -> type[TakeBody]:
    """A take of a mode, by the rows of its table. Files are uploaded to Gradio's API alone."""
    kinds: dict[str, Any] = {"text": str | None, "digits": int | str | None, "number": float | None}
    rows: dict[str, Any] = {
        name: (kinds[field.call.widget], Field(None, description=field.call.label))
        for name, field in parameters_of(mode).items()
        if field.call and field.call.widget != "file"
    }
    kind: Any = (Literal[mode], mode)
    return create_model(f"{mode.title()}Take", __base__=TakeBody, mode=kind, **rows)


TAKES = {mode: _body_of(mode) for mode in MODES}


def take_body(given: Any) -> TakeBody:
    """A take that is asked for by a JSON object. Raises `RefusedError`."""
    mode = given.get("mode", "infinite") if isinstance(given, dict) else "infinite"
    if not isinstance(mode, str) or mode not in TAKES:
        raise RefusedError(422, f"mode must be one of {', '.join(TAKES)}.")
    return validated(TAKES[mode], given)


def validated(body: type[Body], given: Any) -> Body:
    """The object as a value of that kind. Raises `RefusedError` with the first thing that is wrong."""
    try:
        return body.model_validate(given)
    except ValidationError as error:
        place = error.errors()[0]["loc"]
        problem = first_error(error, body)
        named = f"{place[0]} {problem.problem}." if place and not problem.label else ""
        said = str(problem) if "is no setting" in problem.problem else named or str(problem)
        raise RefusedError(422, said) from error


async def json_of(request: Request) -> Any:
    """A request's JSON object. Raises `RefusedError` for what is none, or too much."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_BYTES:
            raise RefusedError(413, f"A call may send {MAX_BYTES >> 20} MB at most: send less.")
    try:
        given = json.loads(raw or b"{}")
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise RefusedError(422, 'Send a JSON object, as in {"text": "heavy rain"}.')
    return given
