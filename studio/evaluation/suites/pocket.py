"""What the pocket AudioLDM must reach, measured: networks, conditioning, and sound.

All of it on held-out clips and captions, handed in as plain data; the judge is the project's classifier.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from studio.backends.clap import load_clap
from studio.backends.components import load_network, load_tokenizer
from studio.dsp.mel import log_mel
from studio.evaluation.classifier import Classifier
from studio.modules.text import tokenize

MEL_FRAMES = 256
WINDOW_S = 5.12
Report = Callable[[str], None]


@dataclass(frozen=True)
class HeldOut:
    """Clips that no recipe saw: float32 [clips, n] at 16 kHz, a withheld caption and the families of each."""

    samples: NDArray[np.float32]
    captions: Sequence[str]
    families: Sequence[Sequence[str]]

    def only(self, scenes: bool) -> HeldOut:
        """The clips of two families, or those of one."""
        keep = [i for i, names in enumerate(self.families) if (len(names) > 1) == scenes]
        return HeldOut(self.samples[keep], [self.captions[i] for i in keep], [self.families[i] for i in keep])

    def windows(self, duration_s: float = WINDOW_S, sample_rate: int = 16000) -> NDArray[np.float32]:
        """Each clip's first `duration_s`."""
        return self.samples[:, : round(duration_s * sample_rate)]


@dataclass(frozen=True)
class Networks:
    """The parts of an AudioLDM checkpoint that are measured alone. `clap` is a `ClapModel`."""

    vae: Any
    vocoder: Any
    clap: Any
    tokenizer: Any
    classifier: Classifier

    @classmethod
    def load(cls, folder: Path, classifier: Path, vocoder: Path | None = None) -> Networks:
        """From a pocket folder (with `clap/` beside the pipeline's parts), all in float32; with another
        vocoder where one is named.

        Raises:
            WeightsError: parts are missing or damaged.
        """
        from diffusers import AutoencoderKL
        from transformers import AutoTokenizer, SpeechT5HifiGan

        cpu = torch.device("cpu")
        return cls(
            load_network(AutoencoderKL, folder / "vae", cpu, torch.float32),
            load_network(SpeechT5HifiGan, vocoder or folder / "vocoder", cpu, torch.float32),
            load_clap(folder),
            load_tokenizer(AutoTokenizer, folder / "tokenizer"),
            Classifier.load(classifier),
        )

    @torch.inference_mode()
    def text(self, prompts: Sequence[str]) -> Tensor:
        """Unit vectors [prompts, D] of the caption tower."""
        tokens = tokenize(self.tokenizer, prompts)
        return F.normalize(self.clap.get_text_features(**tokens).pooler_output, dim=-1)

    @torch.inference_mode()
    def audio(self, mel: Tensor) -> Tensor:
        """Unit vectors [clips, D] of the audio tower: the mean over the clip's stretches of 256 frames."""
        parts = [part for part in mel.split(MEL_FRAMES, dim=1) if part.shape[1] == MEL_FRAMES]
        vectors = [self.clap.get_audio_features(input_features=part[:, None]).pooler_output for part in parts]
        return F.normalize(torch.stack(vectors).mean(0), dim=-1)


def family_share(top: Sequence[Sequence[str]], wanted: Sequence[Sequence[str]]) -> float:
    """Share of rows whose likeliest family is among those wanted."""
    return float(np.mean([row[0] in names for row, names in zip(top, wanted, strict=True)]))


def pair_share(top: Sequence[Sequence[str]], wanted: Sequence[Sequence[str]]) -> float:
    """Share of rows whose top two are just the two wanted."""
    return float(np.mean([set(row[:2]) == set(names) for row, names in zip(top, wanted, strict=True)]))


@torch.inference_mode()
def measure_networks(
    networks: Networks, held_out: HeldOut, wild: Sequence[dict[str, str]], report: Report
) -> dict[str, float]:
    """VAE, vocoder, judge and CLAP on held-out clips; no diffusion, so minutes at most."""
    single = held_out.only(scenes=False)
    report("VAE and vocoder")
    mel_l1, vocoder_l1, decoded_tops, plain_tops = [], [], [], []
    for start in range(0, len(single.samples), 8):
        mel = log_mel(torch.from_numpy(single.windows()[start : start + 8]))
        latents = networks.vae.encode(mel[:, None]).latent_dist.mean
        decoded = networks.vae.decode(latents).sample[:, 0]
        mel_l1.append((decoded - mel).abs().mean().item())
        vocoder_l1.append((log_mel(networks.vocoder(mel)) - mel).abs().mean().item())
        plain_tops += networks.classifier.top(networks.classifier(mel))
        decoded_tops += networks.classifier.top(networks.classifier.predict(networks.vocoder(decoded))[0])
    report("CLAP")
    centroids, names = family_centroids(networks, single)
    return {
        "vae_l1": float(np.mean(mel_l1)),
        "vocoder_l1": float(np.mean(vocoder_l1)),
        "judge_acc": family_share(plain_tops, single.families),
        "judge_acc_decoded": family_share(decoded_tops, single.families),
        "clap_family_acc": _nearest(
            networks, single.captions, [f[0] for f in single.families], centroids, names
        ),
        "wild_family_acc": _nearest(
            networks, [w["prompt"] for w in wild], [w["family"] for w in wild], centroids, names
        ),
    }


def family_centroids(networks: Networks, single: HeldOut) -> tuple[Tensor, list[str]]:
    """The audio tower's mean direction of each family [families, D], and their names."""
    names = sorted({families[0] for families in single.families})
    vectors = torch.cat(
        [
            networks.audio(log_mel(torch.from_numpy(single.samples[i : i + 16])))
            for i in range(0, len(single.samples), 16)
        ]
    )
    owner = torch.tensor([names.index(families[0]) for families in single.families])
    means = torch.stack([vectors[owner == i].mean(0) for i in range(len(names))])
    return F.normalize(means, dim=-1), names


def _nearest(
    networks: Networks,
    prompts: Sequence[str],
    families: Sequence[str],
    centroids: Tensor,
    names: Sequence[str],
) -> float:
    found = (networks.text(prompts) @ centroids.T).argmax(dim=1).tolist()
    return float(np.mean([names[i] == family for i, family in zip(found, families, strict=True)]))


def spread(held_out: HeldOut, count: int) -> list[int]:
    """`count` clips by number, going round the families so that each counts alike."""
    by_family: dict[str, list[int]] = {}
    for i, names in enumerate(held_out.families):
        by_family.setdefault(names[0], []).append(i)
    rows = [cycle(indices) for _, indices in sorted(by_family.items())]
    return list(islice((next(row) for row in cycle(rows)), count))


def spread_prompts(held_out: HeldOut, count: int) -> tuple[list[str], list[Sequence[str]]]:
    """The captions of `spread` with their families."""
    chosen = spread(held_out, count)
    return [held_out.captions[i] for i in chosen], [held_out.families[i] for i in chosen]
