"""From the octets of files to rows of values, and what is wrong with them, in words to act on.

    tables      octets -> rows of text, with the encoding and the delimiter that were found
    columns     what headers mean, in French and English: data
    cells, codes, rows     text -> values;  problems: what to write instead;  shields: the reverse

In: octets.  Out: rows with their line numbers, `Problem`s.  May not know what is kept already.
"""
