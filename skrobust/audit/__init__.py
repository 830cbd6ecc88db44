"""What is wrong with the data, and which patients to look at again."""

from .leakage import audit_splits
from .report import AuditReport
from .run import audit

__all__ = ["AuditReport", "audit", "audit_splits"]
