"""Texts of the report of the study about its parts and methods."""

from __future__ import annotations

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
        "Generated MR spectra, brain tumour slices (glioma against meningioma) and Raman spectra "
        "of saliva (COVID-19 against control), each as 50 principal components; at most 60 "
        "patients and 300 rows train. Learners are logistic regression, a support vector machine "
        "and a small network, each tuned (C, or epochs) for every method. *impure*: only spectra, "
        "where 30% of the voxels of tumour patients are healthy tissue; rows are scored against "
        "the true tissue. The *oracle* leaves out exactly the wrong labels. CleanLearning does "
        "not accept the support vector machine, and early stopping, mixup and the paper's ISR "
        "need a network: they are compared with the learners that they support only.",
        {"auc": "rows", "auc_patients": "patients"},
    ),
    "images": Part(
        "Noisy training images",
        "Brain tumour slices and generated liver lesions at 32 by 32 pixels; about 150 images "
        "train, one fifth of the patients with clean images, all others noisy (standard deviation "
        "0.2 of the range). Influence and early stopping use the clean images as validation rows, "
        "the other methods train on them. The network's weight decay is tuned for every method. "
        "Test images are clean.",
        {"auc": "rows", "auc_patients": "patients"},
    ),
    "contamination": Part(
        "Outliers in the training set of a detector",
        "Digits, brain volumes with lesions (generated, and hippocampus crops with synthetic "
        "ones), patches of brain MRI and brain tumour slices, at most 200 inliers. The baseline is "
        "the same autoencoder, with the same restarts, that removes nothing. Nothing is tuned, "
        "since there are no labels to tune by, and patients of these sets have rows of both kinds, "
        "so that there is no score by patient.",
        {"auc": "rows"},
    ),
    "rarity": Part(
        "Classes with a handful of rows",
        "Digits with 80 down to 3 rows a class, and tumour crops with 30, 10 and 3 patients a "
        "class. The baseline is cross entropy; weight decay is tuned for every method except the "
        "paper's. The scores are the mean recall of all classes and of the rare ones. SMOTE makes "
        "the classes equally large, so that its epochs have several times the steps of the others.",
        {"recall": "all classes", "rare_recall": "rare classes"},
        ratio=1.0,
    ),
    "scarcity": Part(
        "Few training images",
        "Images at 32 by 32 pixels, tumour crops and, where the table has them, generated liver "
        "lesions, of which 100 train. The baseline is the same network with random affine "
        "changes; weight decay is tuned for every method.",
        {"auc": "rows", "auc_patients": "patients"},
        "affine",
    ),
}

METHODS = [
    Method(
        "`LabelQualityReweighter` with `OutOfFoldLabelQuality`",
        "labels",
        {
            "quality weights by row": 'OutOfFoldLabelQuality(..., level="row")',
            "quality weights by patient": 'OutOfFoldLabelQuality(..., level="group")',
        },
    ),
    Method(
        "`DistillMixAugmenter`",
        "labels",
        {
            "DistillMix, certain rows": "DistillMixAugmenter(CertainSamples(net))",
            "DistillMix, by patient": (
                'DistillMixAugmenter(OutOfFoldLabelQuality(..., level="group", keep=0.5), '
                'strategy="both", alpha=0.2, factor=3)'
            ),
            "selection by patient": (
                'DistillMixAugmenter(OutOfFoldLabelQuality(..., level="group", keep=0.5), '
                "strategy=None)"
            ),
        },
        "DistillMix, certain rows",
        ("impure",),
        "The share of kept rows explains this: the rule keeps rows of which a network is certain "
        "within five epochs. The paper has thousands of spectra; here five epochs are some 45 "
        "steps, after which the network is certain of hardly any row, and `min_certain` adds rows "
        "up to 10% of every class. Small data need more epochs, or another distiller.",
    ),
    Method(
        "`InfluenceReweighter` (ISR), wrong labels",
        "labels",
        {
            "ISR, paper": "InfluenceReweighter(net)",
            "ISR, smoothed": (
                'InfluenceReweighter(net, warmup_epochs=3, emphasis="helpful", scaling="rank", '
                "smoothing=3, final_estimator=...)"
            ),
        },
    ),
    Method(
        "`InfluenceReweighter` (ISR), noisy images",
        "images",
        {
            "ISR, paper": "InfluenceReweighter(net)",
            "ISR, smoothed": (
                'InfluenceReweighter(net, emphasis="helpful", scaling="rank", smoothing=3)'
            ),
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
            "ISP, paper": "InfluencePerturber(net, step=None)",
            "ISP, bounded": "InfluencePerturber(net)",
        },
        "ISP, paper",
        ("Gaussian noise", "Rician noise"),
        "The clean validation images explain this: influence uses them to judge the noisy ones, "
        "the baseline trains on them, which gains more than the weights or changes by influence.",
        NAIVE,
    ),
    Method(
        "`AEOutlierRemover`",
        "contamination",
        {"removal": "AEOutlierRemover()"},
        "removal",
        ("12% outliers", "30% outliers"),
    ),
    Method(
        "`TripletEmbedder`",
        "rarity",
        {
            "triplets, centroid": "make_pipeline(TripletEmbedder(), NearestCentroid())",
            "triplets, kNN": "make_pipeline(TripletEmbedder(), KNeighborsClassifier(7))",
            "triplets, paper": (
                "make_pipeline(TripletEmbedder(**TripletEmbedder.paper_params), "
                "KNeighborsClassifier(7))"
            ),
        },
        "triplets, paper",
        ("long tail",),
        "The other settings explain this: a class with fewer than 7 rows can hardly win among 7 "
        "neighbours, "
        "and the nearest centroid of the default embedding does better than its 7 neighbours. "
        "But cross entropy with balanced batches, or adjusted logits, gains as much at less cost.",
    ),
    Method(
        "`FactorMixSampler`",
        "scarcity",
        {
            "affine, FactorMix decoded": 'FactorMixSampler(detail="decoded")',
            "affine, FactorMix residual": "FactorMixSampler()",
        },
        "affine, FactorMix decoded",
        ("100 images",),
    ),
]

NOT_IN_IT = """\
- The sets are small on purpose: a few hundred training rows, small networks, few epochs. What the
  methods do with thousands of rows is not measured here.
- The brain tumour images are used in every part, so that the parts are not independent. The Raman
  set has 64 patients of the two classes; sets with 20 or 32 patients were left out, since no method
  could differ there beyond chance.
- No volumes at full resolution, no rare classes of volumes, no network larger than the small ones
  here, nothing on a GPU.
- At most 60 patients train under wrong labels. With more patients, wrong labels can be
  detected better: see the numbers of `examples/benchmarks/label_noise.py` in the user guide.
- Only the regularisation was tuned: methods may do better with other settings, and so may the
  plain learner.
- The p-values are not corrected for the number of comparisons: with 40 comparisons one false
  "helps" and one false "hurts" are to be expected.
- Folds of a seed share training rows, for which the test corrects; the generated sets are
  drawn again for every seed, the real sets are the same."""
