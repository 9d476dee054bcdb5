/* Entry points of the shared library: open, run, look at any node, close. */
#include "network.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct network_handle {
    real *weights;
    real *work;
};

network_handle *network_open(const char *weights_path, char *message, size_t length) {
    network_handle *handle = malloc(sizeof *handle);
    if (handle == NULL) {
        snprintf(message, length, "not enough memory");
        return NULL;
    }
    handle->work = malloc((NETWORK_WORK + 1) * sizeof(real));
    handle->weights = handle->work == NULL ? NULL : network_read_weights(weights_path, message, length);
    if (handle->weights == NULL) {
        if (handle->work == NULL)
            snprintf(message, length, "not enough memory");
        free(handle->work);
        free(handle);
        return NULL;
    }
    return handle;
}

void network_run(network_handle *handle, const real *const *inputs, real *const *outputs) {
    for (int i = 0; i < NETWORK_INPUTS; ++i) {
        const network_node *node = &network_nodes[network_inputs[i]];
        memcpy(handle->work + node->offset, inputs[i], node->size * sizeof(real));
    }
    network_compute(handle->weights, handle->work);
    for (int i = 0; i < NETWORK_OUTPUTS; ++i) {
        const network_node *node = &network_nodes[network_outputs[i]];
        memcpy(outputs[i], handle->work + node->offset, node->size * sizeof(real));
    }
}

const real *network_node_values(const network_handle *handle, int node) {
    return handle->work + network_nodes[node].offset;
}

void network_close(network_handle *handle) {
    if (handle != NULL) {
        free(handle->weights);
        free(handle->work);
        free(handle);
    }
}
