#include "pace.h"

uint64_t hf_pace_begin(struct hf_pace *pace, uint64_t now_us)
{
    if (now_us < pace->rests_until_us) {
        return pace->rests_until_us - now_us;
    }
    if (pace->began_us == 0) {
        pace->began_us = now_us;
    }
    return 0;
}

void hf_pace_end(struct hf_pace *pace, uint64_t now_us)
{
    if (pace->began_us == 0) {
        return;
    }
    uint64_t spent_us = now_us - pace->began_us;
    pace->began_us = 0;
    if (spent_us >= HF_PACE_TURN_MIN_US) {
        uint64_t rest_us = spent_us * HF_PACE_REST_FACTOR;
        pace->rests_until_us = now_us + (rest_us < pace->rest_max_us ? rest_us : pace->rest_max_us);
    }
}
