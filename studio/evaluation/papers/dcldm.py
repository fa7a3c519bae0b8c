"""DC-LDM's tables: which conditions, where and how they are heard, and other systems beside it (§4)."""

from __future__ import annotations

from collections.abc import Mapping

from studio.backends.registry import SystemSpec
from studio.core.paper import DC_LDM
from studio.evaluation.papers.rows import Row
from studio.evaluation.papers.settings import Asked, clip, dual

PLACEMENTS = {
    "down1": "CA-DOWN-#1", "mid": "CA-MID", "up1": "CA-UP-#1", "down1+up1": "CA-DOWN-#1 & CA-UP-#1",
}  # fmt: skip
ENCODINGS = {"AG": "AG", "AG_VAE": "AG+VAE"}
ALONE = {"ag": "LDM w/ AG", "ag_vae": "LDM w/ AG+VAE"}
BEST = "down1+up1:AG"
SCALES = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)  # Figure 2's text names w = 4 alone
BESIDE = {
    "diffsound": "DiffSound", "audioldm": "AudioLDM", "audioldm2": "AudioLDM 2", "magnet": "MAGNET",
    "audiogen": "AudioGen", "tango": "TANGO", "dcldm": "DC-LDM",
}  # fmt: skip
ELSEWHERE = ("diffsound", "magnet")  # no loader here
RUNNING = tuple(slot for slot in BESIDE if slot not in ELSEWHERE)
BRANCHES = tuple(f"{place}:{heard}" for heard in ENCODINGS for place in PLACEMENTS)
SLOTS = (*RUNNING, *ALONE, *BRANCHES)
UNTRAINED = (
    "no such checkpoint: train one with `longwave train dcldm --placement {}` and give it as --with {}=FOLDER"
)
UNSAID = (
    "The paper names no steps: TANGO's 200 are taken.",
    "The paper's Figure 2 names no scales but w = 4, its best.",
)


def rows(number: int, models: Mapping[str, str], specs: Mapping[str, SystemSpec], asked: Asked) -> list[Row]:
    """The rows of a table.

    Args:
        number: 1 or 2.
        models: the checkpoint of each of `SLOTS`; whatever has none is a row that is not run.
        specs: their systems, but for `audiogen`'s, which makes no takes.
        asked: otherwise than by the paper.
    """
    return _conditions(models, specs, asked) if number == 1 else _beside(models, specs, asked)


def _conditions(models: Mapping[str, str], specs: Mapping[str, SystemSpec], asked: Asked) -> list[Row]:
    out = [_text("t5", "LDM w/ T5 (TANGO)", "tango", models, specs, asked)]
    out += [_heard(slot, label, models, specs, asked) for slot, label in ALONE.items()]
    for encoding, heard in ENCODINGS.items():
        for place, where in PLACEMENTS.items():
            label = f"DC-LDM w/ T5 & {heard} ({where})"
            out.append(_heard(f"{place}:{encoding}", label, models, specs, asked))
    return out


def _beside(models: Mapping[str, str], specs: Mapping[str, SystemSpec], asked: Asked) -> list[Row]:
    out = [Row("truth", "Ground truth", makes="recordings")]
    for slot, label in BESIDE.items():
        if slot in ELSEWHERE:
            why = f"{label} does not run here: give its clips to `longwave eval folder`"
            out.append(Row(slot, label, why_not=why))
            continue
        if slot == "audiogen":
            why = "" if slot in models else "no AudioGen was given"
            out.append(
                Row(
                    slot,
                    label,
                    models.get(slot, ""),
                    {"duration_s": asked.usual_s(DC_LDM)},
                    makes="drafts",
                    why_not=why,
                )
            )
        elif slot == "dcldm":
            out.append(_heard(slot, label, models, specs, asked))
        else:
            out.append(_text(slot, label, slot, models, specs, asked))
    return out


def guided(models: Mapping[str, str], specs: Mapping[str, SystemSpec], asked: Asked) -> list[Row]:
    """Figure 2: the DC-LDM at each guidance scale."""
    settings = dual(specs["dcldm"], asked, models["audiogen"])
    return [
        Row(f"w={scale:g}", f"w = {scale:g}", models["dcldm"], {**settings, "guidance_scale": scale})
        for scale in asked.scales or SCALES
    ]


def _text(
    key: str, label: str, slot: str, models: Mapping[str, str], specs: Mapping[str, SystemSpec], asked: Asked
) -> Row:
    if slot not in models:
        return Row(key, label, why_not=f"no model was given: give one as --with {slot}=MODEL")
    return Row(key, label, models[slot], clip(specs[slot], asked))


def _heard(
    slot: str, label: str, models: Mapping[str, str], specs: Mapping[str, SystemSpec], asked: Asked
) -> Row:
    if slot not in models:
        placement = "context" if slot in ALONE else slot.partition(":")[0]
        return Row(slot, label, why_not=UNTRAINED.format(placement, slot))
    if "audiogen" not in models:
        return Row(slot, label, why_not="no AudioGen was given")
    return Row(slot, label, models[slot], dual(specs[slot], asked, models["audiogen"]))
