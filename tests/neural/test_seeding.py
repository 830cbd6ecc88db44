"""Own randomness: reproducible, and no global generator read or moved."""

import threading

import pytest
import torch
from torch import nn

from skrobust.neural.seeding import OwnDropout, OwnRandomness, draw_seed, replace_dropout

DRAWS = {
    "init": lambda: nn.LSTM(3, 4).weight_hh_l0.detach(),
    "rand": lambda: torch.rand(5),
    "randn_like": lambda: torch.randn_like(torch.zeros(5)),
    "randint": lambda: torch.randint(0, 100, (5,)),
    "randint_low": lambda: torch.randint(3, 100, (5,)),
    "randperm": lambda: torch.randperm(9),
    "normal": lambda: torch.normal(0.0, torch.ones(5)),
    "multinomial": lambda: torch.multinomial(torch.ones(9), 4),
    "bernoulli": lambda: torch.bernoulli(torch.full((20,), 0.5)),
    "dropout": lambda: nn.functional.dropout(torch.ones(50), 0.5),
    "dropout2d": lambda: nn.functional.dropout2d(torch.ones(2, 30, 3, 3), 0.5),
    "alpha_dropout": lambda: nn.functional.alpha_dropout(torch.ones(50), 0.5, training=True),
    "rrelu": lambda: nn.functional.rrelu(-torch.ones(50), training=True),
    "attention": lambda: nn.functional.scaled_dot_product_attention(
        *torch.ones(3, 1, 1, 8, 8), dropout_p=0.5
    ),
    "lstm dropout": lambda: nn.LSTM(3, 4, num_layers=2, dropout=0.5)(torch.ones(5, 3))[0].detach(),
}


@pytest.mark.parametrize("name", DRAWS)
def test_draws_repeat_and_leave_the_global_generator(name):
    draw = DRAWS[name]
    before = torch.get_rng_state()
    with OwnRandomness(0):
        first, second = draw(), draw()
    torch.manual_seed(123)
    moved = torch.get_rng_state()
    with OwnRandomness(0):
        again = draw()
    assert torch.equal(torch.get_rng_state(), moved)
    torch.set_rng_state(before)
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


def test_other_threads_keep_the_global_generator():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    got = []
    with OwnRandomness(0):
        thread = threading.Thread(target=lambda: got.append(torch.rand(3)))
        thread.start()
        thread.join()
    assert torch.equal(got[0], expected)


def test_state_goes_on_where_it_was():
    with OwnRandomness(0) as randomness:
        torch.rand(3)
        state = randomness.state_dict()
        expected = torch.rand(3)
    other = OwnRandomness(5)
    other.load_state_dict(state)
    with other:
        assert torch.equal(torch.rand(3), expected)


def test_own_dropout_is_dropout():
    net = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Dropout(0.3)), nn.Dropout(1.0))
    replace_dropout(net, OwnRandomness(0))
    own = net[1][0]
    assert isinstance(own, OwnDropout)
    x = torch.ones(20_000, requires_grad=True)
    out = own(x)
    kept = out != 0
    assert kept.float().mean() == pytest.approx(0.7, abs=0.02)
    torch.testing.assert_close(out[kept], torch.full((int(kept.sum()),), 1 / 0.7))
    out.sum().backward()
    torch.testing.assert_close(x.grad, out.detach())
    assert not net[2](x).any()
    assert torch.equal(own.eval()(x), x)


def test_an_int_seed_draws_the_same_each_time():
    assert draw_seed(3) == draw_seed(3) != draw_seed(4)
