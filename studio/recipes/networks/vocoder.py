"""Recipe 2: the vocoder (transformers' `SpeechT5HifiGan`), spectral losses first, adversarial after.

The discriminators look at magnitude spectrograms of three resolutions (UnivNet's, Jang et al. 2021, 2D
convolutions over log-magnitudes): on two cores they cost less than the generator, while HiFi-GAN's own
would cost ten times more.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

from studio.dsp.mel import log_mel
from studio.recipes.data.clips import Corpus
from studio.training.loop import LoopOptions, TrainState, run
from studio.training.precision import mixed_precision

CROP_SAMPLES = 9600
BATCH = 6
SPOKEN = 4  # crops of speech that come to each batch: half of them over one of the corpus
LOUDNESS = (0.25, 1.2)  # of the speech in them, against how it was read
BENEATH = (0.03, 0.6)  # and of what lies under it
ADVERSARIAL_FROM = 0.45  # share of the steps after which the discriminators join
LEARNING_RATE = 1e-3
GOING_ON = 0.3  # of the learning rate where a trained vocoder goes on, with the discriminators from the start
DISCRIMINATED_EVERY = (
    2  # steps to one of the discriminators', which cost as much as the generator's forward pass
)
STATE_NAME = "judges"  # of the discriminators, in what runs save
RESOLUTIONS = ((1024, 256), (512, 128), (256, 64))  # (n_fft, hop) of the discriminators
LOSS_RESOLUTIONS = ((2048, 512), *RESOLUTIONS)  # the first tells low tones from what lies between them
TONAL = frozenset({"alarm", "siren", "arpeggio", "pad", "bell", "drums", "bees", "birds", "crickets"})
TONAL_SHARE = 0.5  # of each batch, drawn from clips that hold one of these: tones are learned last
MEL_WEIGHT, STFT_WEIGHT, FEATURE_WEIGHT = 4.0, 2.0, 1.0


def build_vocoder() -> SpeechT5HifiGan:
    """The pocket architecture: 160 samples a mel frame in four stages."""
    config = SpeechT5HifiGanConfig(
        model_in_dim=64,
        sampling_rate=16000,
        upsample_initial_channel=256,
        upsample_rates=[5, 4, 4, 2],
        upsample_kernel_sizes=[15, 8, 8, 4],
        resblock_kernel_sizes=[3, 7],
        resblock_dilation_sizes=[[1, 3, 5], [1, 3, 5]],
        normalize_before=True,
    )
    vocoder = SpeechT5HifiGan(config)
    for module in vocoder.modules():
        if isinstance(module, (nn.Conv1d, nn.ConvTranspose1d)):
            module.reset_parameters()  # transformers' own 0.01 needs weight norm to get going
    return vocoder


def set_statistics(vocoder: SpeechT5HifiGan, corpus: Corpus) -> None:
    """Let the vocoder standardise its log-mels, band by band, by the corpus's own statistics."""
    mel = log_mel(corpus.crops(torch.Generator().manual_seed(0), 256, 16000)[0])
    vocoder.mean.copy_(mel.mean(dim=(0, 1)))
    vocoder.scale.copy_(mel.std(dim=(0, 1)))


def magnitude(samples: Tensor, n_fft: int, hop: int) -> Tensor:
    """Samples [B, n] → STFT magnitude [B, bins, frames]."""
    window = torch.hann_window(n_fft, device=samples.device)
    spectrum = torch.stft(samples, n_fft, hop, window=window, return_complex=True)
    return torch.sqrt(spectrum.real**2 + spectrum.imag**2 + 1e-9)


def convergence(made: Tensor, real: Tensor) -> Tensor:
    """Spectral convergence of magnitudes [B, bins, frames], each clip's own, averaged.

    Over the whole batch the loudest clip would be all that it hears. It asks for the few bins of a tone,
    which an average over all bins overlooks.
    """
    missed = (real - made).flatten(1).norm(dim=1)
    return (missed / real.flatten(1).norm(dim=1).clamp(min=1e-2)).mean()


def spectral_loss(made: Tensor, real: Tensor, floor: float = 1e-5) -> Tensor:
    """Multi-resolution STFT loss: spectral convergence plus log-magnitude L1 (Yamamoto et al. 2020).

    `floor` is the magnitude below which differences count little.
    """
    total = made.new_zeros(())
    for n_fft, hop in LOSS_RESOLUTIONS:
        a, b = magnitude(made, n_fft, hop), magnitude(real, n_fft, hop)
        total = total + convergence(a, b)
        total = total + (torch.log(a + floor) - torch.log(b + floor)).abs().mean()
    return total / len(LOSS_RESOLUTIONS)


class SpectrogramDiscriminator(nn.Module):
    """Real or made, per patch of one resolution's log-magnitude spectrogram."""

    def __init__(self, n_fft: int, hop: int, channels: int = 16) -> None:
        super().__init__()
        self.n_fft, self.hop = n_fft, hop
        shapes = [
            (1, channels, (1, 1)),
            (channels, channels, (2, 1)),
            (channels, 2 * channels, (2, 2)),
            (2 * channels, 2 * channels, (2, 1)),
        ]
        self.layers = nn.ModuleList(
            nn.utils.parametrizations.weight_norm(nn.Conv2d(i, o, (5, 3), stride, padding=(2, 1)))
            for i, o, stride in shapes
        )
        self.head = nn.utils.parametrizations.weight_norm(nn.Conv2d(2 * channels, 1, 3, padding=1))

    def forward(self, samples: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Samples [B, n] → patch scores and the features of every layer."""
        x = torch.log(magnitude(samples, self.n_fft, self.hop) + 1e-4)[:, None]
        features = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
            features.append(x)
        return self.head(x), features


class Adversary:
    """The discriminators of all resolutions, which join at step `starts_at` and then learn beside."""

    def __init__(self, starts_at: int, device: str) -> None:
        self._starts_at = starts_at
        self.discriminators = nn.ModuleList(SpectrogramDiscriminator(*shape) for shape in RESOLUTIONS).to(
            device
        )
        self.optimizer = torch.optim.AdamW(
            self.discriminators.parameters(), lr=4e-4, betas=(0.8, 0.99), weight_decay=1e-3
        )

    def loss(self, number: int, made: Tensor, real: Tensor, figures: dict[str, float]) -> Tensor:
        """What the generator owes them at step `number`; their own loss, when they learn, is a figure."""
        if number < self._starts_at:
            return made.new_zeros(())
        if number % DISCRIMINATED_EVERY == 0:
            figures["judge"] = _discriminator_step(self.discriminators, self.optimizer, made.detach(), real)
        return _adversarial_loss(self.discriminators, made, real)


def spoken_crops(generator: torch.Generator, speech: Corpus, corpus: Corpus) -> Tensor:
    """Crops of speech, of many levels [SPOKEN, CROP_SAMPLES]; the second half over crops of the corpus."""

    def levels(count: int, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, 1, generator=generator)

    voices = speech.crops(generator, SPOKEN, CROP_SAMPLES)[0] * levels(SPOKEN, *LOUDNESS)
    over = SPOKEN // 2
    under = corpus.crops(generator, over, CROP_SAMPLES)[0] * levels(over, *BENEATH)
    return torch.cat([voices[over:], voices[:over] + under]).clamp(-1.0, 1.0)


def train_vocoder(
    corpus: Corpus,
    options: LoopOptions,
    init: Path | None = None,
    device: str = "cpu",
    *,
    speech: Corpus | None = None,
) -> SpeechT5HifiGan:
    """Train on random crops of the corpus, and of speech beside it (log-mel → samples).

    Returns the averaged generator.
    """
    torch.manual_seed(options.seed)
    if init:
        vocoder = SpeechT5HifiGan.from_pretrained(init, dtype=torch.float32)
    else:
        vocoder = build_vocoder()
        set_statistics(vocoder, corpus)
    vocoder.to(device).train()
    adversary = Adversary(0 if init else int(options.steps * ADVERSARIAL_FROM), device)
    lr = GOING_ON * LEARNING_RATE if init else LEARNING_RATE
    optimizers = {
        "vocoder": torch.optim.AdamW(vocoder.parameters(), lr=lr, betas=(0.8, 0.99), weight_decay=1e-3),
        STATE_NAME: adversary.optimizer,
    }
    state = TrainState(vocoder, optimizers, {STATE_NAME: adversary.discriminators}, ema_decay=0.995)
    tonal = corpus.holding(TONAL) or None  # a corpus without tones: all of it
    tonal_crops = round(BATCH * TONAL_SHARE)

    def step(number: int, generator: torch.Generator) -> dict[str, float]:
        tones = corpus.crops(generator, tonal_crops, CROP_SAMPLES, tonal)[0]
        others = corpus.crops(generator, BATCH - tonal_crops, CROP_SAMPLES)[0]
        spoken = [spoken_crops(generator, speech, corpus)] if speech else []
        real = torch.cat([tones, others, *spoken]).to(device)
        mel = log_mel(real)
        with mixed_precision(device):
            made = vocoder(mel)
        made = made.float()
        figures: dict[str, float] = {}
        mel_l1 = (log_mel(made) - mel).abs().mean()
        loss = MEL_WEIGHT * mel_l1 + STFT_WEIGHT * spectral_loss(made, real)
        loss = loss + adversary.loss(number, made, real, figures)
        optimizers["vocoder"].zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vocoder.parameters(), 5.0)
        optimizers["vocoder"].step()
        return {"mel_l1": mel_l1.item(), "loss": loss.item(), **figures}

    run(state, step, options, "vocoder")
    return cast(SpeechT5HifiGan, state.ema.eval())


def _discriminator_step(
    discriminators: nn.ModuleList, optimizer: torch.optim.Optimizer, made: Tensor, real: Tensor
) -> float:
    """One least-squares step of the discriminators (Mao et al. 2017)."""
    loss = sum(
        ((discriminator(real)[0] - 1) ** 2).mean() + (discriminator(made)[0] ** 2).mean()
        for discriminator in discriminators
    )
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return float(loss.detach())


def _adversarial_loss(discriminators: nn.ModuleList, made: Tensor, real: Tensor) -> Tensor:
    """What the generator owes the discriminators: fooled scores and matched features."""
    total = made.new_zeros(())
    for discriminator in discriminators:
        score, features = discriminator(made)
        with torch.no_grad():
            wanted = discriminator(real)[1]
        total = total + ((score - 1) ** 2).mean()
        total = total + FEATURE_WEIGHT * sum(
            (a - b).abs().mean() for a, b in zip(features, wanted, strict=True)
        ) / len(features)
    return total
