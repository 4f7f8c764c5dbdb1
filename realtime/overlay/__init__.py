"""Annotators that draw a Tick, and `compose.Overlay`, which lays them out round its picture.

One noun per class, style in ``__init__``, one method ``annotate(scene, tick) -> scene``. A scene is
a BGR picture (H, W, 3) uint8 of the caller; an annotator fills it and scales with it. It never
writes to the array of the frame.
"""
