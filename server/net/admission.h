/* Admission: how many client connections a node takes, in all and per second.
 *
 * Shared by the node's workers; every function from any thread, without locks. */
#ifndef HF_SERVER_ADMISSION_H
#define HF_SERVER_ADMISSION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct hf_admission {
    _Atomic uint32_t limit;          /* connections at one time; 0: no limit */
    _Atomic uint32_t per_second;     /* new connections; 0: no limit */
    _Atomic uint64_t admitted;       /* connections that hold a place now */
    _Atomic uint64_t next_us;        /* when the next one would be on schedule (leaky bucket) */
    _Atomic uint64_t full, too_fast; /* refusals, ever */
};

enum hf_admission_result {
    HF_ADMISSION_GRANTED, /* ends with hf_admission_release */
    HF_ADMISSION_FULL,
    HF_ADMISSION_TOO_FAST,
};

void hf_admission_init(struct hf_admission *admission, uint32_t limit, uint32_t per_second);
/* Other limits from now on; who has a place keeps it. */
void hf_admission_set_limits(struct hf_admission *admission, uint32_t limit, uint32_t per_second);

/* Asks for a place. A second's worth of connections may come at once. now_ms: monotonic. */
enum hf_admission_result hf_admission_ask(struct hf_admission *admission, uint64_t now_ms);
void hf_admission_release(struct hf_admission *admission);

#endif
