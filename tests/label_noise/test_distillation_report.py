from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from sklearn.naive_bayes import GaussianNB

from skrobust.datasets import make_mr_spectra
from skrobust.label_noise import DistillMixAugmenter, OutOfFoldLabelQuality, distillation_report


def distilled(n=90, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, n)
    y = np.where(rng.random(n) < 0.3, rng.integers(0, 3, n), truth)
    distiller = SimpleNamespace(
        quality_=rng.random(n),
        kept_=rng.random(n) < 0.6,
        noisy_indices_=rng.permutation(n)[:30],
    )
    return distiller, y, truth, rng.integers(0, 12, n)


def share(hits, among):
    return len([i for i in among if i in hits]) / len(among)


@pytest.mark.parametrize("inside", [False, True])
def test_report_by_loops(inside):
    distiller, y, truth, groups = distilled()
    estimator = SimpleNamespace(distiller_=distiller) if inside else distiller
    report = distillation_report(estimator, y, y_true=truth, groups=groups)
    assert report.index.tolist() == [0, 1, 2, "total"]
    kept = {i for i in range(90) if distiller.kept_[i]}
    wrong = {i for i in range(90) if y[i] != truth[i]}
    noisy = set(distiller.noisy_indices_.tolist())
    for name in report.index:
        rows = [i for i in range(90) if name in ("total", y[i])]
        expected = {
            "n_rows": len(rows),
            "n_kept": len(kept.intersection(rows)),
            "share_kept": share(kept, rows),
            "mean_quality": sum(distiller.quality_[i] for i in rows) / len(rows),
            "n_noisy": len(noisy.intersection(rows)),
            "label_noise": share(wrong, rows),
            "label_noise_kept": share(wrong, [i for i in rows if i in kept]),
            "noisy_precision": share(wrong, [i for i in rows if i in noisy]),
            "noisy_recall": share(noisy, [i for i in rows if i in wrong]),
            "dropped_recall": 1 - share(kept, [i for i in rows if i in wrong]),
            "n_groups": len({groups[i] for i in rows}),
            "n_groups_kept": len({groups[i] for i in rows if i in kept}),
            "n_groups_noisy": len({groups[i] for i in rows if i in noisy}),
        }
        assert report.loc[name].to_dict() == pytest.approx(expected)


def test_columns_follow_what_is_given():
    distiller, y, truth, _ = distilled()
    plain = ["n_rows", "n_kept", "share_kept", "mean_quality", "n_noisy"]
    assert distillation_report(distiller, y).columns.tolist() == plain
    assert "n_groups" not in distillation_report(distiller, y, y_true=truth)


def test_counts_stay_whole_numbers():
    distiller, y, *_ = distilled()
    report = distillation_report(distiller, y)
    assert all(report[name].dtype.kind == "i" for name in ("n_rows", "n_kept", "n_noisy"))


def test_nothing_wrong_and_nothing_doubted():
    distiller, y, *_ = distilled()
    distiller.noisy_indices_ = np.array([], dtype=int)
    total = distillation_report(distiller, y, y_true=y).loc["total"]
    assert total["label_noise"] == 0
    assert np.isnan(total[["noisy_precision", "noisy_recall", "dropped_recall"]]).all()


def test_errors():
    distiller, y, truth, groups = distilled()
    with pytest.raises(ValueError, match="neither kept_ nor quality_ nor distiller_"):
        distillation_report(SimpleNamespace(), y)
    with pytest.raises(ValueError, match="fitted on 90 rows, but 89 were given"):
        distillation_report(distiller, y[1:])
    with pytest.raises(ValueError, match="y_true has 89 entries, but there are 90 rows"):
        distillation_report(distiller, y, y_true=truth[1:])
    with pytest.raises(ValueError, match="groups has 89 entries"):
        distillation_report(distiller, y, groups=groups[1:])
    with pytest.raises(ValueError, match="no quality_"):
        distillation_report(SimpleNamespace(kept_=distiller.kept_), y)


def test_sampler_with_a_real_distiller():
    X, y, groups = make_mr_spectra(20, random_state=0, return_X_y_groups=True)
    distiller = OutOfFoldLabelQuality(GaussianNB(), keep=0.5, random_state=0)
    sampler = DistillMixAugmenter(distiller, strategy="both", factor=2, random_state=0)
    X_new, _ = sampler.fit_resample(X, y, groups=groups)
    report = distillation_report(sampler, y, groups=groups)
    assert 2 * report.loc["total", "n_kept"] == len(X_new)
    assert report.loc["total", "n_groups"] == 20


def test_quality_alone_and_labels_of_polars():
    y = pl.Series(["a", "a", "b", "b"])
    distiller = SimpleNamespace(quality_=np.array([0.9, 0.2, 0.7, 0.6]))
    report = distillation_report(distiller, y, y_true=pl.Series(["a", "b", "b", "b"]))
    assert report["n_kept"].tolist() == [1, 2, 3]
    assert report["n_noisy"].tolist() == [1, 0, 1]
    assert report.loc["total", "noisy_recall"] == 1
