"""The recipe of the pocket TANGO, for a few steps on very little."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import T5Tokenizer

from studio.backends.checkpoint import AUDIOGEN_FILES, verify
from studio.backends.systems import dcldm, tango
from studio.modules.acoustic_branch import PLACEMENTS, AcousticBranch
from studio.recipes.networks.denoiser import SHORT
from studio.recipes.networks.tango import begin_from, build_tango, train_tango
from studio.recipes.networks.unet import build_unet
from studio.recipes.pocket.dual import _begin_dcldm, run_dcldm, run_tango
from studio.recipes.pocket.export import save_part
from studio.recipes.pocket.options import PocketOptions
from studio.recipes.text.t5 import train_t5_tokenizer
from studio.training.loop import LoopOptions
from tests.pipeline.drafting_fakes import FakeDrafter
from tests.recipes.pocket.test_audioldm2_recipe import POCKET, TEXTS, reading


def test_it_begins_with_audioldms_knowledge_and_no_ear_for_text() -> None:
    torch.manual_seed(1)
    ours, theirs = build_tango().eval(), build_unet()
    copied = begin_from(ours, theirs)
    assert torch.equal(ours.conv_in.weight, theirs.conv_in.weight)
    assert any(".attentions." in name for name in copied), "what sees itself at the lowest level"
    assert not any("attn2." in name for name in copied)
    latents = torch.randn(1, 8, 16, 16)
    says = [
        ours(latents, 500, encoder_hidden_states=torch.randn(1, 4, 128)).sample.detach() for _ in range(2)
    ]
    assert torch.equal(*says)


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_every_placement_of_the_paper_exists(placement: str) -> None:
    branch = AcousticBranch.for_unet(build_tango(), placement)
    assert set(branch.blocks) == set(placement.split("+"))


@pytest.mark.slow
@pytest.mark.skipif(not POCKET.is_dir(), reason="the pocket model is not shipped yet")
def test_the_recipe_resumes_and_its_folder_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for crop in ("SHORT", "MIDDLE", "LONG", "RAMP"):
        monkeypatch.setattr(f"studio.recipes.networks.denoiser.{crop}", SHORT._replace(batch=2, frames=32))
    options = PocketOptions(tmp_path / "runs", tmp_path / "pocket")
    (tmp_path / "pocket").mkdir()
    (tmp_path / "pocket" / "audioldm").symlink_to(POCKET)
    tokenizer: T5Tokenizer = train_t5_tokenizer(TEXTS * 10, options.t5)
    inputs = reading([["heavy rain"], ["light wind"], ["near birds"]], tokenizer)
    latents = np.random.default_rng(0).normal(size=(3, 8, 64, 16)).astype(np.float16)
    whole = train_tango(
        latents, inputs, LoopOptions(tmp_path / "a", 4, log_every=1), audioldm=POCKET / "unet"
    )
    for _ in range(6):
        part = LoopOptions(tmp_path / "b", 4, log_every=1, max_minutes=0)
        resumed = train_tango(latents, inputs, part, audioldm=POCKET / "unet")
    for (name, one), other in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        torch.testing.assert_close(one, other, msg=name)
    save_part(inputs.t5, options.t5)
    monkeypatch.setattr("studio.recipes.pocket.dual.train_corpus", lambda _: (None, None))
    monkeypatch.setattr("studio.recipes.pocket.dual.cache_latents", lambda *_: latents)
    monkeypatch.setattr("studio.recipes.pocket.dual.all_captions", lambda *_: [])
    monkeypatch.setattr("studio.recipes.pocket.dual.read_captions", lambda *_: inputs)
    monkeypatch.setattr("studio.recipes.pocket.dual.train_tango", lambda *_, **__: whole)
    run_tango(options)
    assert verify(options.tango) == []
    backend = tango.load(options.tango, "cpu", "float32")
    noise = backend.predict_noise(
        torch.randn(1, 8, 16, 16), torch.tensor([500]), 0, backend.encode_text(["heavy rain"])
    )
    assert torch.isfinite(noise).all()
    backend.unload()
    check_dcldm(PocketOptions(options.runs, options.out, scale=0.002), monkeypatch)


class FakeCorpus:
    """Three clips whose folder is all that is asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __len__(self) -> int:
        return 3


def check_dcldm(options: PocketOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    """DC-LDM begins from that TANGO, opens, and goes on from itself."""
    drafter = FakeDrafter(unconditional=np.arange(40, dtype=np.int16).reshape(4, 10))
    captions = [["heavy rain"], ["light wind"], ["near birds"]]
    monkeypatch.setattr("studio.recipes.pocket.dual.train_corpus", lambda _: (FakeCorpus(options.runs), None))
    monkeypatch.setattr("studio.recipes.pocket.dual.all_captions", lambda *_: captions)
    monkeypatch.setattr("studio.recipes.pocket.dual.load_audiogen", lambda *_: drafter)
    for name in AUDIOGEN_FILES:
        (options.audiogen / name).write_bytes(b"weights")
    run_dcldm(options)
    assert verify(options.dcldm) == []
    files = [
        path / "diffusion_pytorch_model.safetensors"
        for path in (options.tango / "unet", options.dcldm / "unet")
    ]
    before, after = (load_file(file) for file in files)
    assert any(not torch.equal(before[name], after[name]) for name in before), "the U-Net learns too"
    backend = dcldm.load(options.dcldm, "cpu", "float32")
    begun = backend.unet.conv_in.weight.clone()
    backend.unload()
    unet, _ = _begin_dcldm(options)
    assert torch.equal(unet.conv_in.weight, before["conv_in.weight"].float()), "a run goes on as it began"
    unet, branch = _begin_dcldm(replace(options, runs=options.runs / "another"))
    torch.testing.assert_close(unet.conv_in.weight, begun)
    assert any(bool(parameter.any()) for name, parameter in branch.named_parameters() if ".proj_out." in name)
