"""The schedule of a simulated video: plan, sampler, ground truth."""
