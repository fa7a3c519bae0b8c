"""VoiceLDM (Lee et al. 2024): AudioLDM's latent diffusion that reads, beside a scene, what is said in it.

A CLAP vector of the description steers the U-Net by its class embedding, as in AudioLDM. Content comes by
cross-attention: SpeechT5's states of the letters, stretched to frames of the latents by the durator. U-Net,
durator and the letters' encoder lie in one file, and the rest beside it or with its own authors on the Hub.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from studio.backends.base import Conditioning, Tokens
from studio.backends.boundary import opens_checkpoint, weights_errors
from studio.backends.checkpoint import LETTERS_FILE, component
from studio.backends.companions import CLAP, SOUND, SPEECHT5
from studio.backends.components import Parts, load_network, load_tokenizer, quieten
from studio.backends.configs import check_config, whole
from studio.backends.device import choose_dtype
from studio.backends.flat import FlatWeights, move
from studio.backends.hub import companion_folder
from studio.backends.latent import LatentBackend, read_mel_padding, read_schedule
from studio.backends.reading import MAX_VOCABULARY_BYTES, is_file, is_folder, read_bytes, read_json
from studio.backends.registry import VOICELDM
from studio.backends.shapes import VOICELDM_WIDTHS, voiceldm_unet
from studio.core.errors import ModelNotFoundError, WeightsError
from studio.modules.content_band import content_band
from studio.modules.durator import MAX_FRAMES, Durator
from studio.modules.letters import Letters
from studio.modules.speech_encoder import MAX_TOKENS, SpeechEncoder
from studio.modules.text import clap_projections

NOTHING = "_"  # what its authors write where nothing is said
ONE_PIECE = "this model reads in one piece: make it shorter"
BAND_FIELD = "content_band"  # ours, in the U-Net's config
_CONV_IN = "unet.conv_in.weight"
_POSITIONS = "text_encoder.encoder.prenet.encode_positions.pe"  # computed here, whatever lies there
_LARGEST_BAND = 1000
_ELSEWHERE = {
    "clap": (CLAP, ""),
    "tokenizer": (SPEECHT5, ""),
    "speecht5": (SPEECHT5, ""),
    "scheduler": (SOUND, "scheduler"),
    "vae": (SOUND, "vae"),
    "vocoder": (SOUND, "vocoder"),
}


class VoiceLDMBackend(LatentBackend):
    """`SpeakingBackend` over a VoiceLDM checkpoint: the pocket model, the authors', or one's own.

    What reads the texts is in float32.
    """

    capabilities = VOICELDM.capabilities

    def __init__(
        self,
        model_id: str,
        *,
        text_encoder: Any,
        tokenizer: Any,
        speech_encoder: SpeechEncoder,
        letters: Letters,
        durator: Durator,
        unet: Any,
        band: int | None = None,
        **others: Any,
    ) -> None:
        """Take loaded networks, all on the U-Net's device; the `others` are `LatentBackend`'s.

        Args:
            text_encoder: CLAP's, of descriptions, with its `tokenizer`.
            speech_encoder: of what is said, by its `letters`.
            band: latent frames each side whose content a latent frame attends to, as it was trained; None
                for all of it.

        Raises:
            WeightsError: the networks' sizes do not fit each other.
        """
        _check_conditioning(unet, text_encoder, speech_encoder, letters)
        super().__init__(model_id, unet=unet, **others)
        if band is not None:
            self._patches.enter_context(content_band(unet, band))
        self.content_band = band
        self._tokenizer, self._letters = tokenizer, letters
        self._text_encoder, self._speech_encoder, self._durator = text_encoder, speech_encoder, durator

    @property
    def silence(self) -> Tensor:
        """The content [D] of a frame in which nothing is said."""
        return self._durator.silence.detach().clone()

    def encode_text(self, prompts: Sequence[str]) -> Conditioning:
        """CLAP's text vectors, pooled [B, D] in the order of the prompts, beside the content of no words."""
        vectors = [clap_projections(self._text_encoder, self._tokenizer, [prompt]) for prompt in prompts]
        nothing = self._nothing.expand(len(prompts)).clone()
        return Conditioning(torch.cat(vectors).to(self.dtype), (nothing,))

    def encode_speech(self, texts: Sequence[str]) -> Tokens:
        """Content [B, L, D] of texts, as long as the longest takes to say; an empty one and "_" are no words.

        Without a band they are read together, as the authors read a guided batch: frames behind a text's end
        are silent, and are attended to.
        """
        if self.content_band is None:
            return Tokens(self._read(texts))
        said = [self.speech_frames(text) for text in texts]
        longest = max(1, *map(len, said))
        silent = self.silence.float().cpu()
        padded = [torch.cat([frames, silent.expand(longest - len(frames), -1)]) for frames in said]
        return Tokens(torch.stack(padded).to(self.device))

    def speech_frames(self, text: str) -> Tensor:
        """Content [L, D] of one text by itself, at its own length, float32 on the CPU; of no words, none.

        Without a band no words are said, too: that is what its authors' "_" is.

        Raises:
            ValueError: as `SpeakingBackend.speech_frames`.
        """
        if _is_nothing(text) and self.content_band is not None:
            return self.silence.float().cpu().new_zeros(0, len(self.silence))
        return self._read([text])[0].float().cpu()

    def word_frames(self, text: str) -> list[tuple[float, float]]:
        """As `SpeakingBackend.word_frames`: a word lasts from its first letter's beginning to its last one's
        end, by the durations that the durator lays them out with. Without a band they lie nowhere.
        """
        places = self._letters.words(text)
        if self.content_band is None or _is_nothing(text) or len(places) != len(text.split()):
            return []
        _, _, durations = self._timed([text])
        ends = [0.0, *durations[0].cumsum(dim=0).tolist()]
        longest = float(round(ends[-1]))  # as many frames as the text has
        return [(min(ends[first], longest), min(ends[end], longest)) for first, end in places]

    @cached_property
    def _nothing(self) -> Tokens:
        return self.encode_speech([NOTHING])

    def _read(self, texts: Sequence[str]) -> Tensor:
        """The durator's frames [B, L, D] of texts that are read together."""
        states, mask, durations = self._timed(texts)
        with torch.inference_mode():
            frames, _ = self._durator(states, mask, durations)
        # Cloned out of inference mode, so that callers may change it in place.
        return frames.clone()

    def _timed(self, texts: Sequence[str]) -> tuple[Tensor, Tensor, Tensor]:
        """Of texts that are read together: their letters' states [B, K, D], which count [B, K], and how many
        frames each takes [B, K].
        """
        spoken = [NOTHING if _is_nothing(text) else text for text in texts]
        ids, mask = self._letters(spoken, MAX_TOKENS + 1)
        if ids.shape[1] > MAX_TOKENS:
            raise ValueError(f"has more than the {MAX_TOKENS:,} letters that {ONE_PIECE}")
        ids, mask = ids.to(self.device), mask.to(self.device)
        with torch.inference_mode():
            states = self._speech_encoder(ids, mask)
            durations = self._durator.durations(states, mask)
            if (longest := float(durations.sum(dim=1).max())) >= MAX_FRAMES + 0.5:
                says_s = MAX_FRAMES / self.geometry.frame_rate
                raise ValueError(
                    f"takes {longest / self.geometry.frame_rate:.0f} s to say, and {says_s:.0f} s are what "
                    f"{ONE_PIECE}"
                )
        return states, mask, durations

    def _predict(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        pooled = conditioning.vector.to(self.device, self.dtype)
        (content,) = conditioning.text
        content = content.expand(len(latents))
        return self.unet(
            latents,
            timesteps,
            encoder_hidden_states=content.states.to(self.device, self.dtype),
            encoder_attention_mask=None if content.mask is None else content.mask.to(self.device),
            class_labels=pooled.expand(len(latents), *pooled.shape[1:]),
            return_dict=False,
        )[0]

    def _tried_conditioning(self) -> Conditioning:
        text = super()._tried_conditioning()
        said = self.encode_speech([NOTHING, "a storm"])
        if self.content_band is not None:
            said = Tokens(said.states[:, :1])
        return Conditioning(text.pooled, (said,))

    def _unload_text(self) -> None:
        del self._text_encoder, self._speech_encoder, self._durator


@opens_checkpoint
def load(
    folder: Path, device: str = "auto", dtype: str = "auto", *, model_id: str | None = None
) -> VoiceLDMBackend:
    """Load a folder with the authors' one file, or one's own, and what it needs beside it.

    Folders beside the file are `clap` (with its tokenizer, or `clap_tokenizer`), `tokenizer` and `speecht5`,
    `scheduler`, `vae` and `vocoder`, each as its authors publish it; of those, what isn't there comes from
    the Hub. `unet/config.json` describes a U-Net of other sizes than the two published ones.

    Raises:
        WeightsError: parts are missing, damaged, or of another architecture.
        ModelNotFoundError: what isn't beside the file is not in the Hub's cache either, and can't be got.
        InvalidRequestError: no such device or dtype.
        OutOfResourcesError: the device's memory is too small.
    """
    parts = Parts.open(folder, device)
    quieten()
    places = {name: _place(folder, name) for name in VOICELDM.components}

    from diffusers import AutoencoderKL
    from transformers import ClapTextModelWithProjection, RobertaTokenizer, SpeechT5HifiGan

    place = parts.device
    own, band = _own_networks(folder, places["speecht5"])
    return VoiceLDMBackend(
        model_id or folder.name,
        **move(own, place, {"unet": choose_dtype(dtype, place)}),
        band=band,
        text_encoder=load_network(ClapTextModelWithProjection, places["clap"], place, torch.float32),
        tokenizer=load_tokenizer(RobertaTokenizer, places["clap_tokenizer"]),
        letters=read_letters(places["tokenizer"]),
        vae=load_network(AutoencoderKL, places["vae"], place, torch.float32),
        vocoder=load_network(SpeechT5HifiGan, places["vocoder"], place, torch.float32),
        schedule=read_schedule(places["scheduler"].parent),
        mel_padding=read_mel_padding(folder, VOICELDM),
    )


def read_letters(folder: Path) -> Letters:
    """The letters of a tokenizer's folder. Raises `WeightsError` for one that has none."""
    content = read_bytes(folder / LETTERS_FILE, MAX_VOCABULARY_BYTES)
    with weights_errors(folder.name, lambda error: f"{LETTERS_FILE} is damaged: {error}"):
        return Letters(content)


def _place(folder: Path, name: str) -> Path:
    """Where a component lies: beside the checkpoint's file, or as its own authors publish it."""
    if is_folder(beside := component(folder, name)):
        return beside
    if name == "clap_tokenizer":
        return _place(folder, "clap")
    companion, inside = _ELSEWHERE[name]
    try:
        return companion_folder(companion) / inside
    except ModelNotFoundError as error:
        raise ModelNotFoundError(
            f"VoiceLDM's {name} is not here and can't be got: put it into a folder of that name beside the "
            f"checkpoint's file, or connect to the internet, where it is {companion.repository}'s."
        ) from error


def _own_networks(folder: Path, speech: Path) -> tuple[dict[str, Any], int | None]:
    """What lies in the checkpoint's one file, on the CPU, and the U-Net's band."""
    weights = FlatWeights(_only_file(folder))
    weights.take(lambda name: name == _POSITIONS)
    unet, band = _unet_builder(folder, weights)
    config = _speech_config(speech)
    made = {
        "unet": weights.fill(unet, "unet."),
        "durator": weights.fill(lambda: Durator(config.hidden_size), "durator."),
        "speech_encoder": weights.fill(lambda: SpeechEncoder(config), "text_encoder.encoder."),
    }
    weights.require_empty()
    return made, band


def _only_file(folder: Path) -> Path:
    layout = VOICELDM.published
    assert layout is not None
    file, *others = layout.files(folder)
    if others:
        raise WeightsError(f"{folder.name} holds both {file.name} and {others[0].name}; leave one there.")
    return file


def _speech_config(folder: Path) -> Any:
    from transformers import SpeechT5Config

    check_config(read_json(folder / "config.json"), folder.name)
    return SpeechT5Config.from_pretrained(folder, local_files_only=True)


def _unet_builder(folder: Path, weights: FlatWeights) -> tuple[Any, int | None]:
    """What makes the U-Net, by the config that lies there or else by its first kernel, and its band."""
    from diffusers import UNet2DConditionModel

    file = folder / "unet" / "config.json"
    if not is_file(file):
        width = weights.shape(_CONV_IN)[0]
        sizes = [size for size, widths in VOICELDM_WIDTHS.items() if widths[0] == width]
        if not sizes:
            raise WeightsError(
                f"{weights.path.name} has a U-Net of another width ({width}) than the published ones: put "
                "its unet/config.json beside it."
            )
        return lambda: voiceldm_unet(sizes[0]), None
    config = read_json(file)
    check_config(config, "unet")
    band = config.pop(BAND_FIELD, None)
    if band is not None and not whole(band, 0, _LARGEST_BAND):
        raise WeightsError(f"unet/config.json has an impossible {BAND_FIELD}; get the checkpoint again.")
    return lambda: UNet2DConditionModel.from_config(config), band


def _check_conditioning(unet: Any, text_encoder: Any, speech_encoder: Any, letters: Letters) -> None:
    """The U-Net must take CLAP's vectors and the durator's frames, and the encoder know all letters."""
    config = unet.config
    expected = config.projection_class_embeddings_input_dim
    if config.class_embed_type != "simple_projection" or expected != text_encoder.config.projection_dim:
        raise WeightsError("The U-Net does not take CLAP's vectors; use a VoiceLDM checkpoint.")
    if config.cross_attention_dim != speech_encoder.config.hidden_size:
        raise WeightsError("The U-Net does not read this speech encoder; use a VoiceLDM checkpoint.")
    if len(letters) > speech_encoder.config.vocab_size:
        raise WeightsError(
            "The tokenizer has more letters than the speech encoder; get the checkpoint again."
        )


def _is_nothing(text: str) -> bool:
    return text.strip() in {"", NOTHING}
