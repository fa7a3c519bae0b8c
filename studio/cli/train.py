"""`longwave train corpus`, and `longwave train RECIPE` for each network of the pocket models."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import Annotated

import typer

from studio.cli.common import Device, require_recipes, terminal
from studio.core.draft import POCKET_DRAFTS
from studio.core.errors import InvalidRequestError
from studio.core.settings import Settings, data_dir

train_commands = typer.Typer(help="Make the pocket models again: every recipe resumes where it was left.")

POCKET_FOLDER = data_dir("assets") / "pocket"
RECIPES = {
    "judge": "The judge: a classifier of the corpus's families.",
    "vae": "Recipe 1: the autoencoder of log-mels.",
    "vocoder": "Recipe 2: log-mel to waveform.",
    "extension": "Recipe 2b: what lies above 8 kHz; needs Debian's sonic-pi-samples.",
    "clap": "Recipe 3: the caption and audio towers, and their tokenizer.",
    "clap-scenes": "Recipe 3b: a caption tower that is there already learns what two sounds mean together.",
    "unet": "Recipe 4: the diffusion network, half of its batches on FIFO ramps.",
    "guidance": "Recipe 4b: guidance folded into the U-Net, which is then asked once a step, not twice.",
    "audioldm": "The index of the AudioLDM folder, once its parts are there.",
    "t5": "Recipe 6: the T5 encoder that AudioLDM2 and TANGO read, distilled from the caption tower.",
    "audioldm2": "Recipe 7: AudioLDM2's U-Net, with its GPT-2, begun from AudioLDM's.",
    "encodec": "Recipe 8: the EnCodec whose tokens AudioGen speaks; needs the audiocraft group.",
    "audiogen": "Recipe 9: the AudioGen language model; needs the audiocraft group.",
    "tango": "Recipe 10: TANGO's U-Net, begun from AudioLDM's.",
    "pocket-dcldm": "Recipe 11: the pocket DC-LDM, of AudioGen's drafts; needs audiocraft.",
    "ldm-ag": "The paper's LDM w/ AG: reads AudioGen's draft, no text; begun from TANGO, needs audiocraft.",
    "ldm-ag-vae": "The paper's LDM w/ AG+VAE: the draft's sound through the VAE; needs audiocraft.",
    "voice-vocoder": "Recipe 2b: VoiceLDM's vocoder, begun from recipe 2's; it hears synthesised speech too.",
    "voiceldm": "Recipe 12: VoiceLDM, which speaks; begun from AudioLDM's U-Net, of synthesised speech.",
    "pocket": "From nothing to what ships: all recipes in the order in which they need each other.",
}


@train_commands.command()
def corpus(
    preview: Annotated[Path, typer.Option(metavar="DIR", help="Where samples and their sheet go.")],
    seed: Annotated[int, typer.Option(min=0, help="The first clip's seed.")] = 0,
) -> None:
    """Write sample files of the procedural corpus and one sheet of their spectrograms."""
    require_recipes("train corpus")
    from studio.recipes.corpus.preview import write_preview

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
        require_recipes(f"train {name}")
        from studio.backends.device import choose_device
        from studio.recipes.pocket.options import PocketOptions
        from studio.recipes.pocket.stages import STAGES, require_groups, run_pocket, run_stage

        options = PocketOptions(runs, out, str(choose_device(device)), max_minutes, scale)
        if name == "pocket":
            require_groups(STAGES)  # before hours of the first ones
            run_pocket(options, terminal().print)
        else:
            run_stage(name, options)

    return train


for _name, _summary in RECIPES.items():
    train_commands.command(_name, help=_summary)(_command(_name))


@train_commands.command()
def dcldm(
    manifest: Annotated[Path, typer.Option(help='Lines of {"audio": "x.wav", "caption": "…"}.')],
    init: Annotated[str, typer.Option(help="The TANGO to begin from: an id or a folder.")] = "pocket/tango",
    audiogen: Annotated[str, typer.Option(help="What makes the drafts.")] = POCKET_DRAFTS,
    out: Annotated[Path, typer.Option(help="The folder of the DC-LDM.")] = Path("dcldm"),
    runs: Annotated[Path, typer.Option(help="Encoded clips, checkpoints, logs, samples.")] = Path("runs"),
    placement: Annotated[
        str, typer.Option(help="down1, mid, up1 or down1+up1; context: in the text's place.")
    ] = "down1+up1",
    encoding: Annotated[str, typer.Option(help="AG or AG_VAE.")] = "AG",
    steps: Annotated[int, typer.Option(min=1)] = 100_000,
    seconds: Annotated[
        float | None,
        typer.Option(min=0.64, max=60, help="Of each clip; TANGO's 10.24 if none.", show_default=False),
    ] = None,
    preparation: Annotated[
        str | None,
        typer.Option(
            help="tango: each clip's mean off and its peak at a half, as TANGO is trained; kept: as it is in "
            "the file. Without it a run goes on as it was begun, and a new one is TANGO's.",
            show_default=False,
        ),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Clips a process and micro-step.")] = 4,
    accumulate: Annotated[int, typer.Option(min=1, help="Micro-steps a step.")] = 1,
    learning_rate: Annotated[float, typer.Option(help="Falls in a straight line.")] = 3e-5,
    mixed_precision: Annotated[str, typer.Option(help="no, fp16 or bf16.")] = "no",
    checkpointing: Annotated[bool, typer.Option("--checkpointing", help="Less memory, more time.")] = False,
    branch_only: Annotated[bool, typer.Option("--branch-only", help="Leave the U-Net as it is.")] = False,
    no_text: Annotated[
        bool,
        typer.Option(
            "--no-text", help="The draft alone, never the text; the paper's LDM w/ AG is --placement context."
        ),
    ] = False,
    ema: Annotated[float, typer.Option(min=0, max=1, help="Decay of the averaged weights.")] = 0.999,
    save_every: Annotated[int, typer.Option(min=1)] = 500,
    sample_every: Annotated[int, typer.Option(min=0, help="0: no samples.")] = 0,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    device: Device = "auto",
    max_minutes: Annotated[float | None, typer.Option(min=0, help="Stop then; goes on later.")] = None,
    encode_only: Annotated[
        bool,
        typer.Option(
            "--encode-only",
            help="Encode the clips and end, beside as many more of this command as you start, on machines "
            "that see --runs; the training then finds them.",
        ),
    ] = False,
) -> None:
    """Train a DC-LDM from a manifest, on what `accelerate launch -m studio.app` gives it, or alone."""
    if mixed_precision not in ("no", "fp16", "bf16"):
        raise InvalidRequestError("--mixed-precision is no, fp16 or bf16.")
    if preparation not in (None, "tango", "kept"):
        raise InvalidRequestError("--preparation is tango or kept.")
    # NaN passes the options' own bounds.
    if not all(map(isfinite, (seconds or 0.0, ema, max_minutes or 0.0))):
        raise InvalidRequestError("--seconds, --ema and --max-minutes are numbers.")
    if not 0 < learning_rate <= 1:
        raise InvalidRequestError("--learning-rate lies above 0, up to 1; the paper's is 3e-5.")
    from studio.backends.catalog import create_drafter, fingerprint, resolve
    from studio.backends.device import choose_device
    from studio.service.batch.claims import Claims
    from studio.training.manifest import read_manifest
    from studio.training.options import DcLdmOptions
    from studio.training.run import run, this_process

    entries = read_manifest(manifest)  # before anything is loaded
    settings, chosen = Settings(), str(choose_device(device))
    if chosen == "cuda":
        chosen = str(this_process(chosen).device)
    options = DcLdmOptions(
        runs / "dcldm", steps, batch=batch, accumulate=accumulate, learning_rate=learning_rate,
        train_unet=not branch_only, with_text=not no_text,
        checkpointing=checkpointing, mixed_precision=mixed_precision, ema_decay=ema,
        seed=seed, save_every=save_every, sample_every=sample_every, max_minutes=max_minutes,
    )  # fmt: skip
    folder = resolve(init, settings)
    run(
        entries, folder, lambda: create_drafter(audiogen, chosen, settings), out, options,
        placement=placement, encoding=encoding, seconds=seconds, preparation=preparation, device=chosen,
        drafts_of=fingerprint(audiogen, settings), claims=Claims if encode_only else None,
    )  # fmt: skip
    typer.echo(str(runs if encode_only else out))
