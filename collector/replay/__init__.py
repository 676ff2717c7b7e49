"""Load tests: recorded or made-up traffic, sent to a collector and accounted for."""
