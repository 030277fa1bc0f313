"""The judge says which members are alive: columns of them all, and what a sweep means for each.

It does no input or output.
"""
