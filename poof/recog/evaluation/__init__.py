"""How good a network is: evaluation, prediction, comparison and fusion of networks, sub-sampling rates, splits."""
