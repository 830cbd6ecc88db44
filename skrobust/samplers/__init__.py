"""Steps with ``fit_resample``: training rows change, test rows never."""
