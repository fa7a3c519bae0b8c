"""What is said in a take: the box below the prompt, what is told of it as one types, and what is said now."""

from __future__ import annotations

from collections import Counter
from html import escape

import gradio as gr

from studio.core.errors import InvalidRequestError
from studio.core.request import parse_request
from studio.ui.forms import Form
from studio.ui.widgets import HIDDEN
from studio.ui.words import words

NAMED_LINES = 3
_TOLD = '<p role="status" aria-live="polite" class="lw-script-told">{}</p>'
_NOW = '<p class="lw-script-now" hidden></p>'


def build(form: Form) -> None:
    """Lay it out where one is. The page's scripts show it while the model speaks."""
    tab, hidden = form.mode, "" if form.opens_with_words else " lw-hidden"
    with gr.Column(elem_id=f"{tab}-words", elem_classes=f"lw-words{hidden}"):
        say = form.put("say", lines=2, max_lines=8)
        told = gr.HTML(
            told_of(form.opening["say"]), elem_id=f"{tab}-say-told", apply_default_css=False, padding=False
        )
        gr.HTML(_NOW, elem_id=f"{tab}-say-now", apply_default_css=False, padding=False)
    say.change(told_of, say, told, trigger_mode="always_last", **HIDDEN)


def told_of(script: str | None) -> str:
    """What there is to tell of a script, as HTML."""
    return _TOLD.format(escape(describe(script)))


def describe(script: str | None) -> str:
    """How many sentences a script has and which of its lines are cut, or what is wrong with it; nothing of
    an empty one.
    """
    try:
        sentences = parse_request(prompt="x", speech={"text": script or ""}).speech.sentences
    except InvalidRequestError as error:
        return str(error)
    if not sentences:
        return ""
    count = len(sentences)
    told = [words.speech.one_sentence if count == 1 else words.speech.sentences.format(count=f"{count:,}")]
    cut = [(line, parts) for line, parts in Counter(one.line for one in sentences).items() if parts > 1]
    told += [words.speech.cut.format(line=line, count=parts) for line, parts in cut[:NAMED_LINES]]
    if len(cut) > NAMED_LINES:
        told.append(words.speech.more_cut.format(count=len(cut) - NAMED_LINES))
    return " ".join(told)
