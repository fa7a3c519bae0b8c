"""Recipe 8: the EnCodec (Défossez et al. 2022) whose tokens AudioGen speaks, by audiocraft's own modules.

A small codec left to itself collapses to a few codes, or learns nothing in an evening. So its latents are
told what to be: 128 numbers, 50 times a second, are just two frames of 64 log-mel bands. At first the encoder
learns to say these, and the decoder, as a vocoder, to sound them; then the codebooks begin at the means of
what there is (k-means), codes that hardly anything is near to are drawn anew, and all learn together. The
losses are the vocoder's: log-mel, spectrograms of three resolutions, discriminators of these at the end.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from studio.backends.acoustic.audiocraft_shim import import_audiocraft
from studio.dsp.mel import log_mel
from studio.recipes.data.clips import Corpus
from studio.recipes.networks.vocoder import MEL_WEIGHT, STATE_NAME, STFT_WEIGHT, Adversary, spectral_loss
from studio.training.loop import LoopOptions, TrainState, run, step_generator
from studio.training.precision import mixed_precision

BATCH, CROP_SAMPLES = 8, 16000
QUANTISED_FROM, ADVERSARIAL_FROM = 0.45, 0.9  # shares of the steps
COMMITMENT_WEIGHT = 0.5
ANCHOR_WEIGHT, MEL_MIDDLE, MEL_SPREAD = 4.0, -3.0, 3.0  # log-mels, brought to about unit variance
TOLD_NOISE = 0.2  # on the latents that the decoder learns from at first
QUIET_MEL, QUIET_STFT = -7.0, 0.02  # below what is heard: no codec says nothing, and logarithms would insist
DEAD_BELOW = 0.3  # of a batch's 400 frames: a code that gets fewer, by moving average, is drawn anew
CODES, CODEBOOKS = 256, 4

# As audiocraft's own checkpoints hold it; no norm, for a moving average can't copy its weight norm.
CONFIG: dict[str, Any] = {
    "compression_model": "encodec",
    "device": "cpu",
    "encodec": {
        "autoencoder": "seanet", "quantizer": "rvq", "sample_rate": 16000, "channels": 1, "causal": False,
    },
    "seanet": {
        "channels": 1, "dimension": 128, "n_filters": 16, "n_residual_layers": 1, "ratios": [8, 5, 4, 2],
        "lstm": 1, "norm": "none", "causal": False, "pad_mode": "constant", "encoder": {}, "decoder": {},
    },
    "rvq": {
        "n_q": CODEBOOKS, "bins": CODES, "kmeans_init": True, "kmeans_iters": 20, "decay": 0.98,
        "threshold_ema_dead_code": DEAD_BELOW,
    },
}  # fmt: skip


def build_encodec(config: dict[str, Any] = CONFIG) -> Any:
    """An audiocraft `EncodecModel` of that config.

    Raises:
        ModelNotFoundError: audiocraft is not installed.
    """
    import_audiocraft()
    from audiocraft.models import builders
    from omegaconf import OmegaConf

    return builders.get_compression_model(OmegaConf.create(config))


@torch.no_grad()
def set_scales(codec: Any, samples: Tensor) -> None:
    """Scale each convolution so that `samples` [B, n] leave it with unit variance (Mishkin & Matas 2016).

    torch's own beginning lets sound fade to nothing on its way through twenty layers without norms, and
    what is learned from there on is silence. The last convolution gives sound as loud as it came.
    """
    last = [module for module in codec.decoder.modules() if isinstance(module, nn.Conv1d)][-1]

    def scale(module: nn.Module, _: Any, output: Tensor) -> Tensor:
        factor = (float(samples.std()) if module is last else 1.0) / output.std().clamp(min=1e-6)
        for parameter in module.parameters():
            parameter.mul_(factor)
        return output * factor

    convolutions = [m for m in codec.modules() if isinstance(m, (nn.Conv1d, nn.ConvTranspose1d))]
    hooks = [module.register_forward_hook(scale) for module in convolutions]
    codec.decoder(codec.encoder(samples[:, None]))
    for hook in hooks:
        hook.remove()


def train_encodec(corpus: Corpus, options: LoopOptions, device: str = "cpu") -> Any:
    """Train on random seconds of the corpus; returns the averaged model."""
    torch.manual_seed(options.seed)
    codec = build_encodec().to(device).train()
    set_scales(codec, corpus.crops(step_generator(options.seed, 0), BATCH, CROP_SAMPLES)[0].to(device))
    adversary = Adversary(int(options.steps * ADVERSARIAL_FROM), device)
    optimizers = {
        "codec": torch.optim.AdamW(codec.parameters(), lr=1e-3, betas=(0.8, 0.99), weight_decay=1e-3),
        STATE_NAME: adversary.optimizer,
    }
    state = TrainState(codec, optimizers, {STATE_NAME: adversary.discriminators}, ema_decay=0.995)
    quantised_from = int(options.steps * QUANTISED_FROM)

    def step(number: int, generator: torch.Generator) -> dict[str, float]:
        real = corpus.crops(generator, BATCH, CROP_SAMPLES)[0].to(device)
        figures: dict[str, float] = {}
        mel = log_mel(real).clamp(min=QUIET_MEL)
        anchor = anchors(mel)
        with mixed_precision(device):
            latents = codec.encoder(real[:, None])
        latents = latents.float()
        missed = (latents - anchor).square().mean()
        if number < quantised_from:
            told = anchor + TOLD_NOISE * torch.randn(anchor.shape, generator=generator).to(device)
            commitment = real.new_zeros(())
        else:
            torch.manual_seed(options.seed + number)  # codes are drawn anew from the global generator
            result = codec.quantizer(latents, codec.frame_rate)
            told, commitment = result.x, result.penalty
            figures["codes"] = float(min(len(codes.unique()) for codes in result.codes.unbind(1)))
        with mixed_precision(device):
            made = codec.decoder(told)[:, 0, :CROP_SAMPLES]
        made = made.float()
        mel_l1 = (log_mel(made).clamp(min=QUIET_MEL) - mel).abs().mean()
        loss = (
            ANCHOR_WEIGHT * missed + MEL_WEIGHT * mel_l1 + STFT_WEIGHT * spectral_loss(made, real, QUIET_STFT)
        )
        loss = loss + COMMITMENT_WEIGHT * commitment
        with mixed_precision(device):
            loss = loss + adversary.loss(number, made, real, figures)
        optimizers["codec"].zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(codec.parameters(), 5.0)
        optimizers["codec"].step()
        return {"mel_l1": mel_l1.item(), "missed": missed.item(), **figures}

    run(state, step, options, "encodec")
    return state.ema.eval()


def anchors(mel: Tensor) -> Tensor:
    """Log-mels [B, 100 a second, 64] → what latents [B, 128, 50 a second] are to say: two frames each."""
    pairs = mel.unflatten(1, (-1, 2)).flatten(2)
    return (pairs.transpose(1, 2) - MEL_MIDDLE) / MEL_SPREAD


def save_audiocraft(model: nn.Module, config: dict[str, Any], path: Path) -> None:
    """Write a model as audiocraft exports it, in float16; its loaders open the file."""
    from omegaconf import OmegaConf

    half = {
        name: value.half() if value.is_floating_point() else value
        for name, value in model.state_dict().items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"best_state": half, "xp.cfg": OmegaConf.to_yaml(OmegaConf.create(config))}, path)


def transformers_config(config: dict[str, Any] = CONFIG) -> Any:
    """The codec's `EncodecConfig`, by which `backends.acoustic.codec` opens the file without audiocraft."""
    from transformers import EncodecConfig

    seanet, rvq = config["seanet"], config["rvq"]
    rate_hz = config["encodec"]["sample_rate"] / math.prod(seanet["ratios"])
    return EncodecConfig(
        target_bandwidths=[rvq["n_q"] * rate_hz * math.log2(rvq["bins"]) / 1000],
        sampling_rate=config["encodec"]["sample_rate"],
        audio_channels=seanet["channels"],
        normalize=False,
        num_filters=seanet["n_filters"],
        num_residual_layers=seanet["n_residual_layers"],
        upsampling_ratios=seanet["ratios"],
        num_lstm_layers=seanet["lstm"],
        use_causal_conv=seanet["causal"],
        pad_mode=seanet["pad_mode"],
        codebook_size=rvq["bins"],
        codebook_dim=seanet["dimension"],
        hidden_size=seanet["dimension"],
        use_conv_shortcut=False,
    )
