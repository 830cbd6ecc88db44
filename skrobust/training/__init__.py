"""The training loop; the only folder that imports skorch."""
