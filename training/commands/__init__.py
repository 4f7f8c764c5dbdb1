"""Commands that need labels: training, evaluation of recipes, datasets."""
