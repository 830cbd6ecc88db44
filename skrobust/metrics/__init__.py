"""Group-wise (patient-wise) scores and ready scorers."""
