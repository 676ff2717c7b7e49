"""Tests of the decoders of consent signals."""
