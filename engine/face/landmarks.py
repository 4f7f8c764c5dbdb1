"""Indices into the 478 points of MediaPipe's face mesh.

Left and right are the picture's, not the person's.
"""

from typing import Final

LEFT_EYE_CORNERS: Final = (33, 133)
RIGHT_EYE_CORNERS: Final = (362, 263)
# (upper, lower) lid points at the same place along the eye, three pairs to an eye.
LEFT_LIDS: Final = ((159, 145), (160, 144), (158, 153))
RIGHT_LIDS: Final = ((386, 374), (385, 380), (387, 373))
IRISES: Final = (468, 473)  # centres

LEFT_LIP_CORNER: Final = 61
RIGHT_LIP_CORNER: Final = 291
UPPER_LIP: Final = 0
LOWER_LIP: Final = 17

LEFT_OUTER_BROW: Final = (70, 63, 105, 46, 53, 52)
LEFT_INNER_BROW: Final = (66, 107, 65, 55)
RIGHT_OUTER_BROW: Final = (300, 293, 334, 276, 283, 282)
RIGHT_INNER_BROW: Final = (296, 336, 295, 285)

POINTS: Final = 478
