#include "net/gather.h"

uint32_t hf_gather_end_turn(struct hf_gather *gather, uint64_t now_ms)
{
    bool has_little = gather->events < HF_GATHER_EVENTS_MIN;
    uint64_t age_ms = now_ms - gather->window_at_ms;
    gather->events = 0;
    if (age_ms >= HF_GATHER_WINDOW_MS) {
        gather->was_storm =
            (uint64_t)gather->arrivals * HF_GATHER_WINDOW_MS >= HF_GATHER_STORM * age_ms;
        gather->arrivals = 0;
        gather->window_at_ms = now_ms;
    }
    bool is_storm = gather->was_storm || gather->arrivals >= HF_GATHER_STORM;
    return is_storm && has_little ? HF_GATHER_REST_US : 0;
}
