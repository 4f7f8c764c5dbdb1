"""OpenCV's flow solvers, the fastest ones on a CPU.

A solver has its own work buffers, so one object serves one thread.
"""

from typing import cast

import cv2

from htnet.engine.types import F32, U8


class Dis:
    """Dense inverse search, medium preset (Kroeger et al., ECCV 2016), on lightly smoothed crops.

    Of OpenCV's solvers it agrees best with the published maps and is the fastest. It is exactly
    zero on identical pictures. The smoothing removes sensor noise before matching: on the real pair
    it raises the correlation with the published u from 0.85 to 0.88.
    """

    name = "dis"
    smoothing_px = 0.8

    def __init__(self) -> None:
        self._solver = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def __call__(self, onset: U8, apex: U8) -> F32:
        """Return (H, W, 2) float32 flow in px."""
        smooth = [cv2.GaussianBlur(gray, (0, 0), self.smoothing_px) for gray in (onset, apex)]
        return cast(F32, self._solver.calc(*smooth, None))  # type: ignore[call-overload]


class Farneback:
    """Farneback (SCIA 2003) with the parameters of the HTNet paper: 0.5, 3, 15, 3, 5, 1.2.

    On identical pictures it reports up to 1 px within about 10 px of the border.
    """

    name = "farneback"

    def __call__(self, onset: U8, apex: U8) -> F32:
        """Return (H, W, 2) float32 flow in px."""
        flow = cv2.calcOpticalFlowFarneback(  # type: ignore[call-overload]
            onset,
            apex,
            None,
            pyr_scale=0.5,
            levels=3,
            winsize=15,
            iterations=3,
            poly_n=5,
            poly_sigma=1.2,
            flags=0,
        )
        return cast(F32, flow)


class TVL1:
    """TV-L1 with OpenCV's defaults (IPOL 2013/26), the solver family of the published maps.

    Two orders of magnitude slower than DIS: for offline use.
    """

    name = "tvl1"

    def __init__(self) -> None:
        self._solver = cv2.optflow.DualTVL1OpticalFlow_create()  # type: ignore[attr-defined]

    def __call__(self, onset: U8, apex: U8) -> F32:
        """Return (H, W, 2) float32 flow in px."""
        return cast(F32, self._solver.calc(onset, apex, None))
