"""ConvNet, MLP, the pooled head and the automatic choice."""

import pytest
import torch
from torch import nn

from skrobust import MLP, ConvNet, ResNet1d
from skrobust.neural import PooledHead, auto_module
from skrobust.neural.class_activation import has_activation_maps


@pytest.mark.parametrize(
    "input_shape", [(7,), (2, 30), (1, 64, 64), (1, 5, 3), (1, 1, 1), (1, 9, 10, 11)]
)
def test_every_shape_is_taken(input_shape):
    net = ConvNet(input_shape, 3, width=4).eval()
    x = torch.randn(2, *input_shape)
    assert net(x).shape == (2, 3)
    module, params = auto_module(input_shape)
    assert module(input_shape, 3, **params).eval()(x).shape == (2, 3)


def test_the_papers_cnn():
    net = ConvNet((1, 64, 64), 3)
    convolutions = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    assert [c.out_channels for c in convolutions] == [32, 32, 64, 64, 64]
    kinds = [type(m) for m in net.features[:4]]
    assert kinds == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d]
    assert net.feature_maps(torch.zeros(2, 1, 64, 64)).shape == (2, 64, 2, 2)
    assert sum(isinstance(m, nn.Linear) for m in net.modules()) == 1


def test_auto_is_a_resnet_for_signals_and_a_convnet_otherwise():
    assert auto_module((288,))[0] is ResNet1d
    assert auto_module((1, 8, 8))[0] is ConvNet
    assert auto_module((1, 8, 8, 8))[1] == {"width": 8}


def test_activation_maps_average_to_the_outputs():
    head, maps = PooledHead(5, 3), torch.randn(4, 5, 6, 7)
    activation = head.activation_maps(maps)
    assert activation.shape == (4, 3, 6, 7)
    torch.testing.assert_close(activation.mean((2, 3)) + head.linear.bias, head(maps))


def test_mlp_is_linear_without_hidden_layers():
    net, x = MLP((3, 4), 2, n_layers=0), torch.randn(5, 3, 4)
    torch.testing.assert_close(net(x), x.flatten(1) @ net.head.weight.T + net.head.bias)


def test_convnet_errors():
    with pytest.raises(ValueError, match="must be odd"):
        ConvNet((1, 8, 8), 2, kernel_size=4)
    with pytest.raises(ValueError, match="4 spatial axes"):
        ConvNet((1, 2, 2, 2, 2), 2)


def test_hidden_layer_of_the_convnet():
    net = ConvNet((1, 8, 8), 3, width=4, hidden=7)
    assert net(torch.zeros(2, 1, 8, 8)).shape == (2, 3)
    assert [tuple(p.shape) for p in net.head.parameters()] == [(7, 8), (7,), (3, 7), (3,)]
    assert not has_activation_maps(net)
    assert has_activation_maps(ConvNet((1, 8, 8), 3, width=4))
