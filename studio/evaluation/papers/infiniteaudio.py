"""InfiniteAudio's tables: strategies of curved denoising, step counts, and lengths (§3)."""

from __future__ import annotations

from collections.abc import Mapping

from studio.backends.registry import SystemSpec
from studio.evaluation.papers.rows import Row
from studio.evaluation.papers.settings import Asked, endless, joined
from studio.evaluation.papers.settings import clip as clip_of

SYSTEMS = {"audioldm": "AudioLDM", "voiceldm": "VoiceLDM"}
STRATEGIES = {
    "equal": "Equally spaced",
    "middle": "Middle focused",
    "last": "Last focused",
    "initial": "Initial focused",
}
CHOSEN = {"audioldm": "last", "voiceldm": "initial"}  # "(Ours)" in Table 1
STEP_COUNTS = (200, 250)  # Table 2: equally spaced, none left out
VARIOUS_S = (10.0, 20.0)  # Table 3: "varying lengths, ranging from 10 to 20 seconds"
FIGURE_LENGTHS_S = (10.0, 20.0, 40.0, 80.0)
UNSAID = (
    "The paper states neither N, P nor the buffer: N = 100 and P = 2 are 67 steps, with 8 frames of buffer "
    "its window of about 3 s.",
    "The paper names neither guidance nor steps of its baselines: those of their authors are taken.",
)


def rows(number: int, models: Mapping[str, str], specs: Mapping[str, SystemSpec], asked: Asked) -> list[Row]:
    """The rows of a table.

    Args:
        number: 1, 2 or 3.
        models: the checkpoint of `audioldm` and of `voiceldm`; a system without one is left out.
        specs: their systems.
        asked: otherwise than by the paper.
    """
    made = {1: _strategies, 2: _step_counts, 3: _lengths}[number]
    return made(models, specs, asked)


def _strategies(models: Mapping[str, str], specs: Mapping[str, SystemSpec], asked: Asked) -> list[Row]:
    out = [Row("truth", "Ground truth", makes="recordings")]
    for system, title in SYSTEMS.items():
        if system not in models:
            out.append(Row(f"{system}/base", title, why_not=f"no model was given for {title}"))
            continue
        model, spec = models[system], specs[system]
        out.append(Row(f"{system}/base", title, model, clip_of(spec, asked)))
        for strategy, name in STRATEGIES.items():
            label = f"{title} w/ {name} timesteps{' (Ours)' if CHOSEN[system] == strategy else ''}"
            out.append(Row(f"{system}/{strategy}", label, model, endless(spec, asked, strategy)))
    return out


def _step_counts(models: Mapping[str, str], specs: Mapping[str, SystemSpec], asked: Asked) -> list[Row]:
    """Of VoiceLDM in the paper; of AudioLDM where that is the model that was given."""
    system = "voiceldm" if "voiceldm" in models else "audioldm"
    model, spec = models[system], specs[system]
    out = [
        Row(
            f"{system}/equal-{count}",
            f"{SYSTEMS[system]} w/ {count} equally spaced steps",
            model,
            endless(spec, asked, "equal", base_steps=count, skip_factor=1),
        )
        for count in STEP_COUNTS
    ]
    strategy = CHOSEN[system]
    return [*out, Row(f"{system}/{strategy}", "InfiniteAudio", model, endless(spec, asked, strategy))]


def _lengths(models: Mapping[str, str], specs: Mapping[str, SystemSpec], asked: Asked) -> list[Row]:
    system = "audioldm" if "audioldm" in models else "voiceldm"
    model, spec, strategy = models[system], specs[system], CHOSEN[system]
    various = asked.lengths(VARIOUS_S)
    between = min(various), max(various)
    return [
        Row(f"{system}/fix", f"Fix, {between[0]:g} s", model, endless(spec, asked, strategy, between[0])),
        Row(
            f"{system}/various", f"Various, {between[0]:g} to {between[1]:g} s", model,
            endless(spec, asked, strategy), lengths_s=between,
        ),
        Row(
            f"{system}/joined", "Clips of the model's own length joined, likewise", model,
            joined(spec, asked, between[1]), lengths_s=between,
        ),
    ]  # fmt: skip
