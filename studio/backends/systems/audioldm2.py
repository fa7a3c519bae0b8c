"""AudioLDM 2 (Liu et al. 2023): a U-Net that attends to T5's states and to eight that GPT-2 makes of a text.

CLAP's vector and T5's states are projected to GPT-2's width; GPT-2 goes on from them, state by state, and
what it adds is the "language of audio" which half of the U-Net's cross-attentions read. The components of
diffusers' `AudioLDM2Pipeline` without the pipeline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from studio.backends.base import Conditioning, Tokens
from studio.backends.boundary import opens_checkpoint
from studio.backends.components import Parts
from studio.backends.configs import whole
from studio.backends.device import choose_dtype
from studio.backends.latent import LatentBackend, read_mel_padding, read_schedule
from studio.backends.registry import AUDIOLDM2
from studio.core.errors import WeightsError
from studio.modules.text import alone, clap_vectors, t5_states

GENERATED = 8  # states that GPT-2 makes, where the checkpoint does not say
_MOST_GENERATED = 256


@dataclass
class TextNetworks:
    """What turns a prompt into the U-Net's two token sequences; all of it in float32."""

    clap: Any
    clap_tokenizer: Any
    t5: Any
    t5_tokenizer: Any
    projection: Any
    gpt2: Any

    @torch.inference_mode()
    def encode(self, prompts: Sequence[str]) -> tuple[Tokens, Tokens]:
        """GPT-2's states [B, 8, D] without a mask, and T5's [B, L, D'] with one.

        Each prompt is read by itself, whatever stands beside it: GPT-2 counts padding as positions.
        """
        generated = torch.cat([self._generate(prompt) for prompt in prompts])
        return Tokens(generated), Tokens(*alone(self._read, prompts))

    def _read(self, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
        return t5_states(self.t5, self.t5_tokenizer, prompts)

    def _generate(self, prompt: str) -> Tensor:
        vectors = clap_vectors(self.clap, self.clap_tokenizer, [prompt])
        return generate(self.projection, self.gpt2, vectors, *self._read([prompt]))


def generate(projection: Any, gpt2: Any, clap_vectors: Tensor, t5_states: Tensor, t5_mask: Tensor) -> Tensor:
    """GPT-2's answer [B, 8, D]: its last state, appended and read again, as often as the checkpoint wants.

    Args:
        projection: diffusers' `AudioLDM2ProjectionModel`.
        gpt2: transformers' `GPT2Model`.
        clap_vectors: [B, D'] of unit length.
        t5_states: [B, L, D''], of which those count where `t5_mask` [B, L] is 1.
    """
    projected = projection(
        hidden_states=clap_vectors[:, None],
        hidden_states_1=t5_states,
        attention_mask=t5_mask.new_ones(len(t5_mask), 1),
        attention_mask_1=t5_mask,
    )
    states, mask = projected.hidden_states, projected.attention_mask
    count = getattr(gpt2.config, "max_new_tokens", None) or GENERATED
    if not whole(count, 1, _MOST_GENERATED):
        raise WeightsError(
            "GPT-2's config asks for an impossible number of states; get the checkpoint again."
        )
    for _ in range(count):
        last = gpt2(inputs_embeds=states, attention_mask=mask).last_hidden_state[:, -1:]
        states = torch.cat([states, last], dim=1)
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
    return states[:, -count:]


class AudioLDM2Backend(LatentBackend):
    """`Backend` over an AudioLDM 2 checkpoint: the pocket model, or cvssp's."""

    capabilities = AUDIOLDM2.capabilities

    def __init__(self, model_id: str, *, text: TextNetworks, unet: Any, **others: Any) -> None:
        """Take loaded networks, all on the U-Net's device; the `others` are `LatentBackend`'s.

        Raises:
            WeightsError: the networks' sizes do not fit each other.
        """
        _check_conditioning(unet, text)
        super().__init__(model_id, unet=unet, **others)
        self._text = text

    def encode_text(self, prompts: Sequence[str]) -> Conditioning:
        """GPT-2's states and T5's, in the order of the prompts."""
        # Cloned out of inference mode, so that callers may change them in place.
        return Conditioning(text=tuple(tokens.clone() for tokens in self._text.encode(prompts)))

    def _predict(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        generated, t5 = (tokens.expand(len(latents)) for tokens in conditioning.text)
        return self.unet(
            latents,
            timesteps,
            encoder_hidden_states=generated.states.to(self.device, self.dtype),
            encoder_hidden_states_1=t5.states.to(self.device, self.dtype),
            encoder_attention_mask_1=t5.counted.to(self.device),
            return_dict=False,
        )[0]

    def _unload_text(self) -> None:
        del self._text


@opens_checkpoint
def load(
    folder: Path, device: str = "auto", dtype: str = "auto", *, model_id: str | None = None
) -> AudioLDM2Backend:
    """Load a folder in the layout of `AudioLDM2Pipeline.save_pretrained`.

    Raises:
        WeightsError: parts are missing, truncated, or of another architecture.
        InvalidRequestError: no such device or dtype.
        OutOfResourcesError: the device's memory is too small.
    """
    parts = Parts.open(folder, device)

    from diffusers import AudioLDM2ProjectionModel, AudioLDM2UNet2DConditionModel, AutoencoderKL
    from transformers import (
        ClapTextModelWithProjection,
        GPT2Model,
        RobertaTokenizer,
        SpeechT5HifiGan,
        T5EncoderModel,
        T5Tokenizer,
    )

    return AudioLDM2Backend(
        model_id or folder.name,
        text=TextNetworks(
            clap=parts.network(ClapTextModelWithProjection, "text_encoder"),
            clap_tokenizer=parts.tokenizer(RobertaTokenizer, "tokenizer"),
            t5=parts.network(T5EncoderModel, "text_encoder_2"),
            t5_tokenizer=parts.tokenizer(T5Tokenizer, "tokenizer_2"),
            projection=parts.network(AudioLDM2ProjectionModel, "projection_model"),
            gpt2=parts.network(GPT2Model, "language_model"),
        ),
        unet=parts.network(AudioLDM2UNet2DConditionModel, "unet", choose_dtype(dtype, parts.device)),
        vae=parts.network(AutoencoderKL, "vae"),
        vocoder=parts.network(SpeechT5HifiGan, "vocoder"),
        schedule=read_schedule(folder),
        mel_padding=read_mel_padding(folder, AUDIOLDM2),
    )


def _check_conditioning(unet: Any, text: TextNetworks) -> None:
    """The U-Net's cross-attentions must read what GPT-2 and T5 say."""
    read = {width for widths in _as_rows(unet.config.cross_attention_dim) for width in widths if width}
    if read != {text.gpt2.config.n_embd, text.t5.config.d_model}:
        raise WeightsError("The U-Net does not read this text encoder; use an AudioLDM 2 checkpoint.")


def _as_rows(widths: Any) -> list[Sequence[int | None]]:
    """`cross_attention_dim` as a row a block: a config may hold one number, or one a block."""
    if isinstance(widths, int):
        return [[widths]]
    return [row if isinstance(row, list | tuple) else [row] for row in widths]
