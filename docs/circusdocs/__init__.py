"""What ``docs/generate.py`` is made of: the pages that are written from the tables and docstrings of the code.

:mod:`~circusdocs.reference` and :mod:`~circusdocs.library` write pages of the manual, :mod:`~circusdocs.programs`
knows the command lines, :mod:`~circusdocs.man` makes man pages of them. What the pages say is said in the code; here is
only how it is laid out, and what no table has (exit statuses, variables, files).
"""
