"""Under which licences the weights are that a kit was made with, as a text for whoever gets it."""

from __future__ import annotations

import textwrap
from datetime import datetime

from studio import __version__
from studio.core.request import GenerationRequest

FILE = "LICENCES.txt"
_WIDTH = 88
UNKNOWN = "not known to Longwave: look where the model was got from"


def licence_in_words(model_id: str) -> str:
    """The licence of a model's weights, as far as the catalog states one."""
    from studio.backends.catalog import licence_of

    return licence_of(model_id) or UNKNOWN


def licences(request: GenerationRequest, created: datetime) -> str:
    """The text of a kit that was made of a request."""
    from studio.backends.catalog import MODELS

    row = next((model for model in MODELS if model.id == request.model.id), None)
    title = row.title if row is not None else request.model.id
    paragraphs = [
        f"The sounds of this kit were made on {created:%Y-%m-%d} by Longwave {__version__} from the words "
        f"“{request.prompt}”. No recording of anybody's is among them.",
        f"Model: {title} ({request.model.id})",
        f"Licence of its weights: {licence_in_words(request.model.id)}",
    ]
    if row is not None and row.note:
        paragraphs.append(f"About the model: {row.note}")
    if "NC" in licence_in_words(request.model.id):
        paragraphs.append(
            "NC in a licence stands for non-commercial: read it before you sell anything that was made with "
            "these weights."
        )
    paragraphs.append("Licence of Longwave itself: Apache-2.0. It claims nothing in the sounds.")
    return "\n\n".join(textwrap.fill(one, _WIDTH, break_long_words=False) for one in paragraphs) + "\n"
