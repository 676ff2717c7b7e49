"""HOW an event becomes a row, and how a row leaves; no HTTP."""
