"""Golden pairs: a captured request, and what the doors make of it."""
