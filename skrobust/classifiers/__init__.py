"""Steps that predict."""
