"""An export that an address asks for, of a live take or the library's: made, fetched, told beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response

from studio.core.errors import InvalidRequestError, StudioError
from studio.core.files import disk_error
from studio.service.takes.export import FORMATS, Export
from studio.service.takes.export_cache import ExportCache
from studio.service.takes.export_range import ExportRangeError, read_export_range
from studio.service.takes.files.coding import read_coding
from studio.service.takes.naming import portable
from studio.service.takes.shelf import shown

NO_STORE = {"Cache-Control": "no-store"}


@dataclass(frozen=True)
class Refusal:
    """Why there is no export, and which field of the form is at fault, if one is."""

    message: str
    status: int
    field: str = ""


async def made(exports: ExportCache, path: Path, query: QueryParams) -> Export | Refusal:
    """The export of a take's sound that an address asks for: `format`, `start`, `end`, `lufs`, `ceiling`,
    `width`, `bits`, `rate`, `name`; or why there is none, in a sentence for the field at fault.
    """
    suffix = query.get("format", path.suffix)
    if suffix not in FORMATS:
        return Refusal(f"Choose one of {', '.join(FORMATS)}.", 400, "format")
    try:
        cut, coding = read_export_range(query), read_coding(query, suffix)
        return await run_in_threadpool(exports.make, path, suffix, cut, coding, query.get("name", ""))
    except ExportRangeError as error:
        return Refusal(str(error), 400, error.field)
    except InvalidRequestError as error:
        return Refusal(str(error), 400)
    except StudioError as error:
        return Refusal(str(error), 507)
    except OSError as error:
        return Refusal(str(disk_error(error, path)), 507)


def fetched(done: Export | Refusal, *, inline: bool = False) -> Response:
    """The file of an export, to be saved or, `inline`, to be played; or the sentence."""
    if isinstance(done, Refusal):
        return PlainTextResponse(done.message, done.status)
    name = portable(shown(done.path.name))
    return FileResponse(
        done.path, filename=name, content_disposition_type="inline" if inline else "attachment"
    )


def told(done: Export | Refusal) -> Response:
    """What the page says of an export before it fetches it: a link never leads nowhere."""
    if isinstance(done, Refusal):
        return JSONResponse({"message": done.message, "field": done.field}, done.status, headers=NO_STORE)
    level = done.level
    said = {"said": level.sentence, "level": level.report} if level else {"said": "", "level": None}
    return JSONResponse({"name": portable(shown(done.path.name)), **said}, headers=NO_STORE)
