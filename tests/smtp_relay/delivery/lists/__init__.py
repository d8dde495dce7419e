"""Tests of posts and requests to lists."""
