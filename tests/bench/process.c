#include "process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double hf_process_cpu_seconds(pid_t pid)
{
    clockid_t clock;
    struct timespec used;
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0) {
        return -1;
    }
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

static double status_mib(pid_t pid, const char *field)
{
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return -1;
    }
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    const char *at = strstr(text, field);
    return at != NULL ? strtod(at + strlen(field), NULL) / 1024 : -1;
}

double hf_process_rss_mib(pid_t pid)
{
    return status_mib(pid, "\nVmRSS:");
}

double hf_process_anonymous_mib(pid_t pid)
{
    return status_mib(pid, "\nRssAnon:");
}

double hf_process_rss_peak_mib(pid_t pid)
{
    return status_mib(pid, "\nVmHWM:");
}
