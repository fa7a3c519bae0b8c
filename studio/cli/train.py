"""`longwave train corpus`, and `longwave train RECIPE` for each network of the pocket models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from studio.cli.common import Device
from studio.core.errors import InvalidRequestError
from studio.core.settings import data_dir

train_commands = typer.Typer(help="Make the pocket models again: every recipe resumes where it was left.")

POCKET_FOLDER = data_dir("assets") / "pocket"
RECIPES = {
    "judge": "The judge: a classifier of the corpus's families.",
    "vae": "Recipe 1: the autoencoder of log-mels.",
    "vocoder": "Recipe 2: log-mel to waveform.",
    "clap": "Recipe 3: the caption and audio towers, and their tokenizer.",
    "unet": "Recipe 4: the diffusion network, half of its batches on FIFO ramps.",
    "t5": "Recipe 6: the T5 encoder that AudioLDM2 and TANGO read, distilled from the caption tower.",
    "audioldm2": "Recipe 7: AudioLDM2's U-Net, with its GPT-2, begun from AudioLDM's.",
    "encodec": "Recipe 8: the EnCodec whose tokens AudioGen speaks; needs the audiocraft group.",
    "audiogen": "Recipe 9: the AudioGen language model; needs the audiocraft group.",
    "tango": "Recipe 10: TANGO's U-Net, begun from AudioLDM's.",
    "pocket": "All recipes, one after the other, up to the folder that ships.",
}


@train_commands.command()
def corpus(
    preview: Annotated[Path, typer.Option(metavar="DIR", help="Where samples and their sheet go.")],
    seed: Annotated[int, typer.Option(min=0, help="The first clip's seed.")] = 0,
) -> None:
    """Write sample files of the procedural corpus and one sheet of their spectrograms."""
    from studio.training.corpus.preview import write_preview

    typer.echo(str(write_preview(preview, seed)[-1]))


def _command(name: str) -> Callable[..., None]:
    """The command of one recipe: they differ in nothing but the name."""

    def train(
        runs: Annotated[Path, typer.Option(help="Corpus, checkpoints and logs.")] = Path("runs"),
        out: Annotated[
            Path, typer.Option(help="Where models go; what is there is gone on from.")
        ] = POCKET_FOLDER,
        device: Device = "auto",
        max_minutes: Annotated[
            float | None, typer.Option(min=0, help="Stop then; the same command goes on later.")
        ] = None,
        scale: Annotated[float, typer.Option(help="Stretches the recipe: 0.01 is a dry run.")] = 1.0,
    ) -> None:
        if not 0 < scale <= 100:
            raise InvalidRequestError("--scale lies above 0, up to 100; 1 is the shipped recipe.")
        from studio.backends.device import choose_device
        from studio.training.pocket import PocketOptions
        from studio.training.recipes import RECIPES as RUN

        RUN[name](PocketOptions(runs, out, str(choose_device(device)), max_minutes, scale))

    return train


for _name, _summary in RECIPES.items():
    train_commands.command(_name, help=_summary)(_command(_name))
