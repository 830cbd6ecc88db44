"""
From a CSV file to the clinician, and back
==========================================

A hospital's table of visits: what is wrong with it, which patients a clinician should look at
again, how the decisions come back, and what training with them gains. Everything here works the
same on your own file: ``--data FILE --label COLUMN --group COLUMN``.
"""

# %%
# The table
# ---------
# Without a file, one is written, with faults planted in it: the diagnosis of a fifth of the
# patients is wrong, one patient is there under two names, a column was filled in after the
# diagnosis, another one numbers the rows, and some ages are missing.
import argparse
import tempfile
import textwrap
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skrobust import (
    ComparisonDisplay,
    LabelQualityReweighter,
    apply_review,
    audit,
    compare_estimators,
    comparison_table,
    flip_labels,
    make_mr_spectra,
    summarize_comparison,
)
from skrobust.audit import review_template

parser = argparse.ArgumentParser(description="From a CSV file to the clinician")
parser.add_argument("--data", help="CSV file; a table with planted faults by default")
parser.add_argument("--label", default="diagnosis", help="column of the label")
parser.add_argument("--group", default="patient", help="column of the patient")
parser.add_argument("--drop", nargs="*", default=[], help="columns to leave out")
parser.add_argument("--reviewed", help="CSV file that the review page has exported")
parser.add_argument("--out", type=Path, help="folder for what is written; a temporary one")
options = parser.parse_args()
out = options.out or Path(tempfile.mkdtemp())
out.mkdir(parents=True, exist_ok=True)


def write_visits(path):
    """Write a table of visits with planted faults, and return the right label of every row."""
    spectra = make_mr_spectra(150, n_points=32, n_voxels=4, impurity=0, snr=4, random_state=0)
    rng = np.random.RandomState(0)
    names = np.array(["healthy", "ill"])
    given, _ = flip_labels(spectra.target, 0.2, groups=spectra.groups, random_state=0)
    visits = pd.DataFrame(spectra.data.round(4), columns=[f"{ppm:.2f} ppm" for ppm in spectra.axis])
    visits["age"] = rng.randint(30, 80, 150)[spectra.groups].astype(float)
    visits.loc[rng.rand(len(visits)) < 0.1, "age"] = np.nan
    visits["sex"] = np.array(["f", "m"])[rng.randint(0, 2, 150)][spectra.groups]
    visits["therapy"] = np.where(given == 1, "started", "none")
    visits["patient"] = [f"P{number:03d}" for number in spectra.groups]
    visits["diagnosis"] = names[given]
    twice = visits[visits["patient"] == "P007"].assign(patient="P900")
    visits = pd.concat([visits, twice], ignore_index=True)
    visits["file"] = [f"scan_{i:04d}.dat" for i in range(len(visits))]
    visits.to_csv(path, index=False)
    return pd.Series(names[spectra.target]).groupby(visits["patient"].iloc[: len(given)]).first()


right = None
if options.data is None:
    options.data = out / "visits.csv"
    right = write_visits(options.data)
visits = pd.read_csv(options.data)
patient, y = visits[options.group], visits[options.label]
X = visits.drop(columns=[options.group, options.label, *options.drop])
print(f"{len(visits)} visits of {patient.nunique()} patients, {X.shape[1]} columns")


# %%
# What is wrong with it
# ---------------------
# Whatever the audit judges, it judges by models that have not seen the patient. Without code it is
# ``python -m skrobust audit visits.csv --label diagnosis --group patient``.
def show(report):
    """Print what is worth a look; ``print(report)`` has all of it."""
    for row in report.findings.query("severity != 'note'").itertuples():
        print(
            textwrap.fill(f"{row.code} {row.severity}: {row.finding}", 88, subsequent_indent="  ")
        )


report = audit(X, y, patient, random_state=0)
show(report)

# %%
# Columns that tell the row or the answer have to go, and the patient with two names gets one. Only
# then can labels be judged: with ``therapy`` left in, every model would repeat the given diagnosis.
# What to leave out of your own table is your decision: ``--drop COLUMN``.
if right is not None:
    X = X.drop(columns=["file", "therapy"])
    keep = patient != "P900"
    X, y, patient = X[keep], y[keep], patient[keep]
    right = right[patient].to_numpy()
    report = audit(X, y, patient, random_state=0)
    show(report)

# %%
# Whom to look at again
# ---------------------
# The page shows the most suspicious patients first, with their rows. It is one file, needs no
# network, and exports the decisions as a CSV file.
page = report.to_review(out / "review.html", n_patients=40)
print(f"{page.name}: {page.stat().st_size / 1e6:.1f} MB")
columns = ["label", "probability", "suggested", "reasons"]
print(report.patients.head(10)[columns].round(3).to_string())

# %%
# The decisions come back
# -----------------------
# With your own data, review the page and give the exported file as ``--reviewed FILE``. Here a
# clinician who is always right has looked at the first 40 patients.
if options.reviewed is None:
    decisions = review_template(y, patient).set_index("patient")
    if right is not None:
        for name in report.patients.index[:40]:
            truth = right[patient == name][0]
            wrong = truth != decisions.at[name, "label"]
            decisions.at[name, "decision"] = "wrong" if wrong else "right"
            decisions.at[name, "new_label"] = truth if wrong else ""
    options.reviewed = out / "reviewed.csv"
    decisions.to_csv(options.reviewed)
    print(decisions["decision"].value_counts().to_string())
y_reviewed, trusted = apply_review(y, patient, options.reviewed)
print(f"{(y_reviewed != y).sum()} labels corrected, {trusted.sum()} of {len(y)} rows trusted")

# %%
# Train with what was checked
# ---------------------------
# Trusted rows keep label and weight, and teach the judges of the others. Text and missing values
# are dealt with inside the pipeline, so that nothing is learned from test rows.
linear = make_pipeline(
    make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number")),
        remainder=make_pipeline(SimpleImputer(), StandardScaler()),
    ),
    LogisticRegression(C=0.01, max_iter=1000),
)
estimators = {
    "logistic regression": linear,
    "with soft labels": LabelQualityReweighter(linear, veto=False, random_state=0),
}

# %%
# Four ways, on the same folds of whole patients: with the labels as given and as reviewed, each
# with and without the noise model. All are scored on the right labels, which only planted faults
# have; with your own data they are scored on the reviewed ones. Look at the intervals before the
# means.
# sphinx_gallery_thumbnail_path = '_static/review.png'
common = {
    "groups": patient,
    "y_score": y_reviewed if right is None else right,
    "pos_label": np.unique(y)[-1],
    "n_bootstrap": 200,
    "random_state": 0,
}
given = compare_estimators({f"{k}, given": v for k, v in estimators.items()}, X, y, **common)
reviewed = compare_estimators(
    {f"{k}, reviewed": v for k, v in estimators.items()}, X, y_reviewed, trusted=trusted, **common
)
results = pd.concat([given, reviewed])
summary = summarize_comparison(results, baseline="logistic regression, given")
print(comparison_table(summary[summary["metric"].str.contains("patients")], digits=2))
ComparisonDisplay.from_results(
    results, metric="roc_auc (patients)", baseline="logistic regression, given"
).plot()

# %%
# Keep the model
# --------------
# A saved model runs code when it is loaded: load only files that you trust, or use skops (see
# :ref:`security`).
model = estimators["with soft labels"].fit(X, y_reviewed, groups=patient, trusted=trusted)
joblib.dump(model, out / "model.joblib")
loaded = joblib.load(out / "model.joblib")
print("reloaded:", np.array_equal(loaded.predict_proba(X), model.predict_proba(X)))
