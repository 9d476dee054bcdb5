"""How far rounding leads away: sums, inner products, programs, normalisations, softmax; what linear relaxations miss."""
