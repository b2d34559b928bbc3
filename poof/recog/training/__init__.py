"""Training on labelled clips: the loop, what it is fed, what learns and how fast, curves and timing."""
