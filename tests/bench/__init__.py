"""Tests of the bench: that it counts right.  None asserts a speed."""
