"""The face simulator: video of an animated face with known ground truth.

The demo, the tests, the augmentation of training and ``htnet simulate`` use it.

face/        the animator: a portrait moved by pose, muscles, eyelids and gaze over time
schedule/    the plan (a TOML file), the sampler that draws a schedule from it, the ground truth
camera/      sensor noise and flicker, frame timing and drops, compression, the video file
injection/   known movements warped into real footage
simulation   a plan and a portrait to frames with ground truth
write        a simulation to a folder: video, truth.csv, events.csv, plan.toml
demo         the clip of ``htnet live --source demo``
"""
