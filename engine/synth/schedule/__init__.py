"""What happens when in a simulated video: the plan, the draw from it, the ground truth."""
