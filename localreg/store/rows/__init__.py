"""Functions that read and write the tables, one module for each topic."""
