-- Keys of names under the whole table of Latin letters: see mailserver/store/sql/people/refold.py, which writes them.

SELECT 1;
