"""What is wrong with the data, and which patients to look at again."""

from .leakage import audit_splits
from .report import AuditReport
from .review import apply_review, review_template, write_review
from .run import audit

__all__ = [
    "AuditReport",
    "apply_review",
    "audit",
    "audit_splits",
    "review_template",
    "write_review",
]
