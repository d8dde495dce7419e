"""Tests of the dispatcher, in memory."""
