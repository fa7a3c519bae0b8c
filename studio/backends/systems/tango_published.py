"""TANGO's checkpoints as its authors publish them: two pickles and their configs, no folder a component.

`pytorch_model_main.bin` holds the U-Net and T5, `pytorch_model_vae.bin` AudioLDM's autoencoder and vocoder
under their original names. T5's own config and vocabulary come from where `main_config.json` says.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch

from studio.backends.boundary import weights_errors
from studio.backends.checkpoint import PUBLISHED_FILES
from studio.backends.components import load_tokenizer, quieten
from studio.backends.configs import check_config
from studio.backends.device import choose_device, choose_dtype
from studio.backends.flat import FlatWeights, move
from studio.backends.reading import is_file, quoted, read_json
from studio.backends.shapes import tango_unet
from studio.core.errors import ModelNotFoundError, WeightsError
from studio.dsp.mel import CENTRED
from studio.samplers.schedule import NoiseSchedule

# Stable Diffusion 2.1's, which main_config.json names; 865.93 M parameters go with no other.
SCHEDULER_CONFIG = {
    "num_train_timesteps": 1000,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "prediction_type": "v_prediction",
    "set_alpha_to_one": False,
    "steps_offset": 1,
    "clip_sample": False,
}
# HiFi-GAN's for 16 kHz and 64 bands, which is in AudioLDM's code and not in its files.
VOCODER_CONFIG: dict[str, Any] = {
    "model_in_dim": 64,
    "sampling_rate": 16000,
    "upsample_initial_channel": 1024,
    "upsample_rates": [5, 4, 2, 2, 2],
    "upsample_kernel_sizes": [16, 16, 8, 4, 4],
    "resblock_kernel_sizes": [3, 7, 11],
    "resblock_dilation_sizes": [[1, 3, 5]] * 3,
    "normalize_before": False,
}
_TIED = ("shared.weight", "encoder.embed_tokens.weight")  # T5's one embedding under two names
_FLAN_T5 = re.compile(r"google/flan-t5-(small|base|large|xl|xxl)")
_BESIDE = re.compile(
    r"\w[\w-]*(\.[\w-]+)*(/\w[\w-]*(\.[\w-]+)*)?"
)  # a folder in the checkpoint's, or one in it
T5_FILES = ["config.json", "tokenizer*", "special_tokens_map.json", "spiece.model"]


def networks(folder: Path, device: str, dtype: str) -> dict[str, Any]:
    """The same networks as `tango.networks` gives of a folder in diffusers' layout.

    Raises:
        WeightsError: files are damaged, or hold another architecture.
        ModelNotFoundError: T5's config and vocabulary are not here and the Hub can't be reached.
        InvalidRequestError: no such device or dtype.
        OutOfResourcesError: the device's memory is too small.
    """
    from transformers import T5Config, T5EncoderModel, T5Tokenizer

    quieten()
    place = choose_device(device)
    dtypes = {"unet": choose_dtype(dtype, place)}
    texts = _text_folder(folder)
    tokenizer = load_tokenizer(T5Tokenizer, texts)
    check_config(read_json(texts / "config.json"), texts.name)

    def text_encoder() -> Any:
        return T5EncoderModel(T5Config.from_pretrained(texts, local_files_only=True))

    with weights_errors(folder.name):
        main = FlatWeights(folder / PUBLISHED_FILES[0])
        made = {
            "text_encoder": main.fill(text_encoder, "text_encoder.", _TIED),
            "unet": main.fill(tango_unet, "unet."),
        }
        del main
        sound = FlatWeights(folder / PUBLISHED_FILES[1])
        made["vocoder"] = convert_vocoder(sound)
        made["vae"] = convert_vae(sound, read_json(folder / "vae_config.json"))
        del sound
        moved = move(made, place, dtypes)
    return {
        **moved,
        "tokenizer": tokenizer,
        "schedule": NoiseSchedule.from_config(SCHEDULER_CONFIG),
        "mel_padding": CENTRED,
    }


def convert_vae(weights: FlatWeights, config: dict[str, Any]) -> Any:
    """AudioLDM's original autoencoder as diffusers' `AutoencoderKL`."""
    from diffusers import AutoencoderKL
    from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint

    check_config(config, "vae_config.json")
    shape = config["ddconfig"]
    widths = [shape["ch"] * factor for factor in shape["ch_mult"]]
    theirs = {
        "down_block_types": ["DownEncoderBlock2D"] * len(widths),
        "up_block_types": ["UpDecoderBlock2D"] * len(widths),
    }

    def build() -> Any:
        return AutoencoderKL(
            in_channels=shape["in_channels"],
            out_channels=shape["out_ch"],
            latent_channels=shape["z_channels"],
            block_out_channels=widths,
            layers_per_block=shape["num_res_blocks"],
            scaling_factor=float(config.get("scale_factor", 1.0)),
            **theirs,
        )

    own = weights.take(lambda name: not name.startswith("vocoder."))
    state = convert_ldm_vae_checkpoint(own, theirs)
    vae = weights.put(build, state)
    if beyond := sorted(state.keys() - vae.state_dict().keys()):
        raise WeightsError(f"vae_config.json leaves out {beyond[0]}; get the checkpoint again.")
    return vae


def convert_vocoder(weights: FlatWeights) -> Any:
    """HiFi-GAN's generator, its weight norm removed, as transformers' `SpeechT5HifiGan`."""
    from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

    state = weights.take(lambda name: name.startswith("vocoder."))
    names = {name: name.removeprefix("vocoder.") for name in state}
    renamed = {
        name.replace("ups.", "upsampler.", 1) if name.startswith("ups.") else name: state[theirs]
        for theirs, name in names.items()
    }
    bands = VOCODER_CONFIG["model_in_dim"]
    still = {"mean": torch.zeros(bands), "scale": torch.ones(bands)}  # of a standardisation that is off
    return weights.put(lambda: SpeechT5HifiGan(SpeechT5HifiGanConfig(**VOCODER_CONFIG)), {**still, **renamed})


def _text_folder(folder: Path) -> Path:
    """T5's config and vocabulary: beside the checkpoint, or from the Hub, without its weights.

    A folder can't send the studio to just any repository: only FLAN-T5's own are asked for.
    """
    name = str(read_json(folder / "main_config.json").get("text_encoder_name", ""))
    if _BESIDE.fullmatch(name) and is_file(folder / name / "config.json"):
        return folder / name
    if found := _flan_t5(name):
        return found
    raise ModelNotFoundError(
        f"TANGO's text encoder {quoted(name)} is not here and the Hub can't be reached; connect to the "
        "internet, or put its config and vocabulary into a folder of that name in the checkpoint's."
    )


def _flan_t5(name: str) -> Path | None:
    if not _FLAN_T5.fullmatch(name):
        return None
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    for local in (True, False):
        try:
            found = Path(snapshot_download(name, allow_patterns=T5_FILES, local_files_only=local))
        except LocalEntryNotFoundError:
            continue
        except (HfHubHTTPError, OSError):
            return None
        if is_file(found / "config.json"):
            return found
    return None
