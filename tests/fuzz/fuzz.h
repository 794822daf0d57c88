/* What the fuzz targets share: libFuzzer's entry point, and copies of exact size, so that the
 * address sanitizer sees each byte that is read past an input's end. A target checks with assert:
 * an input on which one fails is a find, and is kept in corpus/<decoder>/. */
#ifndef HF_TEST_FUZZ_H
#define HF_TEST_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Release builds keep their assertions too, but a target without them would find little. */
#undef NDEBUG
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The caller frees it. */
static inline char *exact_copy(const uint8_t *data, size_t size)
{
    char *copy = malloc(size != 0 ? size : 1);
    assert(copy != NULL);
    if (size != 0) {
        memcpy(copy, data, size);
    }
    return copy;
}

#endif
