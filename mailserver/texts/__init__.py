"""The form of what people are told: one sentence in French and in English.

In: a pair of sentences and what fills them.  Out: one, in the language of who reads it.
The doors keep their own sentences and write them in this form.  May not know any of them.
"""
