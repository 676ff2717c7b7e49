"""WHAT may exist: the policy, the events, the rows; data and pure functions."""
