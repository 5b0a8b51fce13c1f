"""Checks for the exercises, a module for each chapter: ``ch21.check_interleave(my_function)`` says what is
right.
"""

from .core import CheckResult

__all__ = ["CheckResult"]
