"""Layouts: what the outputs of detection networks mean, one module a family."""
