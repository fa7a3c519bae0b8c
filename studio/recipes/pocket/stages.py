"""All recipes by name, and all in a row."""

from __future__ import annotations

from collections.abc import Callable

from studio.recipes.pocket.audioldm import (
    PocketOptions,
    run_clap,
    run_clap_scenes,
    run_classifier,
    run_unet,
    run_vae,
    run_vocoder,
    write_index,
)
from studio.recipes.pocket.audioldm2 import run_audioldm2, run_t5
from studio.recipes.pocket.dual import run_audiogen, run_dcldm, run_encodec, run_tango


def run_pocket(options: PocketOptions) -> None:
    """Everything, in the order in which the parts need each other; ends with folders that diffusers opens."""
    for recipe in (run_vae, run_clap, run_classifier, run_vocoder, run_unet):
        recipe(options)
    write_index(options.audioldm)
    run_t5(options)
    run_audioldm2(options)
    run_encodec(options)
    run_audiogen(options)
    run_tango(options)
    run_dcldm(options)


RECIPES: dict[str, Callable[[PocketOptions], None]] = {
    "vae": run_vae,
    "vocoder": run_vocoder,
    "clap": run_clap,
    "clap-scenes": run_clap_scenes,
    "unet": run_unet,
    "judge": run_classifier,
    "t5": run_t5,
    "audioldm2": run_audioldm2,
    "encodec": run_encodec,
    "audiogen": run_audiogen,
    "tango": run_tango,
    "pocket-dcldm": run_dcldm,
    "pocket": run_pocket,
}
