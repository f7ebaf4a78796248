/* A CUDA driver without a GPU: device memory is that of the host, and launches are only written down. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DRIVER(name) int stub_##name
typedef uint64_t Address;
static void *context = (void *)0x1000, *current = 0;
static int capturing = 0, allocated = 0;

DRIVER(cuInit)(unsigned flags) { return 0; }
DRIVER(cuDriverGetVersion)(int *version) { *version = 13000; return 0; }
DRIVER(cuDeviceGet)(int *device, int ordinal) { *device = ordinal; return ordinal ? 101 : 0; }
DRIVER(cuDeviceGetAttribute)(int *value, int kind, int device) { *value = kind == 75 ? 9 : 0; return 0; }
DRIVER(cuDeviceGetName)(char *name, int length, int device) { strncpy(name, "Stub", length); return 0; }
DRIVER(cuDevicePrimaryCtxRetain)(void **made, int device) { *made = context; return 0; }
DRIVER(cuCtxGetCurrent)(void **found) { *found = current; return 0; }
DRIVER(cuCtxSetCurrent)(void *wanted) { current = wanted; return 0; }
DRIVER(cuCtxSynchronize)(void) { return capturing ? 900 : 0; }
DRIVER(cuStreamSynchronize)(void *stream) { return capturing ? 900 : 0; }
DRIVER(cuStreamIsCapturing)(void *stream, int *status) { *status = capturing; return 0; }
DRIVER(cuPointerGetAttribute)(void *value, int kind, Address at) { *(int *)value = 0; return 0; }
DRIVER(cuGetErrorName)(int status, const char **text) { *text = "CUDA_ERROR"; return 0; }
DRIVER(cuGetErrorString)(int status, const char **text) { *text = "a reason"; return 0; }

static int take(Address *at, size_t count) {
    void *memory;
    if (capturing || current != context || posix_memalign(&memory, 256, count)) return 2;
    allocated++;
    *at = (Address)memory;
    return 0;
}
static int give(Address at) { allocated--; printf("held %d\n", allocated); free((void *)at); return 0; }
DRIVER(cuMemAlloc)(Address *at, size_t count) { return take(at, count); }
DRIVER(cuMemFree)(Address at) { return give(at); }
DRIVER(cuMemAllocHost)(void **at, size_t count) { return take((Address *)at, count); }
DRIVER(cuMemFreeHost)(void *at) { return give((Address)at); }
DRIVER(cuMemsetD8)(Address at, unsigned char value, size_t count) { memset((void *)at, value, count); return 0; }
DRIVER(cuMemsetD8Async)(Address at, unsigned char value, size_t count, void *stream) {
    memset((void *)at, value, count);
    return 0;
}
DRIVER(cuMemcpyHtoDAsync)(Address to, const void *from, size_t count, void *stream) {
    printf("send %zu on %p%s\n", count, stream, capturing ? " in a graph" : "");
    memcpy((void *)to, from, count);
    return 0;
}
DRIVER(cuMemcpyDtoHAsync)(void *to, Address from, size_t count, void *stream) {
    memcpy(to, (void *)from, count);
    return capturing ? 900 : 0;
}
DRIVER(cuMemcpyDtoDAsync)(Address to, Address from, size_t count, void *stream) {
    memcpy((void *)to, (void *)from, count);
    return 0;
}
DRIVER(cuModuleLoadData)(void **module, const void *image) {
    printf("module %.3s\n", (const char *)image + 1);
    *module = (void *)0x2000;
    return capturing ? 900 : 0;
}
DRIVER(cuModuleGetFunction)(void **function, void *module, const char *name) {
    *function = strdup(name);
    return 0;
}
DRIVER(cuLaunchKernel)(void *function, unsigned x, unsigned y, unsigned z, unsigned threads, unsigned ty,
                       unsigned tz, unsigned shared, void *stream, void **words, void **extra) {
    printf("launch %s %ux%ux%u of %ux%ux%u on %p first %s%s\n", (char *)function, x, y, z, threads, ty, tz,
           stream, **(Address **)words ? "set" : "0", extra ? " extra" : "");
    return 0;
}
int cuGetProcAddress_v2(const char *symbol, void **function, int version, uint64_t flags, void *status) {
    char name[128];
    Dl_info own;
    snprintf(name, sizeof name, "stub_%s", symbol);
    dladdr((void *)cuGetProcAddress_v2, &own);
    *function = dlsym(dlopen(own.dli_fname, RTLD_NOW | RTLD_NOLOAD), name);
    if (status) *(int *)status = *function ? 0 : 1;
    return *function ? 0 : 500;
}
void stub_capture(int on) { capturing = on; }
