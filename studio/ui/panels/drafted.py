"""A draft as the page fetches it: its sound, its picture, and its tokens."""

from __future__ import annotations

import io

import numpy as np
import soundfile as sf

from studio.core.events import Drafted
from studio.dsp.spectrogram import columns_png

TOKEN_ROW_PIXELS = 12


def sound(draft: Drafted) -> bytes:
    """The draft as a WAV."""
    file = io.BytesIO()
    sf.write(file, draft.samples, draft.sample_rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


def picture(draft: Drafted) -> bytes:
    """Its spectrogram as a PNG, drawn as that of a clip."""
    return columns_png(draft.columns)


def tokens(draft: Drafted) -> bytes:
    """The codebooks' tokens as a PNG: a row each, the first on top, a colour for each token."""
    shades = np.round(255 * draft.tokens / max(1, int(draft.tokens.max()))).astype(np.uint8)
    return columns_png(np.repeat(shades[::-1], TOKEN_ROW_PIXELS, axis=0).T)
