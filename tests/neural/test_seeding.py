"""Own randomness: reproducible, and no global generator read or moved."""

import pickle
import random
import threading

import joblib
import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.base import clone
from torch import nn

from skrobust import MLP, ConvNet, NetClassifier, ResNet1d
from skrobust.neural import UNet
from skrobust.neural.seeding import (
    OwnDropout,
    OwnRandomness,
    draw_seed,
    may_draw,
    replace_dropout,
)

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


# ---- networks that draw


@pytest.fixture
def data():
    rng = np.random.RandomState(0)
    return rng.normal(size=(40, 12)).astype(np.float32), np.tile([0, 1], 20)


class Draws(nn.Module):
    """Draws in batches that start with a positive number only, as `how` says."""

    def __init__(self, n_outputs, how="randn"):
        super().__init__()
        self.linear, self.how, self.n_calls = nn.Linear(12, n_outputs), how, 0

    def forward(self, x):
        self.n_calls += 1
        if self.training and self.how == "late" and self.n_calls > 3:
            x = x + torch.randn_like(x)
        if self.training and self.how == "randn" and x[0, 0] > 0:
            x = x + torch.randn_like(x)
        if self.training and self.how == "layer drop" and torch.rand(()) < 0.5:
            x = torch.zeros_like(x)
        if self.how == "in evaluation":
            x = nn.functional.dropout(x, 0.5, training=True)
        return self.linear(x)


HOWS = ["randn", "late", "layer drop", "in evaluation"]
MODULES = {
    **{how: {"module": Draws, "module__how": how} for how in HOWS},
    "sequential": {"module": nn.Sequential(nn.Linear(12, 4), nn.AlphaDropout(), nn.Linear(4, 2))},
    "library": {"module": MLP, "module__dropout": 0.5},
    "augmented": {"module": MLP, "augment": "noise", "mixup": "input"},
}


def all_generators():
    return torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002


@pytest.mark.parametrize("name", MODULES)
def test_an_int_fixes_all_and_no_global_generator_moves(data, name):
    clf = NetClassifier(**MODULES[name], max_epochs=3, batch_size=5, random_state=0)
    before = all_generators()
    first = clone(clf).fit(*data, X_val=data[0], y_val=data[1])
    proba = first.predict_proba(data[0])
    assert_array_equal(first.predict_proba(data[0]), proba)
    torch.rand(3), np.random.rand(3)  # noqa: NPY002
    moved = all_generators()
    assert moved != before
    again = clone(clf).fit(*data)  # validation rows change nothing
    assert_array_equal(again.predict_proba(data[0]), proba)
    assert all_generators() == moved
    copy = pickle.loads(pickle.dumps(first))
    if name == "late":
        return  # counts its calls outside its state
    further = [c.partial_fit(*data).predict_proba(data[0]) for c in (first, copy)]
    assert_array_equal(*further)
    assert all_generators() == moved


@pytest.mark.parametrize("name", MODULES)
def test_threads_do_not_disturb_each_other(data, name):
    clf = NetClassifier(**MODULES[name], max_epochs=3, batch_size=5, random_state=0)
    expected = clone(clf).fit(*data).predict_proba(data[0])
    stop = threading.Event()

    def draw():
        while not stop.is_set():
            torch.rand(10)

    thread = threading.Thread(target=draw)
    thread.start()
    try:
        fits = joblib.Parallel(3, backend="threading")(
            joblib.delayed(lambda: clone(clf).fit(*data).predict_proba(data[0]))() for _ in range(6)
        )
    finally:
        stop.set()
        thread.join()
    for proba in fits:
        assert_array_equal(proba, expected)


class NoisySGD(torch.optim.SGD):
    def step(self, closure=None):
        loss = super().step(closure)
        for group in self.param_groups:
            for p in group["params"]:
                p.data.add_(torch.randn_like(p), alpha=1e-2)
        return loss


def test_optimizers_that_draw(data):
    clf = NetClassifier(MLP, optimizer=NoisySGD, max_epochs=2, random_state=0)
    before = all_generators()
    first, second = (clone(clf).fit(*data).predict_proba(data[0]) for _ in range(2))
    assert_array_equal(first, second)
    assert all_generators() == before


def test_only_known_networks_are_spared():
    known = [MLP((3,), 2), ConvNet((1, 8, 8), 2), ResNet1d((1, 64), 2, n_blocks=2), UNet((1, 8, 8))]
    known.append(nn.Sequential(nn.Linear(3, 2), nn.ReLU()))
    for module in known:
        replace_dropout(module, OwnRandomness(0))
        assert not may_draw(module)

    class Own(MLP):
        pass

    hooked = MLP((3,), 2)
    hooked.head.register_forward_hook(lambda part, args, out: out + torch.rand(()))
    for module in (Own((3,), 2), nn.Dropout(), nn.LSTM(3, 2), nn.RReLU(), hooked):
        assert may_draw(module)


def test_operations_without_a_generator_draw_from_the_own_one():
    library = torch.library.Library("skrobust_tests", "FRAGMENT")
    library.define("draw(Tensor x) -> Tensor", tags=(torch.Tag.nondeterministic_seeded,))
    library.impl("draw", lambda x: torch.rand(x.shape, generator=torch.default_generator), "CPU")
    x, before = torch.zeros(5), all_generators()
    with OwnRandomness(0) as randomness:
        first, second = (torch.ops.skrobust_tests.draw(x) for _ in range(2))
        state = randomness.state_dict()
        third = torch.ops.skrobust_tests.draw(x)
    assert all_generators() == before
    with OwnRandomness(0) as again:
        assert torch.equal(torch.ops.skrobust_tests.draw(x), first)
        again.load_state_dict(state)
        assert torch.equal(torch.ops.skrobust_tests.draw(x), third)
    assert not torch.equal(first, second)


def test_a_device_has_one_generator_under_every_name():
    randomness = OwnRandomness(0)
    names = ["cpu", torch.device("cpu"), torch.zeros(1).device]
    assert len({id(randomness.generator(name)) for name in names}) == 1
    if torch.cuda.is_available():
        names = ["cuda", "cuda:0", torch.device("cuda"), torch.zeros(1, device="cuda").device]
        assert len({id(randomness.generator(name)) for name in names}) == 1


def test_states_of_devices_that_are_not_here_are_left_out():
    with OwnRandomness(0) as randomness:
        torch.rand(3)
    state = randomness.state_dict()
    state["generators"]["mps:0"] = torch.zeros(8, dtype=torch.uint8)
    other = OwnRandomness(5)
    other.load_state_dict(state)
    assert torch.equal(other.generator().get_state(), randomness.generator().get_state())
