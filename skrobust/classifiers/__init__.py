"""Steps that predict."""

from .adversarial_net_classifier import AdversarialNetClassifier
from .class_weighted_k_neighbors_classifier import ClassWeightedKNeighborsClassifier
from .influence_classifier import InfluenceWarning
from .influence_perturber import InfluencePerturber
from .influence_reweighter import InfluenceReweighter
from .label_quality_reweighter import LabelQualityReweighter
from .net_classifier import NetClassifier
from .resampling_classifier import ResamplingClassifier

__all__ = [
    "AdversarialNetClassifier",
    "ClassWeightedKNeighborsClassifier",
    "InfluencePerturber",
    "InfluenceReweighter",
    "InfluenceWarning",
    "LabelQualityReweighter",
    "NetClassifier",
    "ResamplingClassifier",
]
