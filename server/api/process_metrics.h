/* Process metrics: memory, time and descriptors of this process under Prometheus' own names, as the
 * kernel tells them (proc(5)). What the kernel does not tell is left out. Any thread. */
#ifndef HF_SERVER_PROCESS_METRICS_H
#define HF_SERVER_PROCESS_METRICS_H

#include "buffer.h"

void hf_process_metrics_write(struct hf_buffer *text);

#endif
