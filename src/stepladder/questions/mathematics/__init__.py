"""Answers in free form: read from a chain, brought to one form, compared, and graded."""
