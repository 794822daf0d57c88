#include "counters.h"

enum {
    FIRST_ERROR = 100,
    FIRST_DISCONNECT = 3000,
    FIRST_TERMINAL = 3500,
    DISCONNECT_RANGE = (HF_DISCONNECTS_COUNTED - 1) / 2,
};

void hf_counters_error(struct hf_worker_counters *counters, unsigned code)
{
    size_t index = code - FIRST_ERROR;
    hf_counter_add(&counters->errors[index < HF_ERRORS_COUNTED - 1 ? index : HF_ERRORS_COUNTED - 1],
                   1);
}

void hf_counters_disconnect(struct hf_worker_counters *counters, unsigned code)
{
    size_t index = HF_DISCONNECTS_COUNTED - 1;
    if (code >= FIRST_DISCONNECT && code < FIRST_DISCONNECT + DISCONNECT_RANGE) {
        index = code - FIRST_DISCONNECT;
    } else if (code >= FIRST_TERMINAL && code < FIRST_TERMINAL + DISCONNECT_RANGE) {
        index = DISCONNECT_RANGE + code - FIRST_TERMINAL;
    }
    hf_counter_add(&counters->disconnects[index], 1);
}

unsigned hf_counters_error_code(size_t index)
{
    return index < HF_ERRORS_COUNTED - 1 ? FIRST_ERROR + (unsigned)index : 0;
}

unsigned hf_counters_disconnect_code(size_t index)
{
    if (index < DISCONNECT_RANGE) {
        return FIRST_DISCONNECT + (unsigned)index;
    }
    return index < HF_DISCONNECTS_COUNTED - 1
               ? FIRST_TERMINAL + (unsigned)(index - DISCONNECT_RANGE)
               : 0;
}

void hf_counters_http(struct hf_http_counters *counters, int status, uint64_t duration_us)
{
    static const uint64_t bounds[HF_DURATION_BUCKETS - 1] = HF_DURATION_BOUNDS_US;
    size_t bucket = 0;
    while (bucket < HF_DURATION_BUCKETS - 1 && duration_us > bounds[bucket]) {
        bucket++;
    }
    hf_counter_add(&counters->buckets[bucket], 1);
    hf_counter_add(&counters->sum_us, duration_us);
    hf_counter_add(&counters->statuses[status >= 100 && status < 600 ? status / 100 : 0], 1);
}
