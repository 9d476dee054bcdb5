"""Inputs of a network: arrays checked against its shapes, read from files and images, or drawn at random."""
