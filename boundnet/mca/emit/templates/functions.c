/* Elementary functions.  Each counts as one operation: it is computed in double and rounded to real once, so that float
 * results are almost always the correctly rounded ones, whatever the mathematical library's float functions are like. */
#include "network.h"

#include <math.h>

real network_exp(real x) { return (real)exp(x); }
real network_expm1(real x) { return (real)expm1(x); }
real network_log(real x) { return (real)log(x); }
real network_log1p(real x) { return (real)log1p(x); }
real network_tanh(real x) { return (real)tanh(x); }
real network_erf(real x) { return (real)erf(x); }

/* 1 / (1 + exp(-x)); for negative x in the form that doesn't overflow. */
real network_sigmoid(real x) {
    const double t = exp(-fabs(x));
    return (real)((x >= 0 ? 1.0 : t) / (1.0 + t));
}

/* log(1 + exp(x)) */
real network_softplus(real x) { return (real)((x > 0 ? x : 0.0) + log1p(exp(-fabs(x)))); }

real network_rsqrt(real x) { return (real)(1.0 / sqrt(x)); }
