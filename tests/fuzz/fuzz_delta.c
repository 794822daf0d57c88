/* Delta: a patch applied to its source gives the target, is shorter than it, and is UTF-8 when the
 * target is. The input is the source's length in two bytes, then both texts. */
#include "../lib/delta_apply.h"
#include "delta.h"
#include "fuzz.h"
#include "utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hf_buffer patch;
    size_t source_len;
    char *source;
    char *target;
    char *applied;
    size_t target_len;
    size_t applied_len;

    if (size < 2) {
        return 0;
    }
    source_len = (size_t)data[0] << 8 | data[1];
    source_len = source_len > size - 2 ? size - 2 : source_len;
    target_len = size - 2 - source_len;
    source = exact_copy(data + 2, source_len);
    target = exact_copy(data + 2 + source_len, target_len);
    hf_buffer_init(&patch, 0);
    if (hf_delta_encode(hf_slice(source, source_len), hf_slice(target, target_len), &patch) ==
        HF_DELTA_OK) {
        assert(!hf_buffer_failed(&patch));
        assert(patch.len < target_len);
        applied = delta_apply(hf_slice(source, source_len), hf_buffer_slice(&patch), &applied_len);
        assert(applied != NULL && applied_len == target_len);
        assert(memcmp(applied, target, target_len) == 0);
        assert(!hf_utf8_is_valid(target, target_len) || hf_utf8_is_valid(patch.data, patch.len));
        free(applied);
    }
    hf_buffer_fini(&patch);
    free(source);
    free(target);
    return 0;
}
