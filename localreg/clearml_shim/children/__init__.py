"""A folder for ``PYTHONPATH``: in Python processes that get it, ``import clearml`` is localreg.

`localreg.run` puts it there for the processes that its script starts. `sitecustomize` is the only
module in it, which Python imports when it starts.
"""
