"""How well micro-expressions are found on the face, camera and light of a calibration."""
