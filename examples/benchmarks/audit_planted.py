"""What an audit finds of planted faults, and what it finds on clean data.

    python examples/benchmarks/audit_planted.py --seeds 20

Every fault is planted into generated spectra of 60 patients, seed after seed. On clean data of
several sizes, every "severe" finding is a false alarm, and warnings are counted by code.
"""

import argparse
import collections
import time

import numpy as np

from skrobust import audit, flip_labels, make_mr_spectra


def clean(n_patients, seed):
    data = make_mr_spectra(n_patients, n_voxels=(5, 20), impurity=0, random_state=seed)
    return data.data, data.target, data.groups


def found(report, code, *severities):
    """Return the severity of a finding among those that count, or an empty text."""
    chosen = report.findings[report.findings["code"] == code]
    return any(severity in severities for severity in chosen["severity"])


def flipped(X, y, groups, rng):
    y, wrong = flip_labels(y, 0.2, groups=groups, random_state=rng.integers(1e6))
    patients = set(groups[wrong])

    def check(report):
        worst = report.patients.index[: len(patients)]
        half = len(patients & set(worst)) >= len(patients) / 2
        warned = [found(report, code, "severe", "warning") for code in ("SKR302", "SKR304")]
        return half and any(warned)

    return {"X": X, "y": y, "groups": groups}, check


def copies(X, y, groups, rng, noise=0.0):
    """Replace 2% of the rows by rows of other patients."""
    X = X.copy()
    rows = rng.choice(len(X), round(0.02 * len(X)), replace=False)
    rest = np.setdiff1d(np.arange(len(X)), rows)
    sources = np.array([rng.choice(rest[groups[rest] != groups[row]]) for row in rows])
    X[rows] = X[sources] * (1 + noise * rng.normal(size=X[rows].shape))
    code = "SKR203" if noise else "SKR202"

    def check(report):
        table = report.tables.get(code)
        if table is None:
            return False
        pairs = set(map(frozenset, table[["row", "other_row"]].to_numpy().tolist()))
        planted = {frozenset((a, b)) for a, b in zip(rows.tolist(), sources.tolist(), strict=True)}
        return len(pairs & planted) >= 0.8 * len(planted) and len(pairs - planted) <= 2

    return {"X": X, "y": y, "groups": groups}, check


def near_copies(X, y, groups, rng):
    return copies(X, y, groups, rng, noise=0.02)


def leaking_column(X, y, groups, rng):
    column = y + 0.2 * rng.normal(size=len(y))
    X = np.column_stack([X, column])

    def check(report):
        named = report.tables.get("SKR206")
        return named is not None and named["column"].tolist() == [X.shape[1] - 1]

    return {"X": X, "y": y, "groups": groups}, check


def odd_patient(X, y, groups, rng):
    """Shift the axis of one patient by 10 points."""
    X, patient = X.copy(), rng.choice(groups)
    X[groups == patient] = np.roll(X[groups == patient], 10, axis=1)

    def check(report):
        table = report.tables.get("SKR402")
        return table is not None and patient in table.index

    return {"X": X, "y": y, "groups": groups}, check


def site_effect(X, y, groups, rng):
    """Give half of the patients a tilted baseline."""
    there = rng.permutation(groups.max() + 1) % 2
    tilt = np.linspace(-0.3, 0.3, X.shape[1])
    site = np.array(["north", "south"])[there[groups]]
    data = {"X": X + there[groups][:, None] * tilt, "y": y, "groups": groups, "site": site}
    return data, lambda report: found(report, "SKR208", "severe", "warning")


def site_with_label(X, y, groups, rng):
    """Tilt the baseline, where most patients of a site have one label."""
    label = y[np.unique(groups, return_index=True)[1]]
    there = np.where(rng.random(len(label)) < 0.9, label, 1 - label)
    tilt = np.linspace(-0.3, 0.3, X.shape[1])
    site = np.array(["north", "south"])[there[groups]]
    data = {"X": X + there[groups][:, None] * tilt, "y": y, "groups": groups, "site": site}
    return data, lambda report: found(report, "SKR208", "severe")


def no_site_effect(X, y, groups, rng):
    """Sites that differ in nothing: found is a false alarm here."""
    site = rng.permutation(groups.max() + 1)[groups] % 3
    data = {"X": X, "y": y, "groups": groups, "site": site}

    def check(report):
        return found(report, "SKR208", "severe", "warning") or found(report, "SKR209", "severe")

    return data, check


def other_kind(X, y, groups, rng):
    """Replace 5 rows by waves."""
    X = X.copy()
    rows = rng.choice(len(X), 5, replace=False)
    wave = 2 * np.pi * (np.linspace(0, 3, X.shape[1]) + rng.random((5, 1)))
    X[rows] = np.median(X) + 2 * X.std() * np.sin(wave)

    def check(report):
        return np.isin(rows, report.tables["SKR401"]["row"]).sum() >= 4

    return {"X": X, "y": y, "groups": groups}, check


FAULTS = (
    flipped,
    copies,
    near_copies,
    leaking_column,
    odd_patient,
    other_kind,
    site_effect,
    site_with_label,
    no_site_effect,
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--sizes", type=int, nargs="*", default=[16, 30, 60, 120])
    parser.add_argument("--faults", nargs="*", default=[fault.__name__ for fault in FAULTS])
    parser.add_argument("--n-jobs", type=int)
    options = parser.parse_args()
    for size in options.sizes:
        severe, warned, start = [], collections.Counter(), time.perf_counter()
        for seed in range(options.seeds):
            report = audit(*clean(size, seed), n_jobs=options.n_jobs, random_state=seed)
            table = report.findings
            severe += table.loc[table["severity"] == "severe", "code"].tolist()
            warned.update(table.loc[table["severity"] == "warning", "code"])
        seconds = (time.perf_counter() - start) / options.seeds
        print(
            f"clean, {size} patients: {len(severe)} severe in {options.seeds} audits {severe}; "
            f"warnings {dict(sorted(warned.items()))}; {seconds:.1f} s each",
            flush=True,
        )
    for fault in FAULTS:
        if fault.__name__ not in options.faults:
            continue
        hits, missed = 0, []
        for seed in range(options.seeds):
            data, check = fault(*clean(60, seed), np.random.default_rng(seed))
            hit = bool(check(audit(**data, n_jobs=options.n_jobs, random_state=seed)))
            hits += hit
            missed += [] if hit else [seed]
        print(f"{fault.__name__}: {hits} of {options.seeds}; not in seeds {missed}", flush=True)


if __name__ == "__main__":
    main()
