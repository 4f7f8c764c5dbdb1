"""Injection: known movements warped into real footage at known times."""
