"""The optimization model: rows and columns with names, one file per kind of limit."""
