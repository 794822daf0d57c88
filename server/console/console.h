/* Console: the commands of the program beside running a node, as `holdfast gentoken -u 42`.
 * Main thread, before anything else runs. */
#ifndef HF_SERVER_CONSOLE_CONSOLE_H
#define HF_SERVER_CONSOLE_CONSOLE_H

#include <stdbool.h>

/* Whether the arguments name a command: the first one does not start with a dash. */
bool hf_console_is_asked(int argc, const char *const argv[]);

/* Runs it; what it says goes to standard output, errors as `error: ...`. Returns the exit status:
 * 0, 1 for failures, 2 for wrong usage. Arguments are borrowed. */
int hf_console_run(int argc, const char *const argv[], const char *const envp[]);

#endif
