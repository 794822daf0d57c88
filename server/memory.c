#include "memory.h"

#include <malloc.h>

bool hf_memory_tick(struct hf_memory *memory, uint64_t held)
{
    bool is_falling = held + held / 16 < memory->last;
    memory->last = held;
    if (held > memory->high) {
        memory->high = held;
    }
    uint64_t gone = memory->high - held;
    if (is_falling || gone < HF_MEMORY_RELEASE_MIN || gone < memory->high / 4) {
        return false;
    }
    memory->high = held;
    return true;
}

void hf_memory_release(void)
{
    malloc_trim(0);
}
