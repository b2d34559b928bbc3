"""What every network and training is made of: the recogniser, and the interfaces that the zoo fills."""
