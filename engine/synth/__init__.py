"""The face animator: the demo, tests and training draw from it.

geometry   landmark names and the frame of the face that anatomy is written in
muscles    displacement fields from anatomy
pulse      the time course of one expression or blink
eyelids    a blink as a change of texture
gaze       a look aside
depth      how far the head stands out, and its turns
portrait   a picture of any face and its landmarks
animator   portrait + pose + muscles + blink -> picture
sway, grain    head motion over time, sensor noise
plan, draw, schedule, truth    what happens when, from a TOML file, and the tables it is kept in
sensor, timing, codec, matroska    what a camera makes of it
simulation, simulate    frames, and files
demo       the clip that ships: a plan drawn from a seed, and its frames
"""
