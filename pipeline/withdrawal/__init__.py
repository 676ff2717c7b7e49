"""Withdrawals: who withdrew what, before gate and load, and in what is stored."""
