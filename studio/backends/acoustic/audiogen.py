"""AudioGen (Kreuk et al. 2022) by audiocraft's own classes: text → acoustic tokens → latents and sound.

A checkpoint folder holds `state_dict.bin` and `compression_state_dict.bin` as audiocraft exports them; the
language model's text encoder may be a T5 folder inside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from studio.backends.acoustic.audiocraft_shim import import_audiocraft, plain_files_only
from studio.backends.acoustic.base import AcousticDraft, OnTokens, Sampling, read_unconditional
from studio.backends.boundary import misfit, no_larger_than, opens_checkpoint, weights_errors
from studio.backends.checkpoint import AUDIOGEN_FILES, held, weight_files
from studio.backends.configs import check_config
from studio.backends.device import choose_device
from studio.backends.reading import Held, held_by, is_file, quoted, read_json
from studio.core.errors import InvalidRequestError, ModelNotFoundError, OutOfResourcesError, WeightsError
from studio.modules.text import tokenize

MAX_S = 600.0
_TRIED_S = 0.1
_LARGEST_T5 = Held(1000, 400_000_000)  # t5-large's encoder, which published checkpoints read texts with
_AS_TRAINED = Sampling()


class AudioGen:
    """A loaded AudioGen."""

    def __init__(self, model_id: str, model: Any, unconditional: NDArray[np.int16] | None = None) -> None:
        """Take an `audiocraft.models.AudioGen`; `unconditional` as `base.Codec`."""
        self.id = model_id
        self.unconditional = unconditional
        self._model = model
        self.sample_rate: int = model.sample_rate
        self.frame_rate: float = model.frame_rate
        self.segment_s: float = model.max_duration

    def draft(
        self,
        prompt: str,
        duration_s: float,
        *,
        seed: int,
        sampling: Sampling = _AS_TRAINED,
        past: NDArray[np.int16] | None = None,
        on_progress: OnTokens | None = None,
    ) -> AcousticDraft:
        """As `draft.Drafter`. Beyond the length it was trained on it goes on from its own end, by strides.

        Raises:
            InvalidRequestError: no length, one that is too long, or not longer than the past.
            OutOfResourcesError: memory ran out.
        """
        if not 0 < duration_s <= MAX_S:
            raise InvalidRequestError(f"A draft lasts up to {MAX_S:g} s, not {duration_s:g}.")
        if past is not None and past.shape[1] >= round(duration_s * self.frame_rate):
            raise InvalidRequestError("The draft goes on from more than it is to be: ask for more seconds.")
        begun = None if past is None else self._codes(past)
        tokens = self._tokens([prompt], duration_s, seed, sampling, begun, on_progress)
        return self.decode(tokens[0].cpu().numpy().astype(np.int16))

    def draft_many(
        self, prompts: Sequence[str], duration_s: float, *, seed: int, sampling: Sampling = _AS_TRAINED
    ) -> NDArray[np.int16]:
        """The tokens [B, codebooks, L] for many prompts at once, as training wants them."""
        return self._tokens(prompts, duration_s, seed, sampling).cpu().numpy().astype(np.int16)

    def _tokens(
        self,
        prompts: Sequence[str],
        duration_s: float,
        seed: int,
        sampling: Sampling,
        begun: Tensor | None = None,
        on_progress: OnTokens | None = None,
    ) -> Tensor:
        model = self._model
        model.set_generation_params(
            # One more token than there are would crash audiocraft's top_k.
            duration=duration_s, temperature=sampling.temperature, top_p=sampling.top_p,
            top_k=min(sampling.top_k, model.lm.card), cfg_coef=sampling.guidance_scale,
            extend_stride=model.max_duration / 2,
        )  # fmt: skip
        total = round(duration_s * self.frame_rate)
        model.set_custom_progress_callback(on_progress and _up_to(total, on_progress))
        # audiocraft draws from the global generator and takes no other.
        devices = [model.device] if model.device.type == "cuda" else []
        try:
            with torch.random.fork_rng(devices), torch.inference_mode():
                torch.manual_seed(seed)
                attributes, _ = model._prepare_tokens_and_attributes(list(prompts), None)
                return model._generate_tokens(attributes, begun, on_progress is not None)
        except torch.OutOfMemoryError as error:
            raise OutOfResourcesError("Memory ran out over the draft: ask for fewer seconds.") from error

    def decode(self, tokens: NDArray[np.int16]) -> AcousticDraft:
        """The draft of known tokens [codebooks, L]."""
        with torch.inference_mode():
            samples = self._model.compression_model.decode(self._codes(tokens), None)[0, 0]
        return AcousticDraft(tokens, self.latents(tokens[None]), samples.float().cpu().numpy())

    def latents(self, tokens: NDArray[np.int16]) -> Tensor:
        """Tokens [B, codebooks, L] → EnCodec's latents [B, L, 128]."""
        codes = torch.from_numpy(tokens.astype(np.int64)).to(self._model.device)
        with torch.inference_mode():
            latents = self._model.compression_model.decode_latent(codes).transpose(1, 2)
        return latents.float().cpu().clone()

    def encode(self, samples: NDArray[np.float32]) -> AcousticDraft:
        """A recording [n] at the model's sample rate as a draft of its own."""
        with torch.inference_mode():
            sound = torch.from_numpy(samples)[None, None].to(self._model.device)
            codes, _ = self._model.compression_model.encode(sound)
        return self.decode(codes[0].cpu().numpy().astype(np.int16))

    def try_out(self) -> None:
        """Make, decode and encode a little sound: what fits shows there alone."""
        made = self.draft("a dog barks", _TRIED_S, seed=0)
        self.encode(np.zeros(max(1, len(made.samples)), np.float32))
        if self.unconditional is not None:
            self.decode(self.unconditional[:, :8])

    def _codes(self, tokens: NDArray[np.int16]) -> Tensor:
        """Tokens [codebooks, L] as audiocraft takes them: [1, codebooks, L]."""
        return torch.from_numpy(tokens.astype(np.int64))[None].to(self._model.device)


def _up_to(total: int, on_progress: OnTokens) -> OnTokens:
    """audiocraft counts all that is made against the piece that it is making: count against `total`."""
    return lambda made, _: on_progress(min(made, total), total)


@opens_checkpoint
def load(folder: Path, device: str = "auto", *, model_id: str | None = None) -> AudioGen:
    """Open a checkpoint folder by audiocraft's own loader.

    Raises:
        ModelNotFoundError: audiocraft is not installed, or its text encoder is not to be had.
        WeightsError: files are missing, damaged, or hold another model.
        InvalidRequestError: no such device.
        OutOfResourcesError: the device's memory is too small.
    """
    chosen = choose_device(device)
    missing = [name for name in AUDIOGEN_FILES if not is_file(folder / name)]
    if missing:
        raise WeightsError(f"{folder.name} has no {missing[0]}; get the checkpoint again.")
    import_audiocraft()
    from audiocraft.models import AudioGen as Theirs

    held = sum((held_by(folder / name) for name in AUDIOGEN_FILES), _text_weights(folder))
    with (
        weights_errors(folder.name, misfit),
        plain_files_only(),
        texts_read_from(folder),
        no_larger_than(held, folder.name),
    ):
        model = Theirs.get_pretrained(str(folder), device=str(chosen))
    return AudioGen(model_id or folder.name, model, read_unconditional(folder))


def _text_weights(folder: Path) -> Held:
    """What the text encoders in a checkpoint's folder hold, and the largest that may come from the Hub."""
    inside = [held(file.parent) for file in folder.glob("*/config.json") if weight_files(file.parent)]
    return sum(inside, _LARGEST_T5)


@contextmanager
def texts_read_from(folder: Path) -> Iterator[None]:
    """Let audiocraft's text conditioner find a T5 folder inside a checkpoint's, while one is opened.

    audiocraft itself knows T5s by a list of names on the Hub.
    """
    from audiocraft.models import builders
    from audiocraft.modules.conditioners import T5Conditioner

    class FolderT5(T5Conditioner):
        """Reads as our other models do: a tokenizer that says so gets lower-case text."""

        def __init__(self, name: str, *args: Any, **kwargs: Any) -> None:
            wanted, place = name, (folder / name).resolve()
            if is_file(place / "config.json") and place.is_relative_to(folder.resolve().parent):
                name = str(place)
                if name not in self.MODELS:
                    self.MODELS.append(name)
                    config = read_json(place / "config.json")
                    check_config(config, place.name)
                    self.MODELS_DIMS[name] = config["d_model"]
            try:
                super().__init__(name, *args, **kwargs)
            except (OSError, AssertionError) as error:  # theirs for a name that is on no list
                raise ModelNotFoundError(
                    f"AudioGen's text encoder {quoted(wanted)} is neither whole in {folder.name} nor to be "
                    "had from the Hub; connect to the internet, or put it into a folder of that name there."
                ) from error

        def tokenize(self, x: list[str | None]) -> Any:
            texts = [text or "" for text in x]
            inputs = tokenize(self.t5_tokenizer, texts).to(self.device)
            inputs["attention_mask"][[i for i, text in enumerate(texts) if not text]] = 0
            return inputs

    place: Any = builders
    before = place.T5Conditioner
    place.T5Conditioner = FolderT5
    try:
        yield
    finally:
        place.T5Conditioner = before
