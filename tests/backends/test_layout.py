"""A backend lays its kernels out as convolutions read them, and puts them back."""

from __future__ import annotations

from pathlib import Path

import torch

from studio.backends.device import ChannelsLast
from studio.backends.systems import audioldm


def test_a_network_computes_the_same_in_the_other_layout_and_gets_its_own_back() -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv2d(8, 16, 3, padding=1), torch.nn.GroupNorm(4, 16))
    kernel = network[0].weight.clone()
    sample = torch.randn(2, 8, 12, 16)
    with torch.no_grad():
        before = network(sample)
        with ChannelsLast(network):
            assert network[0].weight.is_contiguous(memory_format=torch.channels_last)
            inside = network(sample)
        after = network(sample)
    torch.testing.assert_close(inside, before, atol=1e-5, rtol=1e-5)
    assert network[0].weight.is_contiguous()
    assert torch.equal(network[0].weight, kernel)
    assert torch.equal(after, before)


def test_a_network_without_such_kernels_is_left_alone() -> None:
    network = torch.nn.Linear(3, 2)
    with ChannelsLast(network):
        assert network.weight.is_contiguous()


def test_a_backend_gives_its_networks_back_as_they_were(tiny_folder: Path) -> None:
    backend = audioldm.load(tiny_folder, "cpu", "float32")
    kernel = backend.unet.conv_in.weight
    assert not kernel.is_contiguous()
    backend.unload()
    assert kernel.is_contiguous()
