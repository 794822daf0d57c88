#ifndef HF_LOG_H
#define HF_LOG_H

/* Log: one process-wide, leveled log with typed fields.
 *
 * JSON, one object per line, when the output is a file or standard output is not a terminal, else
 * readable text; to standard error unless a file is set. Every line is one write(2), so lines of
 * threads never mix. Logging never fails its caller: a line that cannot be written is dropped, one
 * that is too long is cut (HF_LOG_LINE_MAX).
 * Threads: hf_log() from any thread at any time; init and fini on one thread while no other logs.
 * Before init: text or JSON as above, to standard error, from level info on.
 * Never pass tokens, keys, passwords or payloads. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum hf_log_level {
    HF_LOG_TRACE,
    HF_LOG_DEBUG,
    HF_LOG_INFO,
    HF_LOG_WARN,
    HF_LOG_ERROR,
    HF_LOG_NONE, /* as the configured level: nothing is logged; never the level of a line */
};

/* Bytes of a line, its newline included. */
#define HF_LOG_LINE_MAX 4096

/* Sets level and output. file is borrowed until return; NULL or "" = standard error, else it is
 * opened for appending (created with mode 0640). Returns 0 or a negative errno value, and then
 * nothing has changed. */
int hf_log_init(enum hf_log_level level, const char *file) __attribute__((warn_unused_result));

/* Closes the file and goes back to the state before init. */
void hf_log_fini(void);

/* Whether lines of this level are written. */
bool hf_log_enabled(enum hf_log_level level);

/* The name used in lines and in the configuration: "trace" ... "none". Static text. */
const char *hf_log_level_name(enum hf_log_level level);

/* Writes a line. Use hf_log(): it evaluates its arguments only when the level is enabled, and makes
 * the fields a literal, for example
 *     hf_log(HF_LOG_WARN, "connection lost", "address=%s attempt=%u", address, attempt);
 * fields: `name=conversion` pairs separated by a space; the compiler checks the arguments. Offered:
 * %s %.*s %c %d %i %u %x %f %g with the lengths (none) l ll z j t and a precision for %f %g; a NULL
 * string is logged as null. Strings may hold any bytes: what is not valid UTF-8 is replaced. */
void hf_log_write(enum hf_log_level level, const char *message, const char *fields, ...)
    __attribute__((format(printf, 3, 4)));

#define hf_log(level, message, ...)                                                                \
    do {                                                                                           \
        if (hf_log_enabled(level)) {                                                               \
            hf_log_write((level), (message), " " __VA_ARGS__);                                     \
        }                                                                                          \
    } while (0)

/* Holds back a message that repeats. Zero-initialise one per place (static or in an object). */
struct hf_log_limit {
    _Atomic int64_t next_ms; /* monotonic time from which a line may pass; 0 = none passed yet */
    _Atomic uint32_t suppressed; /* lines held back since the last that passed */
};

/* True when the caller should log now: the first time, and then at most once per interval_ms.
 * *suppressed (may be NULL) is then the number of calls held back since the last true. Any thread.
 */
bool hf_log_limit_pass(struct hf_log_limit *limit, int64_t interval_ms, uint32_t *suppressed);

/* Same with the monotonic time in milliseconds given (> 0), for callers that hold it and tests. */
bool hf_log_limit_pass_at(struct hf_log_limit *limit, int64_t now_ms, int64_t interval_ms,
                          uint32_t *suppressed);

#endif
