#include "redis/backoff.h"

uint32_t hf_backoff_next_ms(struct hf_backoff *backoff, uint64_t random)
{
    uint32_t ceiling_ms = HF_BACKOFF_MAX_MS;
    if (backoff->attempts < 16 && (HF_BACKOFF_FIRST_MS << backoff->attempts) < HF_BACKOFF_MAX_MS)
        ceiling_ms = HF_BACKOFF_FIRST_MS << backoff->attempts;
    if (backoff->attempts < UINT32_MAX)
        backoff->attempts++;
    return HF_BACKOFF_MIN_MS + (uint32_t)(random % (ceiling_ms - HF_BACKOFF_MIN_MS + 1));
}

void hf_backoff_reset(struct hf_backoff *backoff)
{
    backoff->attempts = 0;
}
