"""How many files one message leads through: workers with a profiler, and a count (`make trail`)."""
