/* NumPy's .npy files: reading float32, float64 and uint8 arrays in C order, writing arrays of type real. */
#ifndef NPY_H
#define NPY_H

#include "network.h"

#include <stdio.h>

/* Samples of `node` from a file of shape (N, *shape), or (*shape) for one: new memory with *count samples, each value
 * converted to real once.  NULL and a message if that is not what the file holds. */
real *npy_read(const char *path, const network_node *node, size_t *count, char *message, size_t length);

/* Writes the header of an array of shape (repeats, count, *shape), without the first axis if repeats is 0. */
int npy_write_header(FILE *file, const network_node *node, size_t repeats, size_t count);

#endif
