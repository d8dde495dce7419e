"""PostgreSQL as an engine: its cluster for tests, and what only it promises."""
