"""The form of what people are told: one sentence in French and in English.

The doors keep their own sentences and write them in this form.  Imports nothing of ours.
"""
