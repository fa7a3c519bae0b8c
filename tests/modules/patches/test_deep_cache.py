"""A step that reuses the deep levels is the finest level over what they gave, and nothing stays behind."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack

import pytest
import torch

from studio.core.attention import by_method
from studio.core.errors import InvalidRequestError
from studio.modules.patches.deep_cache import deep_cache
from studio.modules.patches.methods import attending
from tests.modules.patches.test_lite_focus import _forward, _forward2, _seeded


@pytest.fixture(params=["unet", "unet2"])
def network(request):
    """A U-Net of either kind, and its forward by a seed of the noise."""
    unet = request.getfixturevalue(request.param)
    if request.param == "unet":
        return unet, lambda seed=2: _forward(unet, seed)
    return unet, lambda seed=2: _forward2(unet, 16 if seed == 2 else 24)


def calls_of(unet, names):
    counted = Counter()
    undo = ExitStack()
    for name in names:
        hook = unet.get_submodule(name).conv1 if "resnets" in name else unet.get_submodule(name)
        undo.callback(hook.register_forward_hook(lambda *_, name=name: counted.update([name])).remove)
    return counted, undo


@torch.no_grad()
def test_of_the_same_input_it_is_the_plain_forward_to_the_bit(network) -> None:
    unet, forward = network
    plain, kept = forward(), []
    with deep_cache(unet, kept, fresh=True):
        assert torch.equal(forward(), plain), "a fresh step is watched alone"
    with deep_cache(unet, kept, fresh=False):
        assert torch.equal(forward(), plain)
    with deep_cache(unet, kept, fresh=False):
        assert torch.equal(forward(), plain), "what was kept is there for many steps"
    assert not any("forward" in vars(module) for module in unet.modules())
    assert torch.equal(forward(), plain)


@torch.no_grad()
def test_is_the_finest_level_over_what_the_others_gave(unet) -> None:
    """By hand, in float64: the skips are of the new latents, what lies below of the old."""
    unet = unet.double()

    def inputs(seed):
        sample = torch.randn(2, 8, 16, 8, generator=_seeded(seed), dtype=torch.float64)
        said = torch.randn(2, 12, generator=_seeded(3), dtype=torch.float64)
        return sample, torch.tensor([seed, 100 * seed]), said

    def call(seed):
        sample, timesteps, said = inputs(seed)
        return unet(sample, timesteps, encoder_hidden_states=None, class_labels=said).sample

    below = []
    watch = unet.up_blocks[-2].register_forward_hook(lambda _, __, given: below.append(given))
    call(5)
    watch.remove()

    sample, timesteps, said = inputs(7)
    time = unet.time_embedding(unet.time_proj(timesteps).double())
    embedded = torch.cat([time, unet.class_embedding(said)], dim=-1)
    first = unet.conv_in(sample)
    second = unet.down_blocks[0].resnets[0](first, embedded)
    block, hidden = unet.up_blocks[-1], below[0]
    for resnet, attention, skip in zip(block.resnets, block.attentions, (second, first), strict=True):
        hidden = attention(resnet(torch.cat([hidden, skip], dim=1), embedded), None, return_dict=False)[0]
    expected = unet.conv_out(unet.conv_act(unet.conv_norm_out(hidden)))

    kept: list[torch.Tensor] = []
    with deep_cache(unet, kept, fresh=True):
        call(5)
    with deep_cache(unet, kept, fresh=False):
        made = call(7)
    torch.testing.assert_close(made, expected, rtol=1e-12, atol=1e-12)
    assert (made - call(7)).abs().max() > 1e-6, "the deep levels do tell the latents apart"


@torch.no_grad()
def test_where_the_finest_level_asks_nothing_of_the_others_reuse_costs_nothing(unet) -> None:
    below = unet.up_blocks[-2].resnets[-1].out_channels
    reader = unet.up_blocks[-1].resnets[0]
    reader.norm1 = torch.nn.Identity()  # whose groups would mix both
    reader.conv1.weight[:, :below] = 0
    reader.conv_shortcut.weight[:, :below] = 0
    kept: list[torch.Tensor] = []
    with deep_cache(unet, kept, fresh=True):
        _forward(unet, seed=2)
    with deep_cache(unet, kept, fresh=False):
        made = _forward(unet, seed=9)
    torch.testing.assert_close(made, _forward(unet, seed=9))


@torch.no_grad()
def test_the_deep_levels_rest_and_the_finest_works(network) -> None:
    unet, forward = network
    names = ["conv_in", "down_blocks.0.resnets.0", "down_blocks.0.downsamplers.0.conv",
             "down_blocks.1.resnets.0", "mid_block.resnets.0", "up_blocks.0.resnets.0",
             "up_blocks.1.resnets.0"]  # fmt: skip
    kept: list[torch.Tensor] = []
    with deep_cache(unet, kept, fresh=True):
        forward()
    counted, undo = calls_of(unet, names)
    with undo, deep_cache(unet, kept, fresh=False):
        forward()
    assert set(counted) == {"conv_in", "down_blocks.0.resnets.0", "up_blocks.1.resnets.0"}


@torch.no_grad()
@pytest.mark.parametrize("method", ["balanced", "tome", "tomesd"])
def test_sparse_attention_stands_beside_it(network, method) -> None:
    unet, forward = network

    def sparse():
        return attending(unet, by_method(method, 0.3), _seeded(), 10.0)

    with sparse():
        plain = forward()
    kept: list[torch.Tensor] = []
    with sparse(), deep_cache(unet, kept, fresh=True):
        assert torch.equal(forward(), plain)
    with deep_cache(unet, kept, fresh=False), sparse():
        assert torch.equal(forward(), plain), "nothing deep asks what is attended to"


@torch.no_grad()
def test_each_forward_of_a_step_finds_its_own_and_no_more(unet) -> None:
    kept: list[torch.Tensor] = []
    with deep_cache(unet, kept, fresh=True):
        first, second = _forward(unet, 2), _forward(unet, 3)
    with deep_cache(unet, kept, fresh=False):
        assert torch.equal(_forward(unet, 2), first)
        assert torch.equal(_forward(unet, 3), second)
        with pytest.raises(ValueError, match="let it be fresh"):
            _forward(unet, 3)
    with deep_cache(unet, kept, fresh=False), pytest.raises(ValueError, match="let it be fresh"):
        _forward(unet, 2, frames=32)
    with deep_cache(unet, kept, fresh=True):
        _forward(unet, 2)
    assert len(kept) == 1, "a fresh step forgets the one before"


def test_a_network_of_one_level_has_none_to_reuse(unet) -> None:
    del unet.down_blocks[1]
    with pytest.raises(InvalidRequestError, match="no deep levels"), deep_cache(unet, [], fresh=True):
        pass
