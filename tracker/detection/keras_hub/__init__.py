"""Detectors of KerasHub."""
