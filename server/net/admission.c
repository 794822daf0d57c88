#include "net/admission.h"

#define SECOND_US UINT64_C(1000000)

void hf_admission_init(struct hf_admission *admission, uint32_t limit, uint32_t per_second)
{
    atomic_init(&admission->limit, limit);
    atomic_init(&admission->per_second, per_second);
    atomic_init(&admission->admitted, 0);
    atomic_init(&admission->next_us, 0);
    atomic_init(&admission->full, 0);
    atomic_init(&admission->too_fast, 0);
}

void hf_admission_set_limits(struct hf_admission *admission, uint32_t limit, uint32_t per_second)
{
    atomic_store_explicit(&admission->limit, limit, memory_order_relaxed);
    atomic_store_explicit(&admission->per_second, per_second, memory_order_relaxed);
}

static bool take_turn(struct hf_admission *admission, uint32_t per_second, uint64_t now_us)
{
    uint64_t step = SECOND_US / per_second;
    uint64_t next = atomic_load_explicit(&admission->next_us, memory_order_relaxed);
    uint64_t after;
    do {
        uint64_t start = next < now_us ? now_us : next;
        after = start + step;
        if (after > now_us + SECOND_US) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&admission->next_us, &next, after,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

enum hf_admission_result hf_admission_ask(struct hf_admission *admission, uint64_t now_ms)
{
    uint32_t limit = atomic_load_explicit(&admission->limit, memory_order_relaxed);
    uint32_t per_second = atomic_load_explicit(&admission->per_second, memory_order_relaxed);
    uint64_t before = atomic_fetch_add_explicit(&admission->admitted, 1, memory_order_relaxed);
    if (limit != 0 && before >= limit) {
        atomic_fetch_add_explicit(&admission->full, 1, memory_order_relaxed);
        hf_admission_release(admission);
        return HF_ADMISSION_FULL;
    }
    if (per_second != 0 && !take_turn(admission, per_second, now_ms * 1000)) {
        atomic_fetch_add_explicit(&admission->too_fast, 1, memory_order_relaxed);
        hf_admission_release(admission);
        return HF_ADMISSION_TOO_FAST;
    }
    return HF_ADMISSION_GRANTED;
}

void hf_admission_release(struct hf_admission *admission)
{
    atomic_fetch_sub_explicit(&admission->admitted, 1, memory_order_relaxed);
}
