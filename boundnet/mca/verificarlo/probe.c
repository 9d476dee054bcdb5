/* Shows how VPREC counts bits: 1 + 2^-k and 2^k + 0 for all k, each one instrumented addition. */
#include <math.h>
#include <stdio.h>

static float add(float a, float b) { return a + b; }

int main(void) {
    for (int k = 1; k <= 25; ++k)
        printf("digit %d %d\n", k, add(1.0f, ldexpf(1.0f, -k)) != 1.0f);
    for (int k = 0; k <= 127; ++k)
        printf("exponent %d %d\n", k, !isinf(add(ldexpf(1.0f, k), 0.0f)));
    return 0;
}
