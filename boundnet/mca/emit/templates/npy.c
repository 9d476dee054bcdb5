#include "npy.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Sizes after 'shape': ( in the header; -1 if there are more than `most` or none can be read. */
static int read_shape(const char *header, long *sizes, int most) {
    const char *at = strstr(header, "'shape'");
    int rank = 0;
    if (at == NULL || (at = strchr(at, '(')) == NULL)
        return -1;
    for (++at; *at != ')';) {
        char *end;
        const long size = strtol(at, &end, 10);
        if (end == at || size < 0 || rank == most)
            return -1;
        sizes[rank++] = size;
        for (at = end; *at == ',' || *at == ' ' || *at == 'L'; ++at)
            ;
    }
    return rank;
}

static int fits(const network_node *node, const long *sizes, int rank, size_t *count) {
    const int extra = rank - node->rank;
    if (extra != 0 && extra != 1)
        return 0;
    for (int i = 0; i < node->rank; ++i)
        if (sizes[extra + i] != node->shape[i])
            return 0;
    *count = extra == 1 ? (size_t)sizes[0] : 1;
    return 1;
}

real *npy_read(const char *path, const network_node *node, size_t *count, char *message, size_t length) {
    unsigned char start[12];
    long sizes[NETWORK_RANK + 1];
    char *header = NULL, *bytes = NULL;
    real *values = NULL;
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        snprintf(message, length, "%s: can't be opened", path);
        return NULL;
    }
    size_t size = 0, head = 0;
    if (fread(start, 1, 10, file) == 10 && memcmp(start, "\x93NUMPY", 6) == 0) {
        head = start[8] | (size_t)start[9] << 8;
        if (start[6] >= 2)
            head = fread(start + 10, 1, 2, file) == 2 ? head | (size_t)start[10] << 16 | (size_t)start[11] << 24 : 0;
    }
    if (head == 0 || head > 1u << 20 || (header = calloc(head + 1, 1)) == NULL || fread(header, 1, head, file) != head) {
        snprintf(message, length, "%s: not a .npy file", path);
        goto done;
    }
    const char *kind = strstr(header, "'descr'");
    kind = kind == NULL ? NULL : strchr(kind + 7, '\'');
    if (kind != NULL)
        size = strncmp(kind, "'<f4'", 5) == 0 ? 4 : strncmp(kind, "'<f8'", 5) == 0 ? 8 : strncmp(kind, "'|u1'", 5) == 0;
    if (size == 0 || strstr(header, "'fortran_order': False") == NULL) {
        snprintf(message, length, "%s: give little-endian float32 or float64, or uint8, in C order", path);
        goto done;
    }
    const int rank = read_shape(header, sizes, NETWORK_RANK + 1);
    if (rank < 0 || !fits(node, sizes, rank, count)) {
        snprintf(message, length, "%s: its shape is not that of input %s, with or without an axis of samples", path, node->name);
        goto done;
    }
    const size_t total = *count * node->size;
    bytes = malloc(total * size + 1);
    values = malloc((total + 1) * sizeof(real));
    if (bytes == NULL || values == NULL || fread(bytes, size, total, file) != total) {
        snprintf(message, length, "%s: truncated, or too large for the memory", path);
        free(values);
        values = NULL;
        goto done;
    }
    for (size_t i = 0; i < total; ++i) {
        float single;
        double twice;
        if (size == 4) {
            memcpy(&single, bytes + i * 4, 4);
            values[i] = single;
        } else if (size == 8) {
            memcpy(&twice, bytes + i * 8, 8);
            values[i] = (real)twice;
        } else {
            values[i] = (unsigned char)bytes[i];
        }
    }
done:
    free(header);
    free(bytes);
    fclose(file);
    return values;
}

int npy_write_header(FILE *file, const network_node *node, size_t repeats, size_t count) {
    char shape[32 * (NETWORK_RANK + 2)], header[32 * (NETWORK_RANK + 2) + 128];
    int at = 0;
    if (repeats > 0)
        at += sprintf(shape + at, "%lu, ", (unsigned long)repeats);
    at += sprintf(shape + at, "%lu,", (unsigned long)count);
    for (int i = 0; i < node->rank; ++i)
        at += sprintf(shape + at, i == 0 ? " %ld" : ", %ld", node->shape[i]);
    int length = sprintf(header, "{'descr': '<f%d', 'fortran_order': False, 'shape': (%s), }", (int)sizeof(real), shape);
    while ((10 + length + 1) % 64 != 0)
        header[length++] = ' ';
    header[length++] = '\n';
    const unsigned char start[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (unsigned char)(length & 255), (unsigned char)(length >> 8)};
    return fwrite(start, 1, 10, file) == 10 && fwrite(header, 1, (size_t)length, file) == (size_t)length;
}
