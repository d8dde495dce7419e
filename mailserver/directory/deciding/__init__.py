"""From rows to a plan: which documents are wanted, and what must change for them to be kept.

    units, people, naming, life     rows -> documents;  `moves`: what happens to one person
    decide, plan, reasons           wanted against kept -> changes, each with why

In: rows, and `facts` that the caller read.  Out: a plan.  Pure: may not write, nor know files.
"""
