"""Reports of what a fitted method did."""
