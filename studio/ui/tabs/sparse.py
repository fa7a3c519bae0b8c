"""The tab "Sparse": a clip of a set length in one piece, its attention as sparse as one likes."""

from __future__ import annotations

from collections.abc import Sequence

from studio.backends.catalog import ModelInfo
from studio.evaluation.tagging import AudioTagger
from studio.service.compare import methods
from studio.service.studio import Studio
from studio.ui.forms import Form, read_form
from studio.ui.panels import attention, compare
from studio.ui.tabs.layout import STEP_GAUGE, Inside, Own, lay_out, length_buttons
from studio.ui.tabs.take_tab import Shared, TakeHandlers, TakeTab

TAB = "sparse"
LENGTHS = (10, 20, 40, 80)
EXAMPLES = ("ocean waves, birds far away", "steady rain on a roof", "an engine idling", "a warm evolving pad")


def build(shared: Shared, models: Sequence[ModelInfo]) -> TakeTab:
    """Lay the tab out and bind it to the service; call inside a `gr.Tab`. Gives what other tabs need."""
    studio = shared.studio

    def inside(parts: Inside) -> None:
        attention.build(studio, TAB, parts.picture, parts.job_id)
        if studio.settings.trusted:  # its takes are served from the folder of everybody's
            compare.build_methods(studio, parts.form, compared(studio), AudioTagger(studio.settings.assets))

    own = Own(EXAMPLES, _sound, _engine, _expert, inside, gauges=STEP_GAUGE)
    form = Form(TAB, studio.settings, models, studio.defaults_of)
    return lay_out(form, TakeHandlers(shared, TAB), studio.settings, own).tab


def compared(studio: Studio) -> compare.Wanted:
    """The takes to compare, of the form's values."""
    return lambda values: methods(read_form(TAB, values, studio))


def _sound(form: Form) -> None:
    form.put("duration_s")
    length_buttons(form, LENGTHS)
    form.put("guidance_scale", "speech_scale", min_width=80)
    form.put("negative_prompt", lines=1, max_lines=3)
    form.put("seed")


def _engine(form: Form) -> None:
    form.put("attention", "steps", "model", "passes", "pause_s")


def _expert(form: Form) -> None:
    form.row("ratio", "sampling", min_width=120)
    form.row("focus", "compensation", min_width=120)
    form.row("merged", "blocks", min_width=120)
