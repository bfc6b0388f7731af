/* CUDA's runtime as far as edge_emo uses it: memory of the "GPU" is memory of the host. */
#include <stdlib.h>
#include <string.h>

static int live, streams;

int cudaStreamCreate(void **stream) { *stream = (void *)(size_t)(++streams + 100); return 0; }
int cudaStreamDestroy(void *stream) { if (!stream) return 400; --streams; return 0; }
int cudaStreamSynchronize(void *stream) { return stream ? 0 : 400; }
int cudaMalloc(void **pointer, size_t size) {
    *pointer = malloc(size);
    if (!*pointer) return 2;
    ++live;
    return 0;
}
int cudaFree(void *pointer) { if (!pointer) return 1; free(pointer); --live; return 0; }
int cudaMemcpyAsync(void *to, const void *from, size_t size, int kind, void *stream) {
    if (!stream) return 400;
    if (kind != 1 && kind != 2) return 21;
    memcpy(to, from, size);
    return 0;
}
int fakeLive(void) { return live + streams; }
