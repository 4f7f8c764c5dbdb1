"""Leave-one-subject-out evaluation: folds, protocols, scores and the store of finished folds."""
