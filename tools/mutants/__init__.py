"""Small changes to the code at random, and which of them no test of the same room finds.

In: the rooms to sample, a seed.  Out: a table of survivors.  `changes` knows what
can be changed in a text of Python (pure), `rooms` which tests speak for a module,
`trial` runs them over a copy of the tree.  The tree itself is never touched.
"""
