"""Tests of the door, and the fakes and conversations that they share."""
