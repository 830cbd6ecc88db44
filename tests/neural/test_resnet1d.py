"""ResNet1d is the network of the paper's Table 1."""

import itertools

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from skrobust import ResNet1d
from skrobust.neural import SameConv1d


def test_layers_shapes_and_parameters_are_those_of_table_1():
    net = ResNet1d((1, 288), n_outputs=2).eval()
    convolutions = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == 17
    assert {c.kernel_size for c in convolutions} == {(1, 32)}
    filters = [16, 16, 16, 32, 32, 64, 64, 128, 128]
    assert [c.out_channels for c in convolutions] == [16] + [f for f in filters[1:] for _ in "12"]
    assert [m.p for m in net.modules() if isinstance(m, nn.Dropout)] == [0.55] * 8

    seen = []
    for block in net.blocks:
        block.register_forward_hook(lambda m, i, out: seen.append((out.shape[-1], out.shape[1])))
    logits = net(torch.randn(3, 288))
    assert seen == list(zip([144, 144, 72, 72, 36, 36, 18, 18], filters[1:], strict=True))
    assert logits.shape == (3, 2)
    assert net.head.linear.weight.shape == (2, 128)

    pairs = list(itertools.pairwise(filters))
    weights = 32 * (16 + sum(a * b + b * b for a, b in pairs))
    norms = 2 * (16 + sum(2 * b for _, b in pairs))
    assert sum(p.numel() for p in net.parameters()) == weights + norms + 128 * 2 + 2


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel_size", [3, 8, 32])
@pytest.mark.parametrize("length", [5, 40, 41])
def test_same_convolution_equals_conv1d_with_explicit_zeros(stride, kernel_size, length):
    conv = SameConv1d(2, 3, kernel_size, stride)
    x = torch.randn(4, 2, 1, length)
    n_out = -(-length // stride)
    total = max((n_out - 1) * stride + kernel_size - length, 0)
    padded = F.pad(x[:, :, 0], (total // 2, total - total // 2))
    expected = F.conv1d(padded, conv.weight[:, :, 0], stride=stride)
    out = conv(x)
    assert out.shape == (4, 3, 1, n_out)
    torch.testing.assert_close(out[:, :, 0], expected)


def test_same_convolution_equals_torchs_padding_same_for_odd_kernels():
    conv, x = SameConv1d(2, 3, 7), torch.randn(4, 2, 1, 50)
    expected = F.conv1d(x[:, :, 0], conv.weight[:, :, 0], padding="same")
    torch.testing.assert_close(conv(x)[:, :, 0], expected)


def test_shortcut_is_max_pooling_with_zero_channels():
    block = ResNet1d((1, 64), 2, width=4, n_blocks=3).blocks[2].eval()
    nn.init.zeros_(block.conv2.weight)
    x = torch.rand(2, 4, 1, 10)
    out = block(x)
    torch.testing.assert_close(out[:, :4], F.max_pool2d(x, (1, 2)))
    assert out.shape == (2, 8, 1, 5)
    assert not out[:, 4:].any()


def test_several_channels_and_wrong_axes():
    assert ResNet1d((3, 50), 4, width=2, n_blocks=2)(torch.randn(2, 3, 50)).shape == (2, 4)
    with pytest.raises(ValueError, match="this network takes signals"):
        ResNet1d((1, 8, 8), 2)
