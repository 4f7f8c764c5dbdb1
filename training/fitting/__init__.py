"""Fitting of networks to samples, by steps or in closed form."""
