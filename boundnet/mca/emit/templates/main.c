/* Runs the network on samples from .npy files. */
#include "npy.h"

#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: network [--weights FILE] [--repeat S] [--nodes] [--stream] INPUT.npy ... [-o OUTPUT.npy -o ...]\n"
    "One INPUT for each input of the network, in its order: shape (N, *shape), or (*shape) for one sample.\n"
    "  -o FILE         write an output; once for each output, in order; without -o all are printed\n"
    "  --weights FILE  instead of weights.bin\n"
    "  --repeat S      run everything S times: outputs have shape (S, N, *shape)\n"
    "  --nodes         print or stream every node, not only the outputs\n"
    "  --stream        write bare values to standard output, sample by sample\n";

static int fail(const char *text) {
    fprintf(stderr, "network: %s\n", text);
    return 2;
}

static int misused(void) {
    fputs(usage, stderr);
    fprintf(stderr, "inputs of this network: %d, outputs: %d\n", NETWORK_INPUTS, NETWORK_OUTPUTS);
    return 2;
}

static void print(const network_node *node, const real *values) {
    printf("%s:", node->name);
    for (size_t i = 0; i < node->size; ++i)
        printf(sizeof(real) == 4 ? " %.9g" : " %.17g", (double)values[i]);
    putchar('\n');
}

int main(int argc, char **argv) {
    const char *inputs[NETWORK_INPUTS + 1], *outputs[NETWORK_OUTPUTS + 1], *weights_path = "weights.bin";
    int given = 0, wanted = 0, nodes = 0, stream = 0;
    long repeats = 0;
    char message[512] = "";
    for (int i = 1; i < argc; ++i) {
        const int more = i + 1 < argc;
        if (strcmp(argv[i], "--nodes") == 0)
            nodes = 1;
        else if (strcmp(argv[i], "--stream") == 0)
            stream = 1;
        else if (strcmp(argv[i], "--weights") == 0 && more)
            weights_path = argv[++i];
        else if (strcmp(argv[i], "--repeat") == 0 && more && (repeats = strtol(argv[i + 1], NULL, 10)) > 0)
            ++i;
        else if (strcmp(argv[i], "-o") == 0 && more && wanted < NETWORK_OUTPUTS)
            outputs[wanted++] = argv[++i];
        else if (argv[i][0] != '-' && given < NETWORK_INPUTS)
            inputs[given++] = argv[i];
        else
            return misused();
    }
    if (given != NETWORK_INPUTS || (wanted != 0 && wanted != NETWORK_OUTPUTS))
        return misused();

    real *samples[NETWORK_INPUTS + 1];
    FILE *files[NETWORK_OUTPUTS + 1] = {NULL};
    size_t count = 0;
    for (int i = 0; i < NETWORK_INPUTS; ++i) {
        size_t own;
        samples[i] = npy_read(inputs[i], &network_nodes[network_inputs[i]], &own, message, sizeof message);
        if (samples[i] == NULL)
            return fail(message);
        if (i > 0 && own != count)
            return fail("the inputs differ in their number of samples");
        count = own;
    }
    real *weights = network_read_weights(weights_path, message, sizeof message);
    real *work = malloc((NETWORK_WORK + 1) * sizeof(real));
    if (weights == NULL || work == NULL)
        return fail(work == NULL ? "not enough memory" : message);
    for (int i = 0; i < wanted; ++i) {
        files[i] = fopen(outputs[i], "wb");
        if (files[i] == NULL || !npy_write_header(files[i], &network_nodes[network_outputs[i]], (size_t)repeats, count))
            return fail("an output can't be written");
    }

    int good = 1;
    for (long s = 0; s < (repeats > 0 ? repeats : 1); ++s)
        for (size_t n = 0; n < count && good; ++n) {
            for (int i = 0; i < NETWORK_INPUTS; ++i) {
                const network_node *node = &network_nodes[network_inputs[i]];
                memcpy(work + node->offset, samples[i] + n * node->size, node->size * sizeof(real));
            }
            network_compute(weights, work);
            if (stream && nodes)
                good = fwrite(work, sizeof(real), NETWORK_VALUES, stdout) == NETWORK_VALUES;
            for (int i = 0; nodes && !stream && i < NETWORK_NODES; ++i)
                print(&network_nodes[i], work + network_nodes[i].offset);
            for (int i = 0; i < NETWORK_OUTPUTS && good; ++i) {
                const network_node *node = &network_nodes[network_outputs[i]];
                if (wanted > 0)
                    good = fwrite(work + node->offset, sizeof(real), node->size, files[i]) == node->size;
                else if (stream && !nodes)
                    good = fwrite(work + node->offset, sizeof(real), node->size, stdout) == node->size;
                else if (!stream && !nodes)
                    print(node, work + node->offset);
            }
        }
    for (int i = 0; i < wanted; ++i)
        good = fclose(files[i]) == 0 && good;
    good = fflush(stdout) == 0 && good;
    for (int i = 0; i < NETWORK_INPUTS; ++i)
        free(samples[i]);
    free(weights);
    free(work);
    return good ? 0 : fail("the outputs can't be written; is the disk full?");
}
