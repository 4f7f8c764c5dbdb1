"""Commands that measure: calibrate, doctor, bench, exports, evaluate live/demo/runtimes."""
