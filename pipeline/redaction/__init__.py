"""Detectors of personal data in texts; `pipeline/redact.py` joins them."""
