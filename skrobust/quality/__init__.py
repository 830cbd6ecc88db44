"""Distillers: which rows to trust."""
