"""Commands that need labels: training, evaluation of recipes, data sets."""
