"""Autoencoders give back their input's shape, whatever it is, and can learn."""

import pytest
import torch
from torch import nn

from skrobust import ConvAutoencoder, DenseAutoencoder
from skrobust.neural.seeding import OwnRandomness
from skrobust.outliers import auto_autoencoder


@pytest.mark.parametrize(
    "shape",
    [(1, 288), (3, 17), (7,), (1, 64, 64), (2, 9, 1), (1, 64, 77, 66), (1, 3, 2, 1), (1, 13, 8, 5)],
)
@pytest.mark.parametrize("kernel_size", [3, 5])
def test_any_size_comes_back(shape, kernel_size):
    net = ConvAutoencoder(shape, latent_dim=4, width=2, kernel_size=kernel_size)
    x = torch.zeros(2, *shape)
    assert net(x).shape == x.shape
    assert net.encode(x).shape == (2, 4)


def test_sizes_halve_and_double_back():
    net = ConvAutoencoder((1, 64, 77, 66), latent_dim=512, width=4)
    maps = nn.Sequential(*list(net.encoder)[:-2])(torch.zeros(1, 1, 64, 77, 66))
    assert maps.shape == (1, 16, 4, 5, 5)
    convolutions = [m for m in net.encoder if isinstance(m, nn.Conv3d)]
    assert [c.out_channels for c in convolutions] == [4, 8, 16, 16]
    assert not any(isinstance(m, nn.BatchNorm3d) for m in net.modules())
    normed = ConvAutoencoder((1, 8, 8, 8), width=2, batch_norm=True)
    assert sum(isinstance(m, nn.BatchNorm3d) for m in normed.modules()) == 7


@pytest.mark.parametrize("shape", [(12,), (1, 12), (1, 6, 5), (1, 4, 5, 3)])
def test_the_automatic_network_learns_a_line(shape):
    """Rows on a line through the mean need one number of the code."""
    with OwnRandomness(0):
        direction = torch.randn(shape)
        x = torch.randn(64, *[1] * len(shape)) * direction
        module, params = auto_autoencoder(shape)
        net = module(shape, **params)
        optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
        for _ in range(150):
            optimizer.zero_grad()
            loss = (net(x) - x).abs().mean()
            loss.backward()
            optimizer.step()
    assert loss < 0.25 * x.abs().mean()


def test_dense_layers_mirror_each_other():
    net = DenseAutoencoder((2, 5), latent_dim=3, widths=(8, 6))
    sizes = [(m.in_features, m.out_features) for m in net.modules() if isinstance(m, nn.Linear)]
    assert sizes == [(10, 8), (8, 6), (6, 3), (3, 6), (6, 8), (8, 10)]
    assert not isinstance(net.encoder[-1], nn.ReLU)
    assert not isinstance(net.decoder[-1], nn.ReLU)
    linear = DenseAutoencoder((4,), latent_dim=2, widths=())
    assert len(list(linear.parameters())) == 4


def test_wrong_sizes_are_named():
    with pytest.raises(ValueError, match="kernel_size must be odd, got 4"):
        ConvAutoencoder((1, 8, 8), kernel_size=4)
    with pytest.raises(ValueError, match="has 4 spatial axes; ConvAutoencoder takes"):
        ConvAutoencoder((1, 2, 3, 4, 5))
