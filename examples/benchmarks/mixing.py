"""Making new rows: mixing (Eq. 1) against SMOTE, for the same number of new rows.

5000 rows of 288 points, float32, 4000 new rows; one thread, interleaved after a warm-up round.

Run: ``python examples/benchmarks/mixing.py``. Ratios above 1 mean that mixing is faster.
"""

from __future__ import annotations

import argparse

import numpy as np
from imblearn.over_sampling import SMOTE
from interleaved import ratio, time_interleaved
from threadpoolctl import threadpool_limits

from skrobust.label_noise.mixing import draw_partners, draw_targets, mix

N_NEW = 4000


def mix_rows(X, y, strategy, balance=None):
    rng = np.random.RandomState(0)
    pool = np.arange(len(X))
    targets = draw_targets(X, y, pool, N_NEW, balance, None, rng)
    partners = draw_partners(targets.rows, y, pool, strategy, rng)
    return mix(X, targets, partners, np.full(N_NEW, 0.3)), y[targets.rows]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    X = rng.normal(size=(5000, 288)).astype(np.float32)
    y = np.repeat([0, 1], [4500, 500])
    smote = SMOTE(random_state=0)
    rivals = {
        "SMOTE": lambda: smote.fit_resample(X, y),
        "same": lambda: mix_rows(X, y, "same"),
        "both": lambda: mix_rows(X, y, "both"),
        "both, balanced": lambda: mix_rows(X, y, "both", "random"),
    }
    assert len(smote.fit_resample(X, y)[0]) - len(X) == N_NEW
    with threadpool_limits(1):
        seconds = time_interleaved(rivals, arguments.rounds)
    for name in list(rivals)[1:]:
        print(f"SMOTE / mixing {name:15} {ratio(seconds['SMOTE'], seconds[name])}")


if __name__ == "__main__":
    main()
