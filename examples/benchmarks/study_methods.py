"""Texts of the report of the study about its parts and methods."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from study_cases import PLAIN
from study_images import NAIVE


class Part(NamedTuple):
    """A part of the study: its scores, by what they are called, its baseline, and its folds."""

    title: str
    text: str
    scores: dict[str, str]
    baseline: str = PLAIN
    ratio: float = 0.5  # test over training patients of a fold
    more: Mapping[str, str] = MappingProxyType({})  # scores that get a table, and no verdict
    main: tuple[str, ...] = ()  # arms whose p-values are not corrected


class Method(NamedTuple):
    """A method: its arms with the settings of each, and where its paper says that it helps."""

    name: str
    part: str
    arms: dict[str, str]
    paper_arm: str | None = None
    paper_trouble: tuple[str, ...] = ()
    # added unless it helps with the problem of the paper
    why: str = ""
    # the paper's own baseline, where it is not the part's
    paper_baseline: str | None = None


PARTS = {
    "labels": Part(
        "Wrong labels",
        "Sets, with the number of patients that train: generated MR spectra (60; noisy with few "
        "rows per patient, 120; many patients, 240), brain tumour slices (glioma against "
        "meningioma, 120), Raman spectra of saliva (COVID-19 against control, 43), days of "
        "activity (depression, 37), patches of brain volumes (7), visits (dementia, 90) and "
        "encounters of diabetics (120, and 667, a table with text and gaps). Learners are logistic "
        "regression on all sets but the encounters, a support vector machine, a forest and a small "
        "network on spectra, slices and saliva, the network on many spectra too, and gradient "
        "boosting on the encounters. Their regularisation is tuned for *plain*, on the given "
        "labels, and every other arm has the same. *Rows and patients*: 20% of both. *One-sided*: "
        "30% of the patients of one class have the label of the other. *Impure*: only spectra, "
        "where 30% of the voxels of tumour patients are healthy tissue; rows are scored against "
        "the true tissue. The *oracle* leaves out exactly the wrong labels. *noise model* is "
        "`LabelQualityReweighter(learner)` with its defaults: the main comparison, declared "
        "before the study was run. CleanLearning does not accept the support vector machine; early "
        "stopping and mixup need a network: they are compared with the learners that they support "
        "only. Where patients have rows of both classes (patches, encounters) only rows are made "
        "wrong and scored.",
        {"auc": "rows", "auc_patients": "patients"},
        more={
            "recall": "balanced accuracy, rows",
            "recall_patients": "balanced accuracy, patients",
            "brier": "Brier score (how much lower), rows",
            "brier_patients": "Brier score (how much lower), patients",
        },
        main=("noise model",),
    ),
    "trusted": Part(
        "Wrong labels, and patients that an expert has checked",
        "The sets of *wrong labels* where all rows of a patient have one label, with logistic "
        "regression. The labels of 10% or 20% of the training "
        "patients have been corrected, and all methods train on them; *noise model, trusted* and "
        "*rows that weigh 5* are told which patients these are. *Wrong trust*: 20% are checked, "
        "and the labels of one in five of them are wrong. Gains are over *plain*, the same learner "
        "on all rows, the corrected ones included.",
        {"auc": "rows", "auc_patients": "patients"},
        main=("noise model, trusted",),
    ),
    "images": Part(
        "Noisy training images",
        "Brain tumour slices and generated liver lesions at 32 by 32 pixels; about 150 images "
        "train, one fifth of the patients with clean images, all others noisy (standard deviation "
        "0.2 of the range). The paper's settings of influence, and early stopping, use the clean "
        "images as validation rows; by default influence is told that they are trusted, and all "
        "other methods train on them too. *Denoised rows added* trains on raw rows and copies that "
        "a denoiser taught by the clean images has made of the noisy ones; *noisy rows twice* "
        "takes as many steps. The network's weight decay is tuned for *plain*, and all methods "
        "have the same. Test images are clean.",
        {"auc": "rows", "auc_patients": "patients"},
    ),
    "trusted_images": Part(
        "Noisy training images, fewer clean ones and wrong trust",
        "Sets, noise and methods of *noisy training images*. *10% clean*: a tenth of the training "
        "patients has clean images. *Wrong trust*: a fifth is told to have them, and one in five "
        "of these has noisy ones.",
        {"auc": "rows", "auc_patients": "patients"},
    ),
    "contamination": Part(
        "Outliers in the training set of a detector",
        "Digits (3 and 8), a table of breast tumours, brain volumes with lesions (generated, and "
        "hippocampus crops with synthetic ones), patches of brain MRI and brain tumour slices, at "
        "most 200 inliers. *removal* is `AEOutlierRemover()`, its baseline the same autoencoder, "
        "with the same restarts, that removes nothing; other detectors are compared with that "
        "autoencoder too. *removal, committee* scores rows, after the same training, by the mean "
        "of three errors: reconstruction, distance to neighbours, and distance from the plane of "
        "the principal components. *OutlierRemover* is the mean over three detectors (components, "
        "neighbours, local outlier factor), each compared with itself on all rows. Nothing is "
        "tuned, since there are no labels to tune by, and patients of these sets have rows of both "
        "kinds, so that there is no score by patient.",
        {"auc": "rows"},
    ),
    "rarity": Part(
        "Classes with a handful of rows",
        "Digits with 80 down to 3 rows a class, tumour crops with 30, 10 and 3 patients a class, "
        "patches of brain volumes (100 rows without and 12 with tumour, of 4 patients) and "
        "generated lesions with 80, 40, 10 and 5 rows a class. Every method is the mean of four "
        "small networks, but for the paper's and *one network*, the mean score of the four. "
        "The baseline *remedies* is cross entropy with the best of four settings on inner folds: "
        "adjusted logits (the balanced softmax) or balanced batches, with and without affine "
        "changes; whether embeddings are trained with affine changes is chosen in the same way. "
        "*joint* adds a cross entropy to the triplet loss; *remedies and joint* averages two "
        "networks of each. *cRT* re-trains the last layer of networks trained by cross entropy, on "
        "balanced batches. The scores are the mean recall of all classes and of the rare ones.",
        {"recall": "all classes", "rare_recall": "rare classes"},
        "remedies",
        ratio=1.0,
    ),
    "scarcity": Part(
        "Few training rows",
        "Brain tumour crops and slices (glioma against meningioma) and generated lesions, images "
        "at 32 by 32 pixels, and days of activity (depression); 100 rows train, of the crops also "
        "400. The baseline is one plain network, with tuned weight decay, which all have. Images "
        'are changed by `augment="affine"`, signals by `augment="spectrum"`. *plain*, *augment*, '
        "*augment, mixup* and *augment, CutMix* are mean scores of five networks, each alone, *5 "
        "networks* those of their mean. *augment, 5 networks* with 100 rows is the main "
        "comparison, declared before the study was run.",
        {"auc": "rows", "auc_patients": "patients"},
        main=("augment, 5 networks",),
    ),
}

METHODS = [
    Method(
        "`LabelQualityReweighter` with `LabelNoiseModel`",
        "labels",
        {
            "noise model": "LabelQualityReweighter(learner)",
            "noise model, weights": ('LabelQualityReweighter(learner, use="weight", veto=False)'),
        },
    ),
    Method(
        "`LabelQualityReweighter` with trusted patients",
        "trusted",
        {
            "noise model, trusted": "LabelQualityReweighter(learner).fit(..., trusted=checked)",
            "noise model": "LabelQualityReweighter(learner)",
        },
    ),
    Method(
        "`LabelQualityReweighter` with `OutOfFoldLabelQuality`",
        "labels",
        {
            "by row": 'LabelQualityReweighter(learner, OutOfFoldLabelQuality(..., level="row"))',
            "by patient": (
                'LabelQualityReweighter(learner, OutOfFoldLabelQuality(..., level="group"))'
            ),
        },
    ),
    Method(
        "`DistillMixAugmenter`, the paper",
        "labels",
        {"certain rows (paper)": 'DistillMixAugmenter(CertainSamples(net), strategy="both")'},
        "certain rows (paper)",
        ("impure",),
        "The share of kept rows explains this: the rule keeps rows of which a network is certain "
        "within five epochs. The paper has thousands of spectra; here five epochs are some 45 "
        "steps, after which the network is certain of hardly any row, and `min_certain` adds rows "
        "up to 10% of every class. Small data need more epochs, or another distiller.",
    ),
    Method(
        "`InfluenceReweighter` (ISR), noisy images",
        "images",
        {
            "ISR, paper": "InfluenceReweighter(**InfluenceReweighter.paper_params)",
            "ISR": "InfluenceReweighter(net), told the clean images",
        },
        "ISR, paper",
        ("Gaussian noise", "Rician noise"),
        "The clean validation images explain this: influence uses them to judge the noisy ones, "
        "the baseline trains on them, which gains more than the weights or changes by influence.",
        NAIVE,
    ),
    Method(
        "`InfluencePerturber` (ISP)",
        "images",
        {
            "ISP, paper": "InfluencePerturber(**InfluencePerturber.paper_params)",
            "ISP": "InfluencePerturber(net), told the clean images",
        },
        "ISP, paper",
        ("Gaussian noise", "Rician noise"),
        "The clean validation images explain this: influence uses them to judge the noisy ones, "
        "the baseline trains on them, which gains more than the weights or changes by influence.",
        NAIVE,
    ),
    Method(
        "`DenoisedRowsAugmenter`",
        "images",
        {"denoised rows added": "ResamplingClassifier(DenoisedRowsAugmenter(), net)"},
    ),
    Method(
        "`AEOutlierRemover`",
        "contamination",
        {
            "removal": "AEOutlierRemover()",
            "removal, committee": 'AEOutlierRemover(score_by="committee")',
        },
        "removal",
        ("12% outliers", "30% outliers"),
    ),
    Method(
        "`OutlierRemover`",
        "contamination",
        {"OutlierRemover": "OutlierRemover(detector)"},
    ),
    Method(
        "`TripletEmbedder`",
        "rarity",
        {
            "triplets, centroid": "make_pipeline(TripletEmbedder(), NearestCentroid())",
            "triplets, LDA": "make_pipeline(TripletEmbedder(), LinearDiscriminantAnalysis(...))",
            "joint, centroid": (
                "make_pipeline(TripletEmbedder(cross_entropy_weight=1), NearestCentroid())"
            ),
            "joint, LDA": (
                "make_pipeline(TripletEmbedder(cross_entropy_weight=1), "
                "LinearDiscriminantAnalysis(...))"
            ),
            "remedies and joint": "the mean of NetClassifier(...) and of joint, LDA",
            "triplets, paper": (
                "make_pipeline(TripletEmbedder(**TripletEmbedder.paper_params), "
                "KNeighborsClassifier(7))"
            ),
        },
        "triplets, paper",
        ("long tail",),
        "The paper's baseline is plain cross entropy. Balanced batches, adjusted logits and "
        "changed rows are open to cross entropy too, and a class with fewer than 7 rows can hardly "
        "win among 7 neighbours.",
        "plain",
    ),
    Method(
        "`NetClassifier` with `augment` and `n_members`",
        "scarcity",
        {
            "augment": 'NetClassifier(augment="affine")',
            "5 networks": "NetClassifier(n_members=5)",
            "augment, 5 networks": 'NetClassifier(augment="affine", n_members=5)',
        },
    ),
    Method(
        "`FactorMixSampler`",
        "scarcity",
        {
            "augment, FactorMix": (
                'ResamplingClassifier(FactorMixSampler(), NetClassifier(augment="affine"))'
            ),
            "augment, FactorMix, 5 networks": (
                "ResamplingClassifier(FactorMixSampler(), "
                'NetClassifier(augment="affine", n_members=5))'
            ),
        },
        "augment, FactorMix",
        ("100 rows",),
        paper_baseline="augment",
    ),
]

NOT_IN_IT = """\
- The sets are small on purpose: a few hundred training rows, small networks, few epochs. What the
  methods do with thousands of rows is not measured here.
- The brain tumour images are used in every part, so that the parts are not independent.
- No volumes at full resolution, no network larger than the small ones here, nothing on a GPU.
- Tried, and not in the library: random convolutions (1,000 dilated kernels, their shares of
  positive outputs and their maxima) before a linear classifier, compared with principal components
  before the same classifier, both tuned on inner folds of patients. On tumour crops of 32 by 32
  pixels they gain .067 AUC (.890 to .957, logistic regression; 3 seeds of 3 folds: .064, .068,
  .068). On Raman spectra of saliva (control against COVID-19) they lose .031 (512 rows, logistic
  regression; 2 seeds of 3 folds: -.043, -.019) and .057 (900 rows, ridge; 2 seeds of 2 folds:
  -.013, -.078, -.082, -.053). On Raman spectra of the skin of 20 people (diabetes) both are below
  chance (.357 and .431). To be kept they had to gain .02 on images and on spectra.
- Only the regularisation was tuned, under wrong labels only that of the plain learner: methods may
  do better with other settings.
- Holm's correction is made within a column of a table, not over the whole page.
- Folds of a seed share training rows, for which the test corrects; the generated sets are
  drawn again for every seed, the real sets are the same."""
