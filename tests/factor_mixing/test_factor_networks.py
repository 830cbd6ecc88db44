"""The networks of factor mixing: the paper's shapes, and any other."""

import pytest
import torch
from torch import nn

from skrobust.factor_mixing import FactorClassifier, FactorDecoder, FactorEncoder


def layers(module, kind):
    return [m for m in module.modules() if isinstance(m, kind)]


def test_full_width_is_table_1():
    with torch.device("meta"):
        encoder = FactorEncoder((1, 128, 128))
        decoder = FactorDecoder((1, 128, 128))
        classifier = FactorClassifier(256, 4)
        x = torch.empty(2, 1, 128, 128)
        assert [c.out_channels for c in layers(encoder, nn.Conv2d)] == [64, 256, 1024]
        assert {c.kernel_size for c in layers(encoder, nn.Conv2d)} == {(3, 3)}
        assert {c.stride for c in layers(encoder, nn.Conv2d)} == {(2, 2)}
        code = encoder(x)
        assert code.shape == (2, 256)
        (dense,) = layers(decoder, nn.Linear)
        assert (dense.in_features, dense.out_features) == (512, 262144)
        assert decoder.start(torch.cat([code, code], 1)).shape == (2, 1024, 16, 16)
        assert [c.out_channels for c in layers(decoder, nn.Conv2d)] == [1024, 256, 64, 64, 1]
        assert layers(decoder, nn.Dropout)[0].p == 0.5
        assert decoder(torch.cat([code, code], 1)).shape == x.shape
        assert [d.out_features for d in layers(classifier, nn.Linear)] == [256, 256, 4]
        assert len(layers(classifier, nn.BatchNorm1d)) == 2
        assert classifier(code).shape == (2, 4)


@pytest.mark.parametrize("shape", [(5,), (1, 1), (3, 50), (1, 33, 20), (2, 9, 9), (1, 7, 12, 5)])
def test_any_shape_comes_back(shape):
    x = torch.rand(3, *shape)
    code = FactorEncoder(shape, n_codes=6, width=2)(x)
    assert code.shape == (3, 6)
    out = FactorDecoder(shape, n_codes=6, width=2)(code)
    assert out.shape == x.shape
    assert 0 <= out.min() <= out.max() <= 1
