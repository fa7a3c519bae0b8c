"""Tiny checkpoints with random weights, in the real ones' formats."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import (
    AudioLDM2Pipeline,
    AudioLDM2ProjectionModel,
    AudioLDM2UNet2DConditionModel,
    AudioLDMPipeline,
    AutoencoderKL,
    DDIMScheduler,
    UNet2DConditionModel,
)
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    ClapAudioConfig,
    ClapConfig,
    ClapFeatureExtractor,
    ClapModel,
    ClapTextConfig,
    ClapTextModelWithProjection,
    GPT2Config,
    GPT2LMHeadModel,
    RobertaTokenizer,
    SpeechT5Config,
    SpeechT5HifiGan,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)
from transformers.models.speecht5.configuration_speecht5 import SpeechT5HifiGanConfig

from studio.modules.acoustic_branch import AcousticBranch
from studio.modules.acoustic_context import AcousticContext
from studio.modules.durator import Durator
from studio.modules.letters import model_of
from studio.modules.speech_encoder import SpeechEncoder, sinusoids

EMBEDDING = 32
SPECIAL = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}


def make_tokenizer(folder: Path) -> RobertaTokenizer:
    """A byte-level BPE without merges: every byte is a token."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = SPECIAL | {letter: len(SPECIAL) + i for i, letter in enumerate(alphabet)} | {"<mask>": 260}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    return RobertaTokenizer(tokenizer_file=str(folder / "tokenizer.json"), model_max_length=EMBEDDING)


def make_vae(*, attention: bool = False) -> AutoencoderKL:
    return AutoencoderKL(
        in_channels=1, out_channels=1, latent_channels=8, block_out_channels=(8, 16, 16), layers_per_block=1,
        down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3,
        norm_num_groups=4, scaling_factor=0.9, mid_block_add_attention=attention,
    )  # fmt: skip


def make_vocoder() -> SpeechT5HifiGan:
    config = SpeechT5HifiGanConfig(
        model_in_dim=64, sampling_rate=16000, upsample_initial_channel=32, upsample_rates=[5, 4, 4, 2],
        upsample_kernel_sizes=[16, 16, 8, 4], resblock_kernel_sizes=[3, 7],
        resblock_dilation_sizes=[[1, 3, 5], [1, 3, 5]], normalize_before=True,
    )  # fmt: skip
    vocoder = SpeechT5HifiGan(config)
    # transformers' own initialisation is so small that every output would be alike.
    for parameter in vocoder.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=1.2 / parameter[0].numel() ** 0.5)
    vocoder.mean.fill_(-0.1)
    vocoder.scale.fill_(1.5)
    return vocoder.eval()


def make_unet() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=16, in_channels=8, out_channels=8, block_out_channels=(16, 32), layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), cross_attention_dim=[16, 32],
        class_embed_type="simple_projection", projection_class_embeddings_input_dim=EMBEDDING,
        class_embeddings_concat=True, attention_head_dim=8, norm_num_groups=8,
    )  # fmt: skip


def make_scheduler() -> DDIMScheduler:
    return DDIMScheduler(
        beta_start=0.0015, beta_end=0.0195, beta_schedule="scaled_linear", clip_sample=False,
        set_alpha_to_one=False, steps_offset=1,
    )  # fmt: skip


def make_text_config() -> ClapTextConfig:
    return ClapTextConfig(
        vocab_size=261, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=37,
        max_position_embeddings=EMBEDDING + 2, projection_dim=EMBEDDING,
    )  # fmt: skip


def make_pipeline(folder: Path) -> AudioLDMPipeline:
    torch.manual_seed(0)
    tokenizer = make_tokenizer(folder / "tokenizer-source")
    text_encoder = ClapTextModelWithProjection(make_text_config()).eval()
    return AudioLDMPipeline(
        vae=make_vae().eval(), text_encoder=text_encoder, tokenizer=tokenizer, unet=make_unet().eval(),
        scheduler=make_scheduler(), vocoder=make_vocoder(),
    )  # fmt: skip


def make_t5_tokenizer() -> T5Tokenizer:
    """Unigrams of single letters and a few words."""
    words = ["▁", *"abcdefghijklmnopqrstuvwxyz", "▁heavy", "▁rain", "▁a", "▁dog"]
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((word, -2.0 - len(words)) for word in words)]
    return T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=EMBEDDING)


def make_clap() -> ClapModel:
    audio = ClapAudioConfig(
        patch_embeds_hidden_size=8, depths=[1, 1], num_attention_heads=[1, 1], hidden_size=16,
        num_hidden_layers=2, window_size=2, spec_size=16, num_mel_bins=16, projection_dim=EMBEDDING,
    )  # fmt: skip
    config = ClapConfig(
        text_config=make_text_config().to_dict(), audio_config=audio.to_dict(), projection_dim=EMBEDDING
    )
    return ClapModel(config).eval()


def make_pipeline2(folder: Path) -> AudioLDM2Pipeline:
    torch.manual_seed(0)
    tokenizer = make_tokenizer(folder / "tokenizer-source")
    t5_config = T5Config(vocab_size=64, d_model=24, d_kv=8, d_ff=32, num_layers=2, num_heads=2)
    gpt2 = GPT2LMHeadModel(GPT2Config(vocab_size=8, n_positions=128, n_embd=16, n_layer=2, n_head=2)).eval()
    gpt2.config.max_new_tokens = 8
    unet = AudioLDM2UNet2DConditionModel(
        sample_size=16, in_channels=8, out_channels=8, block_out_channels=(16, 32), layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=((None, 16, 24), (None, 16, 24)), attention_head_dim=8, norm_num_groups=8,
    ).eval()  # fmt: skip
    return AudioLDM2Pipeline(
        vae=make_vae().eval(), text_encoder=make_clap(),
        text_encoder_2=T5EncoderModel(t5_config).eval(),
        projection_model=AudioLDM2ProjectionModel(EMBEDDING, 24, 16).eval(), language_model=gpt2,
        tokenizer=tokenizer, tokenizer_2=make_t5_tokenizer(), feature_extractor=ClapFeatureExtractor(),
        unet=unet, scheduler=make_scheduler(), vocoder=make_vocoder(),
    )  # fmt: skip


@pytest.fixture(scope="session")
def tiny_folder2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`AudioLDM2Pipeline.save_pretrained` of a tiny random model; copy it before changing it."""
    root = tmp_path_factory.mktemp("audioldm2")
    make_pipeline2(root).save_pretrained(root / "tiny2")
    return root / "tiny2"


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`AudioLDMPipeline.save_pretrained` of a tiny random model; copy it before changing it."""
    root = tmp_path_factory.mktemp("audioldm")
    make_pipeline(root).save_pretrained(root / "tiny")
    return root / "tiny"


def make_tango(folder: Path) -> Path:
    """A tiny random TANGO in diffusers' layout, with Stable Diffusion 2.1's schedule."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=16, in_channels=8, out_channels=8, block_out_channels=(16, 32), layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), cross_attention_dim=24,
        attention_head_dim=(2, 4), norm_num_groups=8, use_linear_projection=True, upcast_attention=True,
    )  # fmt: skip
    t5 = T5EncoderModel(T5Config(vocab_size=64, d_model=24, d_kv=8, d_ff=32, num_layers=2, num_heads=2))
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False,
        set_alpha_to_one=False, steps_offset=1, prediction_type="v_prediction",
    )  # fmt: skip
    parts = {
        "unet": unet, "text_encoder": t5, "tokenizer": make_t5_tokenizer(), "vae": make_vae(),
        "vocoder": make_vocoder(), "scheduler": scheduler,
    }  # fmt: skip
    for name, part in parts.items():
        part.save_pretrained(folder / name)
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "TangoPipeline"}))
    return folder


def make_dcldm(tango: Path, folder: Path) -> Path:
    """A DC-LDM made from a TANGO, its branch fresh."""
    shutil.copytree(tango, folder)
    branch = AcousticBranch.for_unet(UNet2DConditionModel.from_pretrained(folder / "unet"))
    branch.save_pretrained(folder / "acoustic_branch")
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "DcLdmPipeline"}))
    return folder


def make_ldm_ag(tango: Path, folder: Path, encoding: str = "AG") -> Path:
    """An LDM w/ AG made from a TANGO, its projection fresh; it has no text encoder."""
    shutil.copytree(tango, folder, ignore=lambda *_: ["text_encoder", "tokenizer"])
    torch.manual_seed(0)
    context = AcousticContext.for_unet(UNet2DConditionModel.from_pretrained(folder / "unet"), encoding)
    context.save_pretrained(folder / "acoustic_context")
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "LdmAgPipeline"}))
    return folder


def wake(dcldm: Path, encoding: str = "AG") -> Path:
    """Give a fresh DC-LDM's branch a last projection that says something of what it hears."""
    branch = AcousticBranch.from_pretrained(dcldm / "acoustic_branch")
    branch.register_to_config(encoding=encoding)
    for name, parameter in branch.named_parameters():
        if ".proj_out." in name:
            torch.nn.init.normal_(parameter, std=0.1)
    branch.save_pretrained(dcldm / "acoustic_branch")
    return dcldm


CONTENT = 24  # width of content frames


def make_voiceldm(folder: Path, *, band: int | None = None, suffix: str = "ckpt") -> Path:
    """A tiny random VoiceLDM as its authors publish theirs: one file, and what it needs beside it.

    With a `band` its U-Net attends to the content around each frame; without, to all of it.
    """
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=16, in_channels=8, out_channels=8, block_out_channels=(16, 32), layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), cross_attention_dim=CONTENT,
        class_embed_type="simple_projection", projection_class_embeddings_input_dim=EMBEDDING,
        class_embeddings_concat=True, attention_head_dim=8, norm_num_groups=8,
    )  # fmt: skip
    speech = SpeechT5Config(
        vocab_size=40, hidden_size=CONTENT, encoder_layers=2, encoder_attention_heads=2, encoder_ffn_dim=32,
        encoder_max_relative_position=8, max_text_positions=60,
    )  # fmt: skip
    encoder, durator = SpeechEncoder(speech), Durator(CONTENT)
    torch.nn.init.constant_(durator.dp.proj.bias, 1.2)  # some three frames a letter
    parts = {"unet.": unet, "durator.": durator, "text_encoder.encoder.": encoder}
    state = {
        prefix + name: value for prefix, part in parts.items() for name, value in part.state_dict().items()
    }
    state["text_encoder.encoder.prenet.encode_positions.pe"] = sinusoids(1000, CONTENT)[None]
    beside = {
        "clap": make_clap(), "vae": make_vae(), "vocoder": make_vocoder(), "scheduler": make_scheduler(),
        "speecht5": speech,
    }  # fmt: skip
    for name, part in beside.items():
        part.save_pretrained(folder / name)
    make_tokenizer(folder / "clap").save_pretrained(folder / "clap")
    unet.register_to_config(**({} if band is None else {"content_band": band}))
    unet.save_config(folder / "unet")
    (folder / "tokenizer").mkdir()
    (folder / "tokenizer" / "spm_char.model").write_bytes(model_of("abcdefghijklmnopqrstuvwxyz'.,!?-"))
    file = folder / f"voiceldm-tiny.{suffix}"
    torch.save(state, file) if suffix == "ckpt" else save_file(state, file)
    return folder


@pytest.fixture(scope="session", params=[None, 4], ids=["published", "band"])
def voiceldm_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random VoiceLDM, without a band and with one; copy it before changing it."""
    return make_voiceldm(tmp_path_factory.mktemp("voiceldm") / "tiny", band=request.param)
