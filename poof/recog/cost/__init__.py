"""What a network costs: counted operations, a profile beside the published figures, the costs of every name."""
