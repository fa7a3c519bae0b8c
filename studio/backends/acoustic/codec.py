"""An EnCodec (Défossez et al. 2022) by transformers: drafts from recordings without audiocraft.

Its weights are in transformers' format, or those of audiocraft's own file, given transformers' names.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from studio.backends.acoustic.base import AcousticDraft, read_unconditional
from studio.backends.boundary import opens_checkpoint, weights_errors
from studio.backends.checkpoint import AUDIOGEN_FILES, weight_files
from studio.backends.components import load_network
from studio.backends.device import choose_device
from studio.backends.reading import held_by, is_folder
from studio.core.errors import WeightsError

TRIED_TOKENS = 8
FOLDER = "encodec"  # in an AudioGen's folder: transformers' config, and weights where they were exported
_WEIGHT_NORM = ".parametrizations.weight.original"  # 0 its norm, 1 its direction


class EncodecCodec:
    """A `draft.Codec` over a transformers `EncodecModel`."""

    def __init__(self, model_id: str, model: Any, unconditional: NDArray[np.int16] | None = None) -> None:
        """Take a loaded `EncodecModel` of one channel and one bandwidth; `unconditional` as `base.Codec`."""
        self.id = model_id
        self.unconditional = unconditional
        self._model = model
        self.sample_rate: int = model.config.sampling_rate
        self.frame_rate: float = model.config.frame_rate

    def encode(self, samples: NDArray[np.float32]) -> AcousticDraft:
        """A recording [n] at the codec's sample rate as a draft."""
        with torch.inference_mode():
            sound = torch.from_numpy(samples)[None, None].to(self._model.device)
            codes = self._model.encode(sound, return_dict=False)[0][0]
        return self.decode(codes[0].cpu().numpy().astype(np.int16))

    def decode(self, tokens: NDArray[np.int16]) -> AcousticDraft:
        """The draft of known tokens [codebooks, L]."""
        latents = self.latents(tokens[None])
        with torch.inference_mode():
            samples = self._model.decoder(latents.transpose(1, 2).to(self._model.device))[0, 0]
        return AcousticDraft(tokens, latents, samples.float().cpu().numpy())

    def latents(self, tokens: NDArray[np.int16]) -> Tensor:
        """Tokens [B, codebooks, L] → EnCodec's latents [B, L, 128]."""
        codes = torch.from_numpy(tokens.astype(np.int64)).to(self._model.device)
        with torch.inference_mode():
            latents = self._model.quantizer.decode(codes.transpose(0, 1)).transpose(1, 2)
        return latents.float().cpu().clone()

    def try_out(self) -> None:
        """Encode and decode a little sound, and what nothing sounds like: what fits shows there alone."""
        self.encode(np.zeros(int(self.sample_rate) // 4, np.float32))
        if self.unconditional is not None:
            self.decode(self.unconditional[:, :TRIED_TOKENS])


@opens_checkpoint
def load(folder: Path, device: str = "auto", *, model_id: str | None = None) -> EncodecCodec:
    """Open an AudioGen's codec as it was exported for transformers.

    Raises:
        WeightsError: it is missing, damaged, or another model.
        InvalidRequestError: no such device.
    """
    chosen = choose_device(device)
    if not is_folder(folder / FOLDER):
        raise WeightsError(f"{folder.name} has no {FOLDER}; get the checkpoint again.")
    from transformers import EncodecModel

    place = folder / FOLDER
    state = None if weight_files(place) else transformers_state(read_audiocrafts(folder))
    model = load_network(EncodecModel, place, chosen, torch.float32, state)
    return EncodecCodec(model_id or folder.name, model, read_unconditional(folder))


def read_audiocrafts(folder: Path) -> dict[str, Tensor]:
    """The tensors of the codec in an AudioGen's folder, as audiocraft exports it; audiocraft is not needed.

    Raises:
        WeightsError: the file is missing, damaged, or holds something else.
    """
    path = folder / AUDIOGEN_FILES[1]
    held_by(path)
    with weights_errors(folder.name):
        package = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        state = package["best_state"]
        return {str(name): torch.as_tensor(value) for name, value in state.items()}


def transformers_state(own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """audiocraft's tensors of an EnCodec without norms under transformers' names, in float32.

    transformers' convolutions have weight norm: each weight is split into its norm and its direction.
    """
    state: dict[str, Tensor] = {}
    for name, value in own.items():
        value = value.float() if value.is_floating_point() else value
        theirs = _theirs(name)
        if theirs.endswith(".conv.weight"):
            split = theirs.removesuffix(".weight") + _WEIGHT_NORM
            state[f"{split}0"], state[f"{split}1"] = torch.norm_except_dim(value, 2, 0), value
        else:
            state[theirs] = value
    return state


def _theirs(name: str) -> str:
    """transformers' name of a tensor that audiocraft calls `name`."""
    if name.startswith("quantizer."):
        return name.replace(".vq.layers.", ".layers.").replace("._codebook.", ".codebook.")
    for kind in ("conv", "convtr"):  # theirs stand in two wrappers: "model.0.conv.conv.weight"
        name = name.replace(f".{kind}.{kind}.", ".conv.")
    return name.replace(".model.", ".layers.", 1)
