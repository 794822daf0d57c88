/* Process: what a process on this machine has used so far, as the kernel counts it. Any thread. */
#ifndef HF_BENCH_PROCESS_H
#define HF_BENCH_PROCESS_H

#include <sys/types.h>

/* Each is negative when there is no such process. */
double hf_process_cpu_seconds(pid_t pid);   /* user and system, all threads */
double hf_process_rss_mib(pid_t pid);       /* resident now */
double hf_process_rss_peak_mib(pid_t pid);  /* the most since the start */
double hf_process_anonymous_mib(pid_t pid); /* resident now and no file's: stacks and heap */

#endif
