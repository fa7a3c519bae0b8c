"""Sets of takes, as the page shows them: what one would be, how each stands, its rows, what its ZIP holds."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import gradio as gr

from studio.core.audio import format_time
from studio.core.binding import Values
from studio.core.errors import InvalidRequestError, StudioError
from studio.core.modes import MODES
from studio.core.preset import named_preset
from studio.service.batch.asked import Reading, no_files
from studio.service.batch.manifest import parse_manifest
from studio.service.batch.plans import MAX_ROWS, Plan
from studio.service.batch.rows import Fingerprint, Row, row_of
from studio.service.batch.standing import Look, Summary
from studio.service.studio import Studio
from studio.service.takes.naming import slug
from studio.ui.callers import client_of
from studio.ui.forms import read_form
from studio.ui.panels.batches import varied
from studio.ui.panels.cards import counted, readable
from studio.ui.words import words

TEXT = words.sets
MOST = 500  # variations of one form
USUAL = 20
_ATTACH = "import(new URL('page/sets.js', document.baseURI)).then(({ sets }) => sets.attach(element));"
_ATTACH_ASK = """
import(new URL('page/make_set.js', document.baseURI))
  .then(page => page.attach('%s', element, props, watch, trigger));
"""
_ASK = f"""
<div class="lw-set-ask" role="group" aria-label="{TEXT.make}" hidden>
  <label>{TEXT.how_many} <input type="number" min="2" max="{MOST}" value="{USUAL}" step="1"></label>
  <p role="status"></p>
  <button type="button" class="lw-set-begin">{TEXT.begin}</button>
  <button type="button" class="lw-set-close lw-quiet">{TEXT.close}</button>
</div>
"""
_TAB = f"""
<div class="lw-sets">
  <section class="lw-sheet" aria-labelledby="sets-sheet">
    <h2 id="sets-sheet">{TEXT.from_sheet}</h2>
    <p class="lw-set-hint">{TEXT.sheet_hint}
      <a href="sets/example.csv" download>{TEXT.example}</a></p>
    <label class="lw-sheet-drop"><input type="file" accept=".csv,.jsonl,.txt,text/csv">
      <span>{TEXT.drop}</span></label>
    <div class="lw-sheet-read" hidden>
      <label>{TEXT.name} <input type="text" maxlength="100"></label>
      <button type="button" class="lw-sheet-begin">{TEXT.begin}</button>
      <button type="button" class="lw-sheet-clear lw-quiet">{TEXT.clear}</button>
    </div>
    <p class="lw-sheet-said" role="status"></p>
  </section>
  <p class="lw-none lw-sets-none">{TEXT.none}</p>
  <div class="lw-sets-there" hidden>
    <nav aria-label="{TEXT.all}"><ul></ul></nav>
    <section class="lw-set" aria-labelledby="sets-name" tabindex="-1">
      <header><h2 id="sets-name"></h2><p class="lw-set-told"></p></header>
      <progress aria-labelledby="sets-name" max="1" value="0"></progress>
      <p class="lw-set-news" role="status"></p>
      <div class="lw-set-does">
        <button type="button" data-do="stop">{words.form.stop}</button>
        <button type="button" data-do="go">{TEXT.go_on}</button>
        <button type="button" data-do="retry">{TEXT.retry_all}</button>
        <a class="lw-set-zip" download>{TEXT.zip}</a>
        <label>{TEXT.show} <select><option value="">{TEXT.show_all}</option>
          <option value="done">{TEXT.show_done}</option><option value="failed">{TEXT.show_failed}</option>
          <option value="waiting">{TEXT.show_waiting}</option></select></label>
      </div>
      <div class="lw-set-rows" role="region" aria-label="{TEXT.table}" tabindex="-1">
        <table><caption class="lw-unseen">{TEXT.table}</caption><thead><tr>
          <th scope="col">{TEXT.number}</th><th scope="col">{TEXT.sound}</th>
          <th scope="col">{TEXT.length}</th><th scope="col">{TEXT.seed}</th>
          <th scope="col">{TEXT.stands}</th><th scope="col"><span class="lw-unseen">{TEXT.actions}</span></th>
        </tr></thead><tbody></tbody></table>
      </div>
      <div class="lw-set-pages" role="group" aria-label="{TEXT.pages}" hidden>
        <button type="button" data-page="-1">{TEXT.before}</button><span></span>
        <button type="button" data-page="1">{TEXT.after}</button>
      </div>
    </section>
  </div>
</div>
"""


def build() -> None:
    """Lay the tab out where one is; its script asks for everything that it shows."""
    gr.HTML(html_template=_TAB, js_on_load=_ATTACH, apply_default_css=False, elem_id="sets")


def build_ask(tab: str) -> gr.HTML:
    """Lay out where a tab's form asks for many takes of one kind; bound once all fields are there."""
    return gr.HTML(
        html_template=_ASK, js_on_load=_ATTACH_ASK % tab, apply_default_css=False, elem_id=f"{tab}-set"
    )


def asked(studio: Studio, mode: str, event: Mapping[str, Any], values: Values) -> dict[str, Any]:
    """What the form is told: what the set would be, or (`id`) that it is begun, or why there is none."""
    number = {"asked": event.get("asked", 0)}
    try:
        rows = rows_of_form(studio, mode, event.get("count"), values)
        if event.get("action") != "begin":
            # Strangers would load models by asking what they take.
            again = bool(event.get("again"))  # one that was told so asks how that ended
            trying = studio.settings.trusted and studio.sets.try_out([] if again else rows)
            said = told_of_plan(studio.sets.plan(rows), rows, trying=trying)
            return {**number, "said": said, "more": trying}
        return {**number, "id": studio.sets.begin(rows, "", client_of())}
    except StudioError as error:
        return {**number, "wrong": str(error)}


def rows_of_form(studio: Studio, mode: str, count: Any, values: Values) -> list[Row]:
    """So many rows of what a form asks for, each with a seed of its own.

    Raises:
        InvalidRequestError: no such number, or what is wrong with the form.
        OutOfResourcesError: the disk is full.
    """
    if not isinstance(count, int) or not 2 <= count <= MOST:
        raise InvalidRequestError(TEXT.wrong_count.format(most=MOST))
    if values.get("continue_from"):
        raise InvalidRequestError(words.takes.no_variations_of_audio)
    request = read_form(mode, {**values, "endless": False}, studio)
    seeded = str(values.get("seed") or "").strip() not in ("", "-1", "\N{MINUS SIGN}1")
    requests = varied(request, count, seeded=seeded)
    fingerprint = studio.sets.fingerprint(request.model)  # reads the weights' files: once
    return [row_of(one, lambda _: fingerprint, line=line) for line, one in enumerate(requests, 1)]


def rows_of_sheet(studio: Studio, sheet: bytes) -> list[Row]:
    """The rows that a sheet asks for, CSV or JSONL: a page's own, so it names no files of the studio's disk.

    Raises:
        InvalidRequestError: it is no text, or names the lines at fault.
    """
    settings, fingerprint = studio.settings, studio.sets.fingerprint
    reading = Reading(
        studio.defaults_of, fingerprint, lambda name: named_preset(name, settings.presets), no_files
    )
    try:
        text = sheet.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequestError(TEXT.sheet_encoding) from error
    where = {"device": settings.device, "dtype": settings.dtype}
    rows = parse_manifest(text, reading, most=MAX_ROWS)
    known = cache(fingerprint)
    return [_placed(row, where, known) for row in rows]


def _placed(row: Row, where: dict[str, str], fingerprint: Fingerprint) -> Row:
    """The row where this studio makes its takes, unless it says where itself."""
    own = row.request.model
    unsaid = {name: value for name, value in where.items() if getattr(own, name) == "auto" != value}
    if not unsaid:
        return row
    request = row.request.model_copy(update={"model": own.model_copy(update=unsaid)})
    return row_of(request, fingerprint, line=row.line, name=row.name)


def told_of_plan(plan: Plan, rows: list[Row], *, trying: bool = False) -> str:
    """What a set would be, in words; `trying`: how long it takes is being found out."""
    lengths = {row.request.duration_s or 0.0 for row in rows}
    takes = counted(plan.takes)
    if len(lengths) == 1:
        takes = TEXT.alike.format(takes=takes, length=format_time(lengths.pop()))
    time = TEXT.time_trying if trying else TEXT.time_unknown
    if plan.time_s is not None:
        time = TEXT.time.format(time=duration(plan.time_s))
    return TEXT.plan.format(
        takes=takes, sound=format_time(plan.sound_s), time=time,
        size=readable(plan.size), free=readable(plan.free),
    )  # fmt: skip


def duration(seconds: float) -> str:
    """About how long, as one says it."""
    if seconds < 90:
        return TEXT.seconds.format(count=max(1, round(seconds)))
    if seconds < 5400:
        return TEXT.minutes.format(count=round(seconds / 60))
    return TEXT.hours.format(count=f"{seconds / 3600:.1f}")


def summary_of(one: Summary) -> dict[str, Any]:
    """How a set stands, for the page."""
    return {
        "id": one.id,
        "name": one.about.name,
        "phase": one.phase,
        "made": one.made,
        "failed": one.failed,
        "count": one.about.rows,
        "created": one.about.created[:16].replace("T", " "),
        "told": told(one),
        "said": one.said,
    }


def told(one: Summary) -> str:
    """How a set stands, in words."""
    parts = [TEXT.made_of.format(made=f"{one.made:,}", count=f"{one.about.rows:,}")]
    if one.failed:
        parts.append(TEXT.failed_count.format(count=f"{one.failed:,}"))
    if one.phase == "waiting":
        parts.append(TEXT.waits)
    elif one.phase == "stopped":
        parts.append(TEXT.stopped)
    elif one.left_s is not None:
        parts.append(TEXT.left.format(time=duration(one.left_s)))
    return " · ".join(parts)


def rows_of(look: Look, only: str, first: int, most: int) -> tuple[list[dict[str, Any]], int]:
    """Rows of a set as the page shows them, from the one at place `first` on, and how many there are; `only`
    those that stand so, or all.
    """
    numbered = [(number, row, look.of(row)) for number, row in enumerate(look.rows, 1)]
    wanted = [one for one in numbered if only in ("", one[2]) or (only == "waiting" and one[2] == "making")]
    return [_row(look, *one) for one in wanted[first : first + most]], len(wanted)


def _row(look: Look, number: int, row: Row, phase: str) -> dict[str, Any]:
    error = look.folder.error_of(row.id) if phase == "failed" else None
    return {
        "number": number,
        "id": row.id,
        "name": row.name or row.request.prompt,
        "length_s": row.request.duration_s,
        "seed": str(row.request.seed),
        "mode": row.request.mode,
        "tab": MODES[row.request.mode].title,
        "phase": phase,
        "said": error.sentence if error else "",
    }


def zipped(look: Look) -> Iterator[tuple[str, Path | bytes]]:
    """What goes into a set's ZIP: its sounds by names that say what they are, and a sheet of them."""
    sheet = io.StringIO()
    lines = csv.writer(sheet)
    lines.writerow(["file", "prompt", "seconds", "seed", "error"])
    digits = len(str(len(look.rows)))
    for number, row in enumerate(look.rows, 1):
        phase, name, request = look.of(row), "", row.request
        sound = look.folder.found(row.id) if phase == "done" else None
        if sound is not None:
            name = f"{number:0{digits}d}_{slug(row.name or request.prompt, 60)}_s{request.seed}{sound.suffix}"
            yield name, sound
        error = look.folder.error_of(row.id) if phase == "failed" else None
        said = error.sentence if error else ""
        lines.writerow([name, _cell(request.prompt), request.duration_s, request.seed, said])
    yield "set.csv", sheet.getvalue().encode("utf-8-sig")


def _cell(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text


def size_of(look: Look) -> int:
    """The bytes of a set's sounds."""
    sounds = (look.folder.found(row.id) for row in look.rows if look.of(row) == "done")
    return sum(sound.stat().st_size for sound in sounds if sound is not None)
