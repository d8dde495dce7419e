"""The demonstration: a fictional academy, its people and schools, and a tour.

`cast` reads who is there from `config/demo.toml`; `academy` makes the service;
`screen` says what to try; `tour` sends one message and follows it.  Called by
the CLI.  May import every room of the core but the CLI; imports no door: it
talks to them over the wire, as mail programs do.
"""
