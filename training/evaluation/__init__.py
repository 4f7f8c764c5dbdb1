"""Leave-one-subject-out evaluation: folds, scores, and where finished folds are kept."""
