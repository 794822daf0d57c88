/* The monotonic clock in nanoseconds. */
#ifndef HF_BENCH_CLOCK_H
#define HF_BENCH_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t hf_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline void hf_sleep_us(uint32_t us)
{
    const struct timespec pause = {us / 1000000, (long)(us % 1000000) * 1000};
    nanosleep(&pause, NULL);
}

#endif
