"""Plain torch modules: sizes in, no scikit-learn."""
