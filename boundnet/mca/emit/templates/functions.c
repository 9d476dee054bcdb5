/* Elementary functions that <math.h> lacks.  Like the mathematical library's, each counts as one operation: it is computed in
 * double and rounded to real once. */
#include "network.h"

#include <math.h>

/* 1 / (1 + exp(-x)); for negative x in the form that doesn't overflow. */
real network_sigmoid(real x) {
    const double t = exp(-fabs(x));
    return (real)((x >= 0 ? 1.0 : t) / (1.0 + t));
}

/* log(1 + exp(x)) */
real network_softplus(real x) { return (real)((x > 0 ? x : 0.0) + log1p(exp(-fabs(x)))); }

real network_rsqrt(real x) { return (real)(1.0 / sqrt(x)); }
