"""Measuring tracks against a truth: HOTA, CLEAR and Identity by MOTChallenge rules.

Comes in: truth files and recorded tracks. Goes out: scores, and tables, JSON, CSV, plots of them.
"""
