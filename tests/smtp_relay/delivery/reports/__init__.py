"""Tests of owed reports."""
