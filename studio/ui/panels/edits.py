"""The panel that edits a finished take where it is played. Its script is `assets/page/edit.js`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import gradio as gr

from studio.core.edit import BEATS_A_BAR, LEAST_KEPT_S, Loop, Splice
from studio.core.errors import InvalidRequestError
from studio.core.events import Failed, Finished
from studio.service.edit_costs import Cost
from studio.service.edits import take_before
from studio.service.jobs.job import Job
from studio.service.takes.library import Library
from studio.service.takes.shelf import Take, id_of
from studio.service.takes.source import TakeOnDisk
from studio.ui.panels.cards import readable, source_of
from studio.ui.panels.offers import Offers
from studio.ui.panels.sets import duration
from studio.ui.widgets import picture_html
from studio.ui.words import words

MOST_CANDIDATES = 3
TEXT = words.edits
_PANEL = """
<div id="take-edit" class="lw-exporting lw-edit" role="dialog" aria-label="{title}" hidden>
  <form class="lw-export" data-least="{least:g}" data-beats="{beats}" novalidate>
    <h3 class="lw-edit-of"></h3>
    <div class="lw-edit-picture" hidden>{picture}</div>
    <label class="lw-edit-kind">{kind} <select name="kind"><option value="repaint">{repaint}</option>
      <option value="extend">{extend}</option><option value="loop">{loop}</option>
      <option value="splice">{splice}</option><option value="vary">{vary}</option></select></label>
    <label data-of="repaint loop">{from} <input name="start" size="6" placeholder="0:00"></label>
    <label data-of="repaint loop">{to} <input name="end" size="6"></label>
    <label data-of="repaint">{strength}
      <input name="strength" type="number" min="0" max="100" step="5" value="100"> %</label>
    <label data-of="extend">{left} <input name="left" type="number" min="0" step="0.5" value="0"> s</label>
    <label data-of="extend">{right} <input name="right" type="number" min="0" step="0.5" value="10"> s</label>
    <label data-of="loop">{bpm} <input name="bpm" type="number" min="20" max="400"></label>
    <label data-of="loop">{bars} <input name="bars" type="number" min="1" max="1000"></label>
    <label data-of="splice" class="lw-edit-other">{other} <select name="other"></select></label>
    <label data-of="splice">{leave} <input name="leave" size="6" placeholder="{leave_none}"></label>
    <label data-of="splice">{enter} <input name="enter" size="6" placeholder="0:00"></label>
    <label data-of="loop">{loop_bridge}
      <input name="loop_bridge" type="number" min="0.2" step="0.1" value="{loop_s:g}"> s</label>
    <label data-of="splice">{bridge}
      <input name="splice_bridge" type="number" min="0.2" step="0.1" value="{splice_s:g}"> s</label>
    <label data-of="vary">{share}
      <input name="share" type="number" min="0" max="100" step="5" value="30"> %</label>
    <label data-of="repaint extend splice loop" class="lw-edit-prompt">{prompt}
      <input name="prompt" maxlength="2000" placeholder="{prompt_none}"></label>
    <label data-of="repaint vary">{candidates} <select name="candidates">{numbers}</select></label>
    <p class="lw-edit-cost"></p>
    <p class="lw-edit-time"></p>
    <progress max="1" value="0" aria-label="{title}" hidden></progress>
    <p class="lw-told" role="status" aria-live="polite"></p>
    <button type="submit" class="lw-edit-begin">{begin}</button>
    <button type="button" class="lw-edit-stop lw-quiet" hidden>{stop}</button>
    <button type="button" class="lw-edit-before lw-quiet" hidden>{before}</button>
    <button type="button" class="lw-edit-after lw-quiet" hidden>{after}</button>
    <button type="button" class="lw-edit-close lw-quiet">{close}</button>
    <ul class="lw-edit-made"></ul>
  </form>
  <form class="lw-export lw-markers" novalidate>
    <h3>{markers}</h3>
    <label class="lw-edit-prompt">{label}
      <input name="label" maxlength="200" placeholder="{label_none}"></label>
    <button type="submit" class="lw-mark">{mark}</button>
    <p class="lw-told" role="status" aria-live="polite"></p>
    <ul class="lw-edit-made"></ul>
  </form>
</div>
"""
_ATTACH = """
import(new URL('page/edit.js', document.baseURI)).then(({ editor }) => editor.attach(element));
"""


def build() -> gr.HTML:
    """Lay it out, once a page, beside the transport."""
    numbers = "".join(f"<option>{number}</option>" for number in range(1, MOST_CANDIDATES + 1))
    texts = vars(words.edits) | {"numbers": numbers, "stop": words.form.stop}
    texts["picture"] = picture_html("data-whole", words.edits.picture, "")
    bridges = {
        "loop_s": Loop.model_fields["bridge_s"].default,
        "splice_s": Splice.model_fields["bridge_s"].default,
        "least": LEAST_KEPT_S,
        "beats": BEATS_A_BAR,
    }
    return gr.HTML(
        html_template=_PANEL.format(**texts, **bridges),
        js_on_load=_ATTACH,
        apply_default_css=False,
        elem_id="edits",
    )


def told(job: Job, library: Library, offers: Offers, known: int = 0) -> dict[str, Any]:
    """How an edit stands, for the page; and its candidates after the first `known`, in their order."""
    ended = job.ended  # looked at first: then all of its outcomes are there
    outcomes, count = list(job.outcomes), 1 + len(job.others)
    made = [
        _candidate(number, outcome, library, offers)
        for number, outcome in enumerate(outcomes[known:], known + 1)
    ]
    if ended:
        there = sum(map(_is_whole, outcomes))
        phase = "done" if there == count else "failed"
        return {"phase": phase, "share": 1.0, "said": _concluded(job, outcomes, there, count), "made": made}
    share = (len(outcomes) + job.share) / count
    said = TEXT.waits
    if job.status != "queued":
        text = TEXT.making if count == 1 else TEXT.making_of
        number = min(len(outcomes) + 1, count)
        said = text.format(share=f"{share:.0%}", number=number, count=count)
    return {
        "phase": "waiting" if job.status == "queued" else "making",
        "share": share,
        "said": said,
        "made": made,
    }


def _is_whole(outcome: Finished | Failed) -> bool:
    return isinstance(outcome, Finished) and outcome.path is not None and not outcome.stopped


def _candidate(number: int, outcome: Finished | Failed, library: Library, offers: Offers) -> dict[str, Any]:
    """One as it is played, with a token for a strip, where it was made and lies in the Library yet."""
    if outcome.path is not None and _is_whole(outcome):
        with suppress(InvalidRequestError):
            take = library.get(id_of(outcome.path))
            return {"number": number, "source": edited_source(take) | {"token": offers.offer(outcome.path)}}
    return {"number": number}


def _concluded(job: Job, outcomes: Sequence[Finished | Failed], there: int, count: int) -> str:
    """What came of an edit, by name: what is there, and why what is not."""
    take = job.edit.takes[0] if job.edit is not None else None
    name = take.record.name if isinstance(take, TakeOnDisk) else ""
    said = []
    if there == count:
        said.append((TEXT.done_one if count == 1 else TEXT.done_many).format(count=count, name=name))
    elif there:
        said.append(
            (TEXT.part_one if there == 1 else TEXT.part_many).format(made=there, count=count, name=name)
        )
    failed = [(number, one) for number, one in enumerate(outcomes, 1) if isinstance(one, Failed)]
    alone = isinstance(job.outcome, Failed) and not outcomes
    if alone or (count == 1 and failed):
        said.append(getattr(job.outcome, "message", ""))
    else:
        said += [TEXT.not_made.format(number=number, why=one.message) for number, one in failed]
    if job.cancel.is_set() and there < count:
        said.append(TEXT.stopped)
    return " ".join(said)


def told_of_cost(cost: Cost) -> dict[str, Any]:
    """What an edit will take, in words; `more`: that is being found out."""
    if cost.time_s is None:
        said = {"trying": TEXT.time_trying, "busy": TEXT.time_busy}.get(cost.unknown, TEXT.time_unloaded)
        return {"said": said, "more": cost.unknown == "trying"}
    text = TEXT.time if cost.memory_mb is None else TEXT.time_memory
    size = readable(round(max(1.0, cost.memory_mb or 0.0) * 2**20))
    return {"said": text.format(time=duration(cost.time_s), size=size), "more": False}


def edited_source(take: Take) -> dict[str, Any]:
    """A take as the transport plays it, and which seconds of it are new."""
    edit = take.record.take.edit if take.record.take else None
    rate = take.about.sample_rate
    made = [[start / rate, stop / rate] for start, stop in edit.made] if edit else []
    return {**source_of(take), "madeS": made}


def before(library: Library, take_id: str) -> dict[str, Any]:
    """What a take was made of, as the transport plays it; None where it was made of none that is there."""
    found = take_before(library, library.get(take_id))
    return {"source": None if found is None else edited_source(found)}
