"""Tests of the SMTP door, from pure rooms to real programs."""
