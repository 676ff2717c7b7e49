"""Hypothesis on a machine that has other things to do: no deadlines."""

from hypothesis import settings

settings.register_profile("kastana", deadline=None, max_examples=100)
settings.load_profile("kastana")
