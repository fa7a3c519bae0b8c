"""TANGO's own checkpoint layout: every tensor finds its place, and what does not fit is named."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig, T5Config, T5EncoderModel

from studio.backends import catalog, checkpoint
from studio.backends.registry import REGISTRY
from studio.backends.systems import tango, tango_published
from studio.backends.systems.tango import TangoBackend
from studio.core.errors import ModelNotFoundError, WeightsError
from studio.core.request import ModelChoice
from studio.core.settings import Settings
from tests.backends.conftest import make_t5_tokenizer
from tests.backends.damage import FILES, Damage

T5_NAME = "google/tiny-t5"
VOCODER = {
    **tango_published.VOCODER_CONFIG, "upsample_initial_channel": 32, "upsample_rates": [5, 4, 4, 2],
    "upsample_kernel_sizes": [16, 16, 8, 4], "resblock_kernel_sizes": [3],
    "resblock_dilation_sizes": [[1, 3, 5]],
}  # fmt: skip
DDCONFIG = {
    "double_z": True, "z_channels": 8, "in_channels": 1, "out_ch": 1, "ch": 32, "ch_mult": [1, 2, 2],
    "num_res_blocks": 1, "attn_resolutions": [],
}  # fmt: skip
ORIGINAL_NAMES = (
    (r"down_blocks\.(\d)\.resnets\.", r"down.\1.block."),
    (r"down_blocks\.(\d)\.downsamplers\.0\.", r"down.\1.downsample."),
    (r"mid_block\.resnets\.0\.", "mid.block_1."),
    (r"mid_block\.resnets\.1\.", "mid.block_2."),
    (r"mid_block\.attentions\.0\.", "mid.attn_1."),
    (r"attn_1\.group_norm", "attn_1.norm"),
    (r"attn_1\.to_([qkv])", r"attn_1.\1"),
    (r"attn_1\.to_out\.0", "attn_1.proj_out"),
    ("conv_shortcut", "nin_shortcut"),
    ("conv_norm_out", "norm_out"),
)


def tiny_unet() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=16, in_channels=8, out_channels=8, block_out_channels=(16, 32), layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), cross_attention_dim=24,
        attention_head_dim=(2, 4), norm_num_groups=8, use_linear_projection=True,
    )  # fmt: skip


def original_vae_names(vae: AutoencoderKL) -> dict[str, torch.Tensor]:
    """A diffusers autoencoder under the names that latent-diffusion's code gives its parts."""
    renamed, last = {}, len(DDCONFIG["ch_mult"]) - 1  # type: ignore[arg-type]
    for name, value in vae.state_dict().items():
        for pattern, place in ORIGINAL_NAMES:
            name = re.sub(pattern, place, name)
        name = re.sub(
            r"up_blocks\.(\d)\.(resnets|upsamplers\.0)\.",
            lambda m: f"up.{last - int(m[1])}.{'block' if m[2] == 'resnets' else 'upsample'}.",
            name,
        )
        convolution = ".attn_1." in name and name.endswith("weight") and ".norm." not in name
        renamed[name] = value[:, :, None, None] if convolution else value
    return renamed


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random checkpoint as TANGO's authors write one, T5's config and vocabulary beside it."""
    folder = tmp_path_factory.mktemp("published") / "tango"
    torch.manual_seed(0)
    t5 = T5EncoderModel(T5Config(vocab_size=64, d_model=24, d_kv=8, d_ff=32, num_layers=2, num_heads=2))
    t5.config.save_pretrained(folder / T5_NAME)
    make_t5_tokenizer().save_pretrained(folder / T5_NAME)
    vae = AutoencoderKL(
        in_channels=1, out_channels=1, latent_channels=8, block_out_channels=(32, 64, 64), layers_per_block=1,
        down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3,
    )  # fmt: skip
    vocoder = SpeechT5HifiGan(SpeechT5HifiGanConfig(**VOCODER))
    parts = {"unet": tiny_unet(), "text_encoder": t5}
    main = {f"{part}.{name}": v for part, net in parts.items() for name, v in net.state_dict().items()}
    torch.save(main, folder / checkpoint.PUBLISHED_FILES[0])
    sound = original_vae_names(vae) | {
        f"vocoder.{name.replace('upsampler', 'ups')}": value
        for name, value in vocoder.state_dict().items()
        if name not in {"mean", "scale"}
    }
    torch.save(sound, folder / checkpoint.PUBLISHED_FILES[1])
    vae_config = {"ddconfig": DDCONFIG, "embed_dim": 8, "scale_factor": 0.9}
    (folder / "vae_config.json").write_text(json.dumps(vae_config))
    (folder / "main_config.json").write_text(json.dumps({"text_encoder_name": T5_NAME}))
    torch.save({"vae": vae.state_dict(), "vocoder": vocoder.state_dict()}, folder.parent / "meant.pt")
    return folder


@pytest.fixture(autouse=True)
def tiny_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tango_published, "tango_unet", tiny_unet)
    monkeypatch.setattr(tango_published, "VOCODER_CONFIG", VOCODER)


def test_every_tensor_finds_its_place(published: Path) -> None:
    networks = tango_published.networks(published, "cpu", "float32")
    meant = torch.load(published.parent / "meant.pt", weights_only=True)
    for part in ("vae", "vocoder"):
        made = networks[part].state_dict()
        assert made.keys() == meant[part].keys()
        for name, value in made.items():
            assert torch.equal(value, meant[part][name]), name
    main = torch.load(published / checkpoint.PUBLISHED_FILES[0], weights_only=True)
    for part in ("unet", "text_encoder"):
        for name, value in networks[part].state_dict().items():
            assert torch.equal(value, main[f"{part}.{name}"]), name
    assert networks["vae"].config.scaling_factor == 0.9
    assert networks["schedule"].prediction_type == "v_prediction"


def test_networks_are_made_of_the_files_tensors_themselves(
    published: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Built without memory of their own, and nothing is said about it."""
    built, read = [], []
    original = torch.load

    def build() -> UNet2DConditionModel:
        built.append(tiny_unet())
        assert all(parameter.is_meta for parameter in built[-1].parameters())
        return built[-1]

    def load(*args: Any, **options: Any) -> dict[str, torch.Tensor]:
        assert options["weights_only"] is True
        state = original(*args, **options)
        read.extend(value.data_ptr() for value in state.values())
        return state

    monkeypatch.setattr(tango_published, "tango_unet", build)
    monkeypatch.setattr(torch, "load", load)
    networks = tango_published.networks(published, "cpu", "float32")
    assert len(built) == 1
    for part in ("unet", "text_encoder"):
        assert {parameter.data_ptr() for parameter in networks[part].parameters()} <= set(read)
    monkeypatch.undo()
    said = capfd.readouterr()
    assert said.out == ""
    assert "to()" not in said.err


@pytest.mark.parametrize("name", [*checkpoint.PUBLISHED_FILES, *checkpoint.PUBLISHED_CONFIGS])
@pytest.mark.parametrize("damage", FILES)
def test_files_that_are_none(published: Path, tmp_path: Path, name: str, damage: Damage) -> None:
    folder = Path(shutil.copytree(published, tmp_path / "bad"))
    damage(folder / name)
    if checkpoint.is_published_tango(folder):
        assert catalog.verify(folder)
    with pytest.raises(WeightsError) as caught:
        tango.load(folder, "cpu")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("key", ["ch", "ch_mult", "num_res_blocks", "z_channels", "in_channels", "out_ch"])
@pytest.mark.parametrize("value", [0, -1, 10**9, "8", None, [10**9], 1e300])
def test_any_value_in_the_vaes_config(published: Path, tmp_path: Path, key: str, value: object) -> None:
    folder = Path(shutil.copytree(published, tmp_path / "bad"))
    config = {"ddconfig": {**DDCONFIG, key: value}, "scale_factor": 0.9}
    (folder / "vae_config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsError):
        tango.load(folder, "cpu")


@pytest.mark.parametrize(
    "state", [[], {"a": 5}, {5: torch.zeros(1)}, {"unet.conv_in.weight": torch.ones(1, dtype=int)}]
)
def test_pickles_that_hold_no_weights(published: Path, tmp_path: Path, state: object) -> None:
    folder = Path(shutil.copytree(published, tmp_path / "bad"))
    torch.save(state, folder / checkpoint.PUBLISHED_FILES[0])
    with pytest.raises(WeightsError):
        tango.load(folder, "cpu")


def test_its_text_encoder_is_no_name_of_just_any_repository(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(*_: Any, **__: Any) -> str:
        raise AssertionError("the Hub is asked")

    monkeypatch.setattr("huggingface_hub.snapshot_download", ask)
    folder = Path(shutil.copytree(published, tmp_path / "bad"))
    for name in ("evil/repo", "/etc", "../published/google/tiny-t5", "google/flan-t5-large/../x", 5, None):
        (folder / "main_config.json").write_text(json.dumps({"text_encoder_name": name}))
        with pytest.raises(ModelNotFoundError, match="config and vocabulary"):
            tango.load(folder, "cpu")


def test_the_catalog_opens_it_and_it_speaks(published: Path) -> None:
    assert REGISTRY.system_of(published).name == "tango"
    assert catalog.verify(published) == []
    choice = ModelChoice(id=str(published), device="cpu", dtype="float32")
    backend = catalog.create_backend(choice, Settings())
    assert isinstance(backend, TangoBackend)
    latents = torch.randn(1, 8, 16, 16, generator=torch.Generator().manual_seed(0))
    noise = backend.predict_noise(latents, torch.tensor([500]), 0, backend.encode_text(["heavy rain"]))
    assert noise.shape == latents.shape
    assert backend.decode(latents).shape == (16 * 640,)
    backend.unload()


def test_what_is_damaged_or_of_another_kind_is_named(published: Path, tmp_path: Path) -> None:
    main, sound = checkpoint.PUBLISHED_FILES
    folder = shutil.copytree(published, tmp_path / "a")
    (folder / main).write_bytes((folder / main).read_bytes()[:1000])
    with pytest.raises(WeightsError, match="truncated"):
        tango.load(folder, "cpu")
    folder = shutil.copytree(published, tmp_path / "b")
    state = torch.load(folder / main, weights_only=True)
    torch.save({**state, "unet.conv_in.weight": torch.zeros(4, 8, 3, 3)}, folder / main)
    with pytest.raises(WeightsError, match=r"conv_in\.weight is \(4, 8, 3, 3\)"):
        tango.load(folder, "cpu")
    folder = shutil.copytree(published, tmp_path / "c")
    state = torch.load(folder / sound, weights_only=True)
    del state["vocoder.conv_pre.weight"]
    torch.save(state, folder / sound)
    with pytest.raises(WeightsError, match=r"no conv_pre\.weight"):
        tango.load(folder, "cpu")


def test_without_its_text_encoder_one_is_told_what_to_do(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    folder = shutil.copytree(published, tmp_path / "a")
    for name in ("nobody/none", "../published", ""):
        (folder / "main_config.json").write_text(json.dumps({"text_encoder_name": name}))
        with pytest.raises(ModelNotFoundError, match="config and vocabulary"):
            tango.load(folder, "cpu")
