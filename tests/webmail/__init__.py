"""Tests of door 3: pages over a real store, and the live door."""
