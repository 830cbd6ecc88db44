"""Imports of version 0.1 lead to where the names are now."""

import importlib
import pickle

import pytest

import skrobust


@pytest.mark.parametrize(
    ("old", "name"),
    [
        ("classifiers", "NetClassifier"),
        ("classifiers.net_classifier", "NetClassifier"),
        ("samplers", "DistillMixAugmenter"),
        ("quality.out_of_fold_label_quality", "OutOfFoldLabelQuality"),
        ("metrics", "roc_auc_scorer"),
        ("networks.conv_net", "ConvNet"),
        ("influence.head_hessian", "HeadHessian"),
        ("training", "validation_split"),
        ("utils.group_labels", "group_labels"),
    ],
)
def test_an_old_name_is_found_with_a_warning(old, name):
    module = importlib.import_module(f"skrobust.{old}")
    with pytest.warns(FutureWarning, match=rf"skrobust.{old}.{name} is in skrobust\.") as caught:
        found = getattr(module, name)
    assert found is getattr(skrobust, name, found)
    assert caught[0].filename == __file__


def test_what_is_gone_says_what_to_use():
    module = importlib.import_module("skrobust.utils.nothing")
    with pytest.raises(AttributeError, match=r"since skrobust 0\.2"):
        module.no_such_name  # noqa: B018
    with pytest.raises(AttributeError, match="soft labels are a pandas DataFrame"):
        importlib.import_module("skrobust.utils.old").ClassMass  # noqa: B018
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("skrobust.nowhere")


def test_no_name_is_hidden_by_a_module_of_the_same_name():
    for room in ("influence", "datasets", "evaluation", "embedding"):
        package = importlib.import_module(f"skrobust.{room}")
        for name in package.__all__:
            with pytest.raises(ModuleNotFoundError):
                importlib.import_module(f"skrobust.{room}.{name}")
            assert callable(getattr(package, name))


def test_a_model_stored_under_the_old_names_loads():
    stored = pickle.dumps(skrobust.ClassWeightedKNeighborsClassifier(3), protocol=0)
    old = stored.replace(
        b"skrobust.embedding.neighbors",
        b"skrobust.classifiers.class_weighted_k_neighbors_classifier",
    )
    assert old != stored
    with pytest.warns(FutureWarning, match=r"is in skrobust\.embedding since"):
        assert pickle.loads(old).n_neighbors == 3
