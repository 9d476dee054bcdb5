"""Deep networks: Cauchy sketches screen, cropped adjoint rows decide, a second run with fresh coins proves."""
