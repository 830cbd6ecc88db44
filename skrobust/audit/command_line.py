"""``python -m skrobust audit`` and ``compare``: the first look at data, without writing code."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.utils import Bunch

from ..datasets import load_grouped_npz
from ..evaluation import compare_estimators, comparison_table, summarize_comparison
from ..evaluation.comparison_tables import p_text
from ..label_noise import DistillationWarning, LabelQualityReweighter
from .findings import listing
from .rows import as_table
from .run import audit

_DESCRIPTION = """\
Look at data that are labelled and grouped by patient.

  audit     what is wrong with the data, and which patients to look at again
  compare   how well simple classifiers do on unseen patients

DATA is a table (.csv, .csv.gz, .parquet) with a column of labels and one of patients, or an .npz
file with the arrays X, y and groups, as numpy.savez_compressed(path, X=X, y=y, groups=groups)
writes it."""

_AUDIT = """\
examples:
  python -m skrobust audit visits.csv --label diagnosis --group patient
  python -m skrobust audit visits.csv --label diagnosis --group patient --html audit.html
  python -m skrobust audit spectra.npz --site hospital --review review.html

exit codes: 0 nothing severe was found, 1 something severe was found, 2 the data or the options
cannot be used."""

_COMPARE = """\
examples:
  python -m skrobust compare visits.csv --label diagnosis --group patient --positive ill
  python -m skrobust compare spectra.npz --csv scores.csv

The table shows the mean over patient-disjoint folds, its 95% bootstrap interval over patients,
and the p-value of the difference from logistic regression (corrected resampled t-test, Holm's
method). A score "(rows)" counts rows, one "(patients)" counts patients. "logistic regression,
noise" allows for wrong labels.

exit codes: 0 the table was printed, 2 the data or the options cannot be used."""

# the cost of a support vector machine grows with the square of the rows
_MOST_ROWS_OF_SVC = 20_000
_N_COMPONENTS = 50
_N_BOOTSTRAP = 200


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, default=None
        What follows ``python -m skrobust``; None takes them from the command line.

    Returns
    -------
    code : int
        0: fine, 1: the audit found something severe, 2: an error, which is printed in one line.
    """
    options = _parser().parse_args(arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.showwarning = _show_warning
        try:
            return options.run(options)
        except (OSError, ValueError, TypeError, ImportError, RuntimeError) as error:
            text = " ".join(str(error).split())
            print(f"skrobust {options.command}: error: {text}", file=sys.stderr)
            return 2


def _parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    layout = {"formatter_class": argparse.RawDescriptionHelpFormatter}
    parser = argparse.ArgumentParser("python -m skrobust", description=_DESCRIPTION, **layout)
    commands = parser.add_subparsers(dest="command", required=True, metavar="audit | compare")
    data = argparse.ArgumentParser(add_help=False)
    data.add_argument("data", metavar="DATA", help="a .csv, .csv.gz, .parquet or .npz file")
    data.add_argument(
        "--label", metavar="C", help="column of the labels (.npz: array, y by default)"
    )
    data.add_argument(
        "--group",
        metavar="C",
        help="column of the patients (.npz: array, groups by default); without it every row of a "
        "table counts as a patient of its own",
    )
    data.add_argument("--drop", metavar="C", nargs="+", default=[], help="columns to leave out")
    data.add_argument(
        "--separator", metavar="S", default=",", help="between the columns of a .csv file"
    )
    data.add_argument("--folds", metavar="K", type=int, default=5, help="number of folds (5)")
    data.add_argument("--jobs", metavar="N", type=int, help="fits at a time (1; -1: all cores)")
    data.add_argument("--quiet", action="store_true", help="no progress bar")
    one = commands.add_parser(
        "audit", parents=[data], epilog=_AUDIT, help="what is wrong with the data", **layout
    )
    one.add_argument("--site", metavar="C", help="column (.npz: array) of hospitals or scanners")
    one.add_argument("--html", metavar="FILE", help="write the report as a page")
    one.add_argument("--review", metavar="FILE", help="write a page to review the patients")
    one.add_argument("--patients", metavar="FILE", help="write the table of patients as .csv")
    one.add_argument("--seed", metavar="N", type=int, default=0, help="of all random choices (0)")
    one.set_defaults(run=_audit)
    two = commands.add_parser(
        "compare", parents=[data], epilog=_COMPARE, help="scores of simple classifiers", **layout
    )
    two.add_argument("--positive", metavar="LABEL", help="the label of the ill")
    two.add_argument(
        "--format",
        choices=["text", "markdown", "latex", "html"],
        default="text",
        help="of the table that is printed (text)",
    )
    two.add_argument("--csv", metavar="FILE", help="write the score of every fold as .csv")
    two.set_defaults(run=_compare)
    return parser


def _audit(options: argparse.Namespace) -> int:
    """Run the audit, and print and write what was asked for."""
    data = _read(options)
    report = audit(
        data.X,
        data.y,
        data.groups,
        site=data.site,
        cv=options.folds,
        n_jobs=options.jobs,
        random_state=options.seed,
        verbose=not options.quiet,
    )
    print(report)
    if options.html:
        report.to_html(options.html)
    if options.patients:
        report.patients.to_csv(options.patients)
    if options.review:
        # of curves in an .npz file
        report.to_review(options.review, axis=data.get("axis"))
    return int((report.findings["severity"] == "severe").any())


def _compare(options: argparse.Namespace) -> int:
    """Compare simple classifiers, and print the table."""
    data = _read(options)
    estimators = _baselines(data.X)
    if len(data.y) > _MOST_ROWS_OF_SVC:
        del estimators["SVC"]
        warnings.warn(f"{len(data.y):,} rows are too many for SVC: it is left out.", stacklevel=2)
    classes = np.unique(data.y)
    positive = options.positive
    if positive is not None:
        known = {str(label): label for label in classes.tolist()}
        if positive not in known:
            raise ValueError(f"--positive {positive}: the labels are {listing(known, 10)}.")
        positive = known[positive]
    # whether relabelling helped is in the table
    warnings.simplefilter("ignore", DistillationWarning)
    results = compare_estimators(
        estimators,
        data.X,
        data.y,
        groups=data.groups,
        cv=options.folds,
        pos_label=positive,
        n_bootstrap=_N_BOOTSTRAP,
        random_state=0,
        n_jobs=options.jobs,
        verbose=not options.quiet,
    )
    if options.csv:
        results.drop(columns="bootstrap").to_csv(options.csv, index=False)
    with warnings.catch_warnings(record=True) as caught:
        summary = summarize_comparison(results, baseline="logistic regression")
    if caught:  # one for every estimator and score
        warnings.warn(caught[0].message, stacklevel=2)
    if options.format != "text":
        print(comparison_table(summary, options.format))
        return 0
    summary["text"] = [
        f"{line.mean:.2f} [{line.lower:.2f}, {line.upper:.2f}]"
        + ("" if np.isnan(line.p_holm) else f" ({p_text(line.p_holm)})")
        for line in summary.itertuples()
    ]
    table = summary.pivot(index="metric", columns="estimator", values="text")
    table = table.loc[summary["metric"].unique(), list(estimators)]
    print(table.rename_axis(index=None, columns=None).to_string())
    return 0


def _baselines(X: Any) -> dict[str, Any]:
    """Return classifiers for tables or arrays, each with the conversion that it needs."""

    def numbers() -> Any:
        if isinstance(X, pd.DataFrame):
            is_number = [pd.api.types.is_numeric_dtype(dtype) for dtype in X.dtypes]
            texts = make_pipeline(
                SimpleImputer(strategy="constant", fill_value="missing"),
                OneHotEncoder(
                    handle_unknown="infrequent_if_exist", min_frequency=10, max_categories=20
                ),
            )
            scaled = make_pipeline(SimpleImputer(), StandardScaler())
            kinds = [("numbers", scaled, X.columns[is_number])]
            kinds += [("texts", texts, X.columns[np.logical_not(is_number)])]
            return ColumnTransformer(kinds)
        flat = FunctionTransformer(_flatten)
        steps = [flat, SimpleImputer(keep_empty_features=True), StandardScaler()]
        if np.prod(X.shape[1:]) > 2 * _N_COMPONENTS:
            steps.append(PCA(0.99, svd_solver="full") if len(X) < 100 else PCA(_N_COMPONENTS))
        return make_pipeline(*steps)

    logistic = make_pipeline(numbers(), LogisticRegression(C=0.03, max_iter=1000))
    return {
        "logistic regression": logistic,
        "logistic regression, noise": LabelQualityReweighter(logistic, random_state=0),
        "random forest": make_pipeline(
            numbers(), RandomForestClassifier(200, min_samples_leaf=2, random_state=0)
        ),
        "SVC": make_pipeline(numbers(), SVC(class_weight="balanced")),
    }


def _flatten(X: np.ndarray) -> np.ndarray:
    """Return rows of any number of axes as rows of numbers."""
    return np.asarray(X).reshape(len(X), -1)


def _read(options: argparse.Namespace) -> Bunch:
    """Return X, y, groups and site of a file."""
    path = Path(options.data)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {str(path)!r}.")
    site = getattr(options, "site", None)
    if path.suffix == ".npz":
        return _read_npz(path, options, site)
    if path.suffix in (".parquet", ".pq"):
        table = pd.read_parquet(path)
    elif path.name.removesuffix(".gz").endswith((".csv", ".tsv", ".txt")):
        table = pd.read_csv(path, sep=options.separator, low_memory=False)
    else:
        raise ValueError(f"{str(path)!r} is no .csv, .csv.gz, .parquet or .npz file.")
    if options.label is None:
        raise ValueError(f"which column holds the labels? --label C, of {listing(table, 30)}.")
    names = {"--label": options.label, "--group": options.group, "--site": site}
    names |= {f"--drop {name}": name for name in options.drop}
    for option, name in names.items():
        if name is not None and name not in table:
            near = get_close_matches(name, [str(c) for c in table.columns], 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {listing(table, 30)}."
            raise ValueError(f"{option}: no column {name!r}; {hint}")
    used = [name for name in (options.label, options.group) if name is not None]
    if len(table) and table[used].isna().any(axis=1).any():
        n = int(table[used].isna().any(axis=1).sum())
        raise ValueError(f"{n:,} rows have no value in {' or '.join(used)}: remove these rows.")
    X = table.drop(columns={*used, *options.drop} | ({site} if site else set()))
    groups = None if options.group is None else table[options.group].to_numpy()
    y = table[options.label].to_numpy()
    return Bunch(X=as_table(X), y=y, groups=groups, site=None if site is None else table[site])


def _read_npz(path: Path, options: argparse.Namespace, site: str | None) -> Bunch:
    """Return X, y, groups and site of an npz file; names of classes and patients are used."""
    data = load_grouped_npz(path)
    if options.drop:
        raise ValueError("--drop leaves out columns of tables; an .npz file has no named columns.")

    def array(name: str, option: str) -> np.ndarray:
        if name not in data or np.shape(data[name])[:1] != (len(data.data),):
            raise ValueError(f"{option}: no array {name!r} with one entry per row.")
        return data[name]

    y = data.target if options.label in (None, "y") else array(options.label, "--label")
    if y is data.target and "target_names" in data and y.dtype.kind in "iu":
        y = np.array(data.target_names)[y]
    given = options.group in (None, "groups")
    groups = data.groups if given else array(options.group, "--group")
    names = data.get("patient_id")
    if given and names is not None and groups.dtype.kind in "iu" and len(names) > groups.max():
        groups = names[groups]
    found = Bunch(
        X=data.data, y=y, groups=groups, site=None if site is None else array(site, "--site")
    )
    axis = data.get("axis")
    if data.data.ndim == 2 and np.shape(axis) == data.data.shape[1:] and axis.dtype.kind in "fiu":
        steps = np.diff(axis)
        if (steps > 0).all() or (steps < 0).all():
            found.axis = axis
    return found


def _show_warning(message, category, filename, lineno, file=None, line=None) -> None:
    """Print a warning in one line, without the place in the code."""
    print(f"skrobust: warning: {' '.join(str(message).split())}", file=sys.stderr)
