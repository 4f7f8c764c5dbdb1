"""The face animator: the demo, tests and training draw from it.

geometry   landmark names and the frame of the face that anatomy is written in
muscles    displacement fields from anatomy
pulse      the time course of one expression or blink
eyelids    a blink as a change of texture
portrait   a picture and its landmarks
animator   portrait + pose + muscles + blink -> picture
sway, grain    head motion over time, sensor noise
demo       the clip that ships: a plan drawn from a seed, and its frames
"""
