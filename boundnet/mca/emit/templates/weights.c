/* Reads weights.bin: "BNWEIGHT", uint32 version 1, uint32 bytes of a value, uint64 number of values, uint32 Adler-32 of
 * the values' bytes, uint32 zero; then the values, little-endian like this machine. */
#include "network.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t adler32(const unsigned char *bytes, size_t count) {
    uint32_t a = 1, b = 0;
    while (count > 0) {
        size_t part = count < 5552 ? count : 5552; /* as many as fit into 32 bits */
        count -= part;
        while (part-- > 0) {
            a += *bytes++;
            b += a;
        }
        a %= 65521;
        b %= 65521;
    }
    return b << 16 | a;
}

real *network_read_weights(const char *path, char *message, size_t length) {
    unsigned char head[32];
    uint32_t version, size, checksum;
    uint64_t count;
    const uint16_t one = 1;
    if (*(const unsigned char *)&one != 1) {
        snprintf(message, length, "this machine is big-endian; the weights are not");
        return NULL;
    }
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        snprintf(message, length, "%s: can't be opened", path);
        return NULL;
    }
    real *weights = NULL;
    if (fread(head, 1, sizeof head, file) != sizeof head || memcmp(head, "BNWEIGHT", 8) != 0) {
        snprintf(message, length, "%s: not a weights file", path);
        goto done;
    }
    memcpy(&version, head + 8, 4);
    memcpy(&size, head + 12, 4);
    memcpy(&count, head + 16, 8);
    memcpy(&checksum, head + 24, 4);
    if (version != 1 || size != sizeof(real) || count != NETWORK_WEIGHTS || checksum != NETWORK_WEIGHTS_ADLER32) {
        snprintf(message, length, "%s: the weights of another network or type", path);
        goto done;
    }
    weights = malloc((NETWORK_WEIGHTS + 1) * sizeof(real));
    if (weights == NULL) {
        snprintf(message, length, "not enough memory for the weights");
        goto done;
    }
    if (fread(weights, sizeof(real), NETWORK_WEIGHTS, file) != NETWORK_WEIGHTS ||
        adler32((const unsigned char *)weights, NETWORK_WEIGHTS * sizeof(real)) != checksum) {
        snprintf(message, length, "%s: truncated or damaged", path);
        free(weights);
        weights = NULL;
    }
done:
    fclose(file);
    return weights;
}
