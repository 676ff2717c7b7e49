"""Tests: unit, golden pairs, system (black box), browser (real Chromium)."""
