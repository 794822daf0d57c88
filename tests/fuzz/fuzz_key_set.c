/* Key sets: whatever an address answers is read without harm, and what is a set can be searched. */
#include "fuzz.h"
#include "token/key_set.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = exact_copy(data, size);
    const char *reason = NULL;
    struct hf_key_set *set = hf_key_set_read(hf_slice(copy, size), 16, &reason);

    assert((set != NULL) || reason != NULL);
    if (set != NULL) {
        assert(hf_key_set_count(set) <= 16);
        (void)hf_key_set_find(set, HF_SLICE("a"));
    }
    hf_key_set_unref(set);
    free(copy);
    return 0;
}
