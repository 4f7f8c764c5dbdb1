"""Reports of scores: tables, JSON rows, pages, plots and TensorBoard logs."""
