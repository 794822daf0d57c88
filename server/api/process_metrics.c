#include "api/process_metrics.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/exposition.h"

/* The first two numbers of a line of the kernel's. */
static bool read_two(const char *line, uint64_t *first, uint64_t *second)
{
    char *first_end;
    char *second_end;
    *first = strtoul(line, &first_end, 10);
    *second = strtoul(first_end, &second_end, 10);
    return first_end != line && second_end != first_end;
}

static void write_memory(struct hf_buffer *text)
{
    char line[128];
    uint64_t virtual_pages;
    uint64_t resident_pages;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL) {
        return;
    }
    if (fgets(line, sizeof(line), file) != NULL &&
        read_two(line, &virtual_pages, &resident_pages)) {
        uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
        hf_exposition_single(text, "process_virtual_memory_bytes", "gauge",
                             "Virtual memory size in bytes.", virtual_pages * page);
        hf_exposition_single(text, "process_resident_memory_bytes", "gauge",
                             "Resident memory size in bytes.", resident_pages * page);
    }
    (void)fclose(file); /* only read from */
}

static uint64_t microseconds(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_usec;
}

static void write_time(struct hf_buffer *text)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        hf_exposition_family(text, "process_cpu_seconds_total", "counter",
                             "Total user and system CPU time spent in seconds.");
        hf_exposition_time(text, "process_cpu_seconds_total", NULL, 0,
                           microseconds(usage.ru_utime) + microseconds(usage.ru_stime));
    }
}

static void write_descriptors(struct hf_buffer *text)
{
    struct rlimit limit;
    struct stat status;
    /* Since Linux 6.2 the directory's size is their number; before, it is 0. Counting them one by
     * one would take too long with many clients. */
    if (stat("/proc/self/fd", &status) == 0 && status.st_size > 0) {
        hf_exposition_single(text, "process_open_fds", "gauge", "Number of open file descriptors.",
                             (uint64_t)status.st_size);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        hf_exposition_single(text, "process_max_fds", "gauge",
                             "Maximum number of open file descriptors.", limit.rlim_cur);
    }
}

void hf_process_metrics_write(struct hf_buffer *text)
{
    write_memory(text);
    write_time(text);
    write_descriptors(text);
}
