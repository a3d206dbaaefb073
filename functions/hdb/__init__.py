"""The HarperDB door: operations on tables, and the jobs they become, under ``/harperdb``.

The package is not named as the door is: that name is the client's from PyPI, which tests import beside it.
"""
