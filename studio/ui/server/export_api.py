"""The function `export` for `gradio_client`: a take of the library in another format, at a loudness."""

from __future__ import annotations

from typing import Any

import gradio as gr

from studio.core.errors import InvalidRequestError, StudioError
from studio.core.files import disk_error
from studio.service.studio import Studio
from studio.service.takes.export import FORMATS
from studio.service.takes.export_cache import ExportCache
from studio.service.takes.export_range import ExportRangeError, read_export_range
from studio.service.takes.files.coding import read_coding
from studio.ui.handing import handed
from studio.ui.server.client_api import MAX_CALLS

LABELS = {
    "start": "From", "end": "To", "lufs": "Loudness", "ceiling": "Ceiling",
    "width": "Stereo width", "bits": "Bit depth", "rate": "Sample rate", "name": "Name",
}  # fmt: skip


def build(studio: Studio, exports: ExportCache) -> None:
    """Add the function to the Blocks one is in. It has no place on the page."""

    def export(
        *,
        take: str,
        format: str = "wav",
        start: str = "",
        end: str = "",
        lufs: str = "",
        ceiling: str = "",
        bits: str = "",
        rate: str = "",
        name: str = "",
        width: str = "",
    ) -> tuple[str, dict[str, Any]]:
        """Write a take, or a span of it, in a format; gives its file and what its level came to.

        `take` is an id of the library. Times are m:ss or seconds, `lufs` the loudness it is brought to,
        `ceiling` what its true peak stays below in dBTP (−1); where they are empty, all of it as it is.
        `bits` are 16, 24 or 32 (float), `rate` is 16, 44.1 or 48 kHz, `name` a pattern as {prompt}_{seed},
        `width` what is left of a stereo take's width, from 0 (mono) to 1.
        """
        try:
            suffix = f".{format.lower().removeprefix('.')}"
            if suffix not in FORMATS:
                raise InvalidRequestError(f"Choose one of {', '.join(name[1:] for name in FORMATS)}.")
            asked = {"start": start, "end": end, "lufs": lufs, "ceiling": ceiling, "width": width}
            cut = read_export_range(asked)
            coding = read_coding({"bits": bits, "rate": rate}, suffix)
            made = exports.make(studio.library.get(take).path, suffix, cut, coding, name)
            file = handed(made.path)
        except ExportRangeError as error:
            raise gr.Error(f"{LABELS[error.field]}: {error}", print_exception=False) from error
        except StudioError as error:
            raise gr.Error(str(error), print_exception=False) from error
        except OSError as error:
            raise gr.Error(str(disk_error(error, made.path)), print_exception=False) from error
        level = made.level
        return file, {**level.report, "said": level.sentence} if level else {}

    labels = {"take": "Take", "format": "Format", **LABELS}
    asked = {
        name: gr.Textbox("wav" if name == "format" else "", visible=False, label=label)
        for name, label in labels.items()
    }
    file, figures = gr.File(visible=False, label="Export"), gr.JSON(visible=False, label="Level")
    gr.Button(visible=False).click(
        export, None, [file, figures], inputs_kwargs=asked,
        api_name="export", concurrency_limit=MAX_CALLS, concurrency_id="callers",
    )  # fmt: skip
