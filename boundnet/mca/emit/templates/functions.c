/* Elementary functions that <math.h> lacks.  Like the mathematical library, they count as one operation each. */
#include "network.h"

#include <math.h>

#ifdef NETWORK_REAL_FLOAT
#define EXP expf
#define LOG1P log1pf
#define SQRT sqrtf
#else
#define EXP exp
#define LOG1P log1p
#define SQRT sqrt
#endif

/* 1 / (1 + exp(-x)); for negative x in the form that doesn't overflow. */
real network_sigmoid(real x) {
    if (x >= 0)
        return 1 / (1 + EXP(-x));
    const real e = EXP(x);
    return e / (1 + e);
}

/* log(1 + exp(x)) */
real network_softplus(real x) {
    const real tail = LOG1P(EXP(x > 0 ? -x : x));
    return x > 0 ? x + tail : tail;
}

real network_rsqrt(real x) { return 1 / SQRT(x); }
