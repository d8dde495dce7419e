"""Tests of the way to a next hop."""
