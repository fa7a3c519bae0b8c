"""TANGO's checkpoints as its authors publish them: two pickles and their configs, no folder a component.

`pytorch_model_main.bin` holds the U-Net and T5, `pytorch_model_vae.bin` AudioLDM's autoencoder and vocoder
under their original names. T5's own config and vocabulary come from where `main_config.json` says.
"""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from studio.backends.checkpoint import PUBLISHED_FILES, read_json
from studio.backends.components import load_tokenizer
from studio.backends.device import choose_device, choose_dtype
from studio.backends.shapes import tango_unet
from studio.core.errors import ModelNotFoundError, OutOfResourcesError, WeightsError
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
}
# HiFi-GAN's for 16 kHz and 64 bands, which is in AudioLDM's code and not in its files.
VOCODER_CONFIG = {
    "model_in_dim": 64,
    "sampling_rate": 16000,
    "upsample_initial_channel": 1024,
    "upsample_rates": [5, 4, 2, 2, 2],
    "upsample_kernel_sizes": [16, 16, 8, 4, 4],
    "resblock_kernel_sizes": [3, 7, 11],
    "resblock_dilation_sizes": [[1, 3, 5]] * 3,
    "normalize_before": False,
}
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

    place = choose_device(device)
    main, sound = (_read(folder / name) for name in PUBLISHED_FILES)
    texts = _text_folder(folder)
    text_encoder = T5EncoderModel(T5Config.from_pretrained(texts))
    made = {
        "text_encoder": _fill(text_encoder, _under(main, "text_encoder.")),
        "unet": _fill(tango_unet(), _under(main, "unet.")),
        "vae": convert_vae(sound, read_json(folder / "vae_config.json")),
        "vocoder": convert_vocoder(_under(sound, "vocoder.")),
    }
    dtypes = {"unet": choose_dtype(dtype, place)}
    try:
        moved = {
            name: network.to(place, dtypes.get(name, torch.float32)).eval().requires_grad_(False)
            for name, network in made.items()
        }
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise OutOfResourcesError(
            f"{folder.name} does not fit into the memory of {place}; choose the CPU."
        ) from error
    tokenizer = load_tokenizer(T5Tokenizer, texts)
    return {**moved, "tokenizer": tokenizer, "schedule": NoiseSchedule.from_config(SCHEDULER_CONFIG)}


def convert_vae(state: dict[str, Tensor], config: dict[str, Any]) -> Any:
    """AudioLDM's original autoencoder as diffusers' `AutoencoderKL`."""
    from diffusers import AutoencoderKL
    from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint

    shape = config.get("ddconfig", {})
    widths = [shape["ch"] * factor for factor in shape["ch_mult"]]
    theirs = {
        "down_block_types": ["DownEncoderBlock2D"] * len(widths),
        "up_block_types": ["UpDecoderBlock2D"] * len(widths),
    }
    vae = AutoencoderKL(
        in_channels=shape["in_channels"],
        out_channels=shape["out_ch"],
        latent_channels=shape["z_channels"],
        block_out_channels=widths,
        layers_per_block=shape["num_res_blocks"],
        scaling_factor=float(config.get("scale_factor", 1.0)),
        **theirs,
    )
    own = {name: value for name, value in state.items() if not name.startswith("vocoder.")}
    return _fill(vae, convert_ldm_vae_checkpoint(own, theirs))


def convert_vocoder(state: dict[str, Tensor]) -> Any:
    """HiFi-GAN's generator, its weight norm removed, as transformers' `SpeechT5HifiGan`."""
    from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

    vocoder = SpeechT5HifiGan(SpeechT5HifiGanConfig(**VOCODER_CONFIG))
    renamed = {
        name.replace("ups.", "upsampler.", 1) if name.startswith("ups.") else name: value
        for name, value in state.items()
    }
    still = {"mean": vocoder.mean, "scale": vocoder.scale}  # of a standardisation that is off
    return _fill(vocoder, {**still, **renamed})


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (OSError, RuntimeError, ValueError, UnpicklingError, EOFError) as error:
        raise WeightsError(
            f"{path.name} is damaged or no file of weights; get the checkpoint again."
        ) from error


def _under(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _fill(network: Any, state: dict[str, Tensor]) -> Any:
    """Put weights in, naming the first that does not fit."""
    own = network.state_dict()
    tied = {"encoder.embed_tokens.weight", "shared.weight"}  # T5's one embedding under two names
    for name, value in own.items():
        if name in tied and name not in state:
            continue
        if name not in state:
            raise WeightsError(f"The checkpoint has no {name}; get it again.")
        if state[name].shape != value.shape:
            raise WeightsError(
                f"{name} is {tuple(state[name].shape)} in the checkpoint, not {tuple(value.shape)}: "
                "it is of another architecture."
            )
    network.load_state_dict(state, strict=False)
    return network


def _text_folder(folder: Path) -> Path:
    """T5's config and vocabulary: beside the checkpoint, or from the Hub, without its weights."""
    name = str(read_json(folder / "main_config.json").get("text_encoder_name", ""))
    beside = folder / name
    if name and ".." not in name and (beside / "config.json").is_file():
        return beside
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    for local in (True, False):
        try:
            found = Path(snapshot_download(name, allow_patterns=T5_FILES, local_files_only=local))
            if (found / "config.json").is_file():
                return found
        except LocalEntryNotFoundError:
            continue
        except (HfHubHTTPError, HFValidationError, OSError):
            break
    raise ModelNotFoundError(
        f"TANGO's text encoder '{name}' is not here and the Hub can't be reached; connect to the internet, "
        "or put its config and vocabulary into a folder of that name in the checkpoint's."
    )
