"""`longwave render dual`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import typer

from studio.cli import request as words
from studio.cli.common import AsJson, factories_of
from studio.cli.takes import ProgressBar, follow, report
from studio.core.request import POCKET_DRAFTS
from studio.core.settings import Settings
from studio.service.recording import read_recording

DEFAULTS = Settings()
KINDS = ("audiogen", "none")


def render_dual(
    context: typer.Context,
    prompt: words.Prompt = None,
    negative_prompt: words.NegativePrompt = None,
    seconds: words.Seconds = None,
    seed: words.Seed = None,
    out: words.Out = None,
    outputs: words.Outputs = DEFAULTS.outputs,
    preset: words.PresetName = None,
    model: words.Model = None,
    guidance: words.Guidance = None,
    acoustic_scale: words.AcousticScale = None,
    strength: words.Strength = None,
    steps: words.ClipSteps = None,
    draft: words.DraftKind = None,
    draft_model: words.DraftModel = None,
    draft_seed: words.DraftSeed = None,
    temperature: words.Temperature = None,
    top_k: words.TopK = None,
    attention: words.AttentionKind = None,
    device: words.DeviceOrNone = None,
    dtype: words.Dtype = None,
    as_json: AsJson = False,
) -> None:
    """A clip from a prompt and an acoustic draft of it (DC-LDM). Ctrl-C ends it and keeps nothing."""
    settings = replace(DEFAULTS, outputs=outputs)
    chosen = words.find_preset(preset, settings) if preset else None
    own = read_recording(Path(draft)) if draft and draft not in KINDS else None
    studio = factories_of(context).studio(settings)
    try:
        recorded = studio.put_by(own, draft_model or POCKET_DRAFTS) if own else None
        request = words.dual_request_from(context.params, chosen, recorded)
        with ProgressBar(request.duration_s, at_once=True) as show:
            job = studio.submit(request, out=out)
            outcome = follow(studio, job, show)
    finally:
        studio.close()
    report(job, outcome, as_json)
