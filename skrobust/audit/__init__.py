"""What is wrong with the data, and which patients to look at again."""

from .report import AuditReport
from .run import audit

__all__ = ["AuditReport", "audit"]
