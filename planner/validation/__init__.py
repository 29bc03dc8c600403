"""Predicted beside measured: how much a prediction of the planner is worth."""

from planner.validation.cases import Case, CaseResult, read_cases
from planner.validation.report import ValidationReport, validate

__all__ = ["Case", "CaseResult", "ValidationReport", "read_cases", "validate"]
