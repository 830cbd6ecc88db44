"""Kinds of faults, tried on every public estimator: parameters, processes, byte orders, labels."""

import inspect
import pickle
import random
import subprocess
import sys
import textwrap
import threading
import warnings
from contextlib import contextmanager
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from public_estimators import (
    differences,
    fit,
    ids,
    outputs,
    public_estimator_classes,
    small_estimators,
    small_table,
    takes_groups,
)
from sklearn.base import clone
from torch import nn

from skrobust import NetClassifier, TripletEmbedder

ESTIMATORS = small_estimators()
every = pytest.mark.parametrize("index", range(len(ESTIMATORS)), ids=ids(ESTIMATORS))
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # the data are tiny


def assert_close(said, expected, tolerance=1e-5):
    """Compare what two estimators say, up to the last digits."""
    assert said.keys() == expected.keys()
    for name, value in said.items():
        np.testing.assert_allclose(
            value, expected[name], rtol=tolerance, atol=tolerance, err_msg=name
        )


def fitted(estimator, X, y, groups=None):
    return fit(clone(estimator), X, y, **({"groups": groups} if takes_groups(estimator) else {}))


@pytest.fixture(scope="module")
def plain():
    X, y, groups = small_table()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [outputs(fitted(e, X, y, groups), X) for e in ESTIMATORS]


# Signatures


@pytest.mark.parametrize("cls", public_estimator_classes(), ids=lambda c: c.__name__)
@pytest.mark.parametrize("method", ["fit", "partial_fit", "fit_resample"])
def test_groups_and_other_metadata_go_by_keyword_only(cls, method):
    parameters = inspect.signature(getattr(cls, method, lambda: None)).parameters
    for name in ("groups", "X_val", "y_val", "trusted"):
        if name in parameters:
            assert parameters[name].kind is inspect.Parameter.KEYWORD_ONLY
    positional = [n for n, p in parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert positional in (
        [], ["self", "X", "y"], ["self", "X", "y", "sample_weight"],
        ["self", "X", "y", "classes", "sample_weight"],
    )  # fmt: skip


@every
def test_a_third_argument_is_never_groups(index):
    X, y, groups = small_table()
    estimator = clone(ESTIMATORS[index])
    method = getattr(estimator, "fit_resample", estimator.fit)
    if "sample_weight" in inspect.signature(method).parameters:
        pytest.skip("weights may go by position, as in scikit-learn")
    with pytest.raises(TypeError, match="positional argument"):
        method(X, y, groups)


# Parameters, saving


def as_numpy(value):
    """Return a number as scikit-learn's searches hand it over."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return np.int64(value) if isinstance(value, int) else np.float64(value)


@every
def test_numpy_scalars_as_parameters(index, plain):
    X, y, groups = small_table()
    estimator = clone(ESTIMATORS[index])
    numbers = {name: as_numpy(v) for name, v in estimator.get_params().items()}
    estimator.set_params(**{k: v for k, v in numbers.items() if isinstance(v, np.generic)})
    if "optimizer" in estimator.get_params():
        estimator.set_params(
            optimizer__weight_decay=np.float64(0.0),
            optimizer__betas=(np.float64(0.9), np.float64(0.999)),
        )
    model = fitted(estimator, X, y, groups)
    said = outputs(model, X)
    assert_close(said, plain[index])
    assert not differences(outputs(pickle.loads(pickle.dumps(model)), X), said)
    again = clone(pickle.loads(pickle.dumps(model)))
    assert not differences(outputs(fitted(again, X, y, groups), X), said)


class Scaled(nn.Module):
    """A network with an argument that ends in an underscore."""

    def __init__(self, input_shape, n_outputs, lambda_=1.0):
        super().__init__()
        self.layer, self.lambda_ = nn.Linear(input_shape[0], n_outputs), lambda_

    def forward(self, x):
        return self.lambda_ * self.layer(x.flatten(1))


def test_arguments_that_end_in_an_underscore():
    X, y, _ = small_table()
    for cls in (NetClassifier, TripletEmbedder):
        net = cls(Scaled, max_epochs=1, module__lambda_=5.0, random_state=0)
        if cls is TripletEmbedder:
            net.set_params(augment="noise")
        assert net.get_params()["module__lambda_"] == 5.0
        assert "module__lambda_=5.0" in repr(net)
        copy = clone(net).fit(X, y)
        assert copy.net_.module_.lambda_ == 5.0
        assert pickle.loads(pickle.dumps(copy)).net_.module_.lambda_ == 5.0


# State of the process


@contextmanager
def other_defaults():
    """No gradients, tensors on another device, and products that may be rounded."""
    torch.set_float32_matmul_precision("medium")
    torch.backends.cudnn.benchmark = True
    try:
        with torch.no_grad(), torch.device("meta"):
            yield
        assert torch.get_float32_matmul_precision() == "medium"
        assert torch.backends.cudnn.benchmark
    finally:
        torch.set_float32_matmul_precision("highest")
        torch.backends.cudnn.benchmark = False


STATES = {
    "inference_mode": torch.inference_mode,
    "other defaults": other_defaults,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
}


@pytest.mark.parametrize("state", STATES)
@every
def test_the_state_of_torch_around_changes_nothing(index, state, plain):
    X, y, groups = small_table()
    with STATES[state]():
        model = fitted(ESTIMATORS[index], X, y, groups)
        said = outputs(model, X)
        loaded = outputs(pickle.loads(pickle.dumps(model)), X)
    assert not differences(said, plain[index])
    assert not differences(loaded, plain[index])


@every
def test_the_default_dtype_changes_nothing(index, plain):
    X, y, groups = small_table()
    torch.set_default_dtype(torch.float64)
    try:
        model = fitted(ESTIMATORS[index], X, y, groups)
        said = outputs(model, X)
        stored = pickle.dumps(model)
    finally:
        torch.set_default_dtype(torch.float32)
    assert not differences(said, plain[index])
    assert not differences(outputs(pickle.loads(stored), X), said)


@every
def test_byte_orders_strides_and_read_only_arrays(index, plain):
    X, y, groups = small_table()
    read_only = X.copy()
    read_only.flags.writeable = False
    for other in (X.astype(">f4"), read_only, np.asfortranarray(X), np.repeat(X, 2, 0)[::2]):
        # sums over another order of memory differ in the last digits
        assert_close(outputs(fitted(ESTIMATORS[index], other, y, groups), X), plain[index], 2e-3)


@every
def test_files_of_foreign_numbers(index, plain, tmp_path):
    X, y, groups = small_table()
    np.save(tmp_path / "X.npy", X.astype(">f4"))
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    said = outputs(fitted(ESTIMATORS[index], mapped, y, groups), mapped)
    assert_close(said, plain[index], 2e-3)


# Randomness: one's own, whatever the threads and modules do


class DrawsNowAndThen(nn.Module):
    """Draws random numbers in some batches only, and not through a layer of torch's."""

    def __init__(self, input_shape, n_outputs):
        super().__init__()
        self.layer, self.n_batches = nn.Linear(int(np.prod(input_shape)), n_outputs), 0

    def forward(self, x):
        x = x.flatten(1)
        if self.training:
            self.n_batches += 1
            if self.n_batches % 3 == 0:
                x = x + 0.1 * torch.randn_like(x)
        return self.layer(x)


def drawing_estimators():
    return [
        *ESTIMATORS,
        NetClassifier(DrawsNowAndThen, max_epochs=2, batch_size=8, random_state=0),
        TripletEmbedder(
            DrawsNowAndThen, max_epochs=2, batch_size=8, augment="noise", random_state=0
        ),
    ]


def results_of(estimator, X, y, groups):
    """Return what a fitted estimator says, and the rows that a sampler makes."""
    if not hasattr(estimator, "fit_resample"):
        return outputs(fitted(estimator, X, y, groups), X)
    sampler = clone(estimator)
    X_new, y_new = sampler.fit_resample(X, y, groups=groups)
    return {"X": np.asarray(X_new), "y": np.asarray(y_new), **outputs(sampler, X)}


@pytest.mark.parametrize("index", range(len(ESTIMATORS) + 2), ids=ids(drawing_estimators()))
def test_an_int_fixes_everything_under_threads_and_nothing_global_moves(index):
    X, y, groups = small_table()
    estimator = drawing_estimators()[index]
    alone = results_of(estimator, X, y, groups)
    torch.manual_seed(5)
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    results, stop = [], threading.Event()

    def disturb():
        generator = torch.Generator()
        while not stop.is_set():
            torch.rand(100, generator=generator)

    noise = threading.Thread(target=disturb)
    threads = [
        threading.Thread(target=lambda: results.append(results_of(estimator, X, y, groups)))
        for _ in range(2)
    ]
    noise.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    noise.join()
    assert len(results) == 2
    for said in results:
        assert not differences(said, alone)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    assert random.getstate() == before[2]
    seeds = [name for name in estimator.get_params() if name.endswith("random_state")]
    other = clone(estimator).set_params(**dict.fromkeys(seeds, 1))
    other = results_of(other, X, y, groups)
    assert bool(differences(other, alone)) == bool(seeds)


# Missing labels and groups


MISSING = {
    "None": lambda values: [None, *values[1:]],
    "NaN": lambda values: np.r_[np.nan, values[1:].astype(float)],
    "NA": lambda values: pd.Series([pd.NA, *values[1:]], dtype="Int64"),
    "category": lambda values: pd.Series([None, *values[1:]], dtype="category"),
    "masked": lambda values: np.ma.array(values, mask=np.arange(len(values)) == 0),
    "NaN among strings": lambda values: [float("nan"), *values[1:].astype(str).tolist()],
}


@pytest.mark.parametrize("kind", MISSING)
@every
def test_missing_labels_and_groups_are_named(index, kind):
    X, y, groups = small_table()
    estimator = clone(ESTIMATORS[index])
    if type(estimator).__name__ not in ("Noise2VoidDenoiser", "AEOutlierRemover", "OutlierRemover"):
        unlabelled = type(estimator).__name__ == "TripletEmbedder" and kind in ("None", "NA")
        with pytest.raises((ValueError, TypeError), match=r"\by\b") as info:
            fit(estimator, X, MISSING[kind](y))
        assert unlabelled or "missing" in str(info.value) or "NaN" in str(info.value)
    if takes_groups(estimator):
        with pytest.raises((ValueError, TypeError), match="groups"):
            fit(clone(ESTIMATORS[index]), X, y, groups=MISSING[kind](groups))


# Classes of a script's own, in worker processes


SCRIPT = """
    import sys, warnings
    warnings.simplefilter("ignore")
    import joblib
    import numpy as np
    from sklearn.model_selection import cross_val_score, GridSearchCV
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from torch import nn
    import skrobust as sr

    SCALE = 1.0

    class MyNet(nn.Module):
        def __init__(self, input_shape, n_outputs):
            super().__init__()
            self.layer = nn.Linear(int(np.prod(input_shape)), n_outputs)

        def forward(self, x):
            return SCALE * self.layer(x.flatten(1))

    def jitter(x):
        return x + 0.01

    def judged(kind, memory):
        augment = None if memory else (lambda x: x)
        judge = sr.NetClassifier(MyNet, augment=augment, random_state=0)
        distiller = kind(judge, max_epochs=2, memory=memory, random_state=0)
        return distiller.fit(X, y).quality_[:3].tolist()

    rng = np.random.RandomState(0)
    y = np.tile([0, 1], 30)
    X = rng.randn(60, 5) + y[:, None]

    if __name__ == "__main__":
        net = sr.NetClassifier(MyNet, max_epochs=2, augment=jitter, random_state=0)
        tried = {
            "net": net,
            "lambda": net.__class__(MyNet, max_epochs=2, augment=lambda x: x + 0.01),
            "early": sr.LabelQualityReweighter(
                net, sr.EarlyLabelQuality(net, max_epochs=2), veto=False
            ),
            "certain": sr.ResamplingClassifier(
                sr.DistillMixAugmenter(sr.CertainSamples(net, threshold=0.6, max_epochs=2)), net
            ),
            "quality": sr.LabelQualityReweighter(
                net, sr.OutOfFoldLabelQuality(net, cv=2), veto=False
            ),
            "influence": sr.InfluenceReweighter(net, warmup_epochs=1),
            "embedding": make_pipeline(
                sr.TripletEmbedder(MyNet, max_epochs=1, augment="noise"), KNeighborsClassifier(3)
            ),
        }
        for name, estimator in tried.items():
            scores = cross_val_score(estimator, X, y, cv=2, n_jobs=2, error_score="raise")
            assert np.isfinite(scores).all()
            print(name, flush=True)
        search = GridSearchCV(net, {"lr": np.logspace(-3, -1, 2)}, cv=2, n_jobs=2)
        assert search.fit(X, y).predict(X).shape == (60,)
        print("search")
        for kind in (sr.CertainSamples, sr.EarlyLabelQuality):
            for memory in (None, sys.argv[1]):
                here = judged(kind, memory)
                there = joblib.Parallel(2)(joblib.delayed(judged)(kind, memory) for _ in range(2))
                assert there == [here, here], (kind, memory)
        print("memory")
    """


def test_networks_of_a_script_in_worker_processes(tmp_path):
    (tmp_path / "script.py").write_text(textwrap.dedent(SCRIPT))
    ran = subprocess.run(
        [sys.executable, tmp_path / "script.py", tmp_path / "memory"],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    assert ran.stdout.split() == [
        "net", "lambda", "early", "certain", "quality", "influence", "embedding", "search",
        "memory",
    ], ran.stderr[-3000:]  # fmt: skip


@every
def test_fitted_estimators_come_back_from_workers(index, plain):
    X, y, groups = small_table()
    with joblib.parallel_config(backend="loky"):
        models = joblib.Parallel(2)(
            joblib.delayed(fitted)(ESTIMATORS[index], X, y, groups) for _ in range(2)
        )
    for model in models:
        assert not differences(outputs(model, X), plain[index])
