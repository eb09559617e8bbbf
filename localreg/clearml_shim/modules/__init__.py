"""What localreg has of ClearML's smaller modules; `names.py` says which name is where."""
