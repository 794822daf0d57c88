#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Set by init and fini only; read by every thread. */
static _Atomic int threshold = HF_LOG_INFO;
static _Atomic int log_fd = STDERR_FILENO;

static const char *const level_names[] = {"trace", "debug", "info", "warn", "error", "none"};

int hf_log_init(enum hf_log_level level, const char *file)
{
    int fd = STDERR_FILENO;
    if (file != NULL && file[0] != '\0') {
        fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
        if (fd < 0) {
            return -errno;
        }
    }
    hf_log_fini();
    atomic_store(&log_fd, fd);
    atomic_store(&threshold, (int)level);
    return 0;
}

void hf_log_fini(void)
{
    int fd = atomic_exchange(&log_fd, STDERR_FILENO);
    atomic_store(&threshold, HF_LOG_INFO);
    if (fd != STDERR_FILENO) {
        close(fd);
    }
}

bool hf_log_enabled(enum hf_log_level level)
{
    return (int)level >= atomic_load_explicit(&threshold, memory_order_relaxed) &&
           level < HF_LOG_NONE;
}

const char *hf_log_level_name(enum hf_log_level level)
{
    return level_names[level];
}

/* --- one line ------------------------------------------------------------------------------- */

/* What is kept free at the end of a line for its end: `,"cut":true}` and the newline. */
#define TAIL_LEN 24

struct line {
    char text[HF_LOG_LINE_MAX];
    size_t len;
    size_t limit;
    bool is_json;
    bool is_cut; /* nothing is added any more */
};

/* Adds all of the bytes, or none and marks the line as cut. */
static void add_bytes(struct line *line, const char *bytes, size_t len)
{
    if (line->is_cut || len > line->limit - line->len) {
        line->is_cut = true;
        return;
    }
    memcpy(line->text + line->len, bytes, len);
    line->len += len;
}

static void add_text(struct line *line, const char *text)
{
    add_bytes(line, text, strlen(text));
}

/* Length of the valid UTF-8 sequence at the start of len (> 0) bytes, or 0. */
static size_t utf8_len(const unsigned char *bytes, size_t len)
{
    static const struct {
        unsigned char mask;
        unsigned char lead;
        uint32_t min;
    } forms[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
    for (size_t i = 0; i < 4; i++) {
        if ((bytes[0] & forms[i].mask) != forms[i].lead) {
            continue;
        }
        uint32_t code = bytes[0] & (unsigned char)~forms[i].mask;
        if (i + 1 > len) {
            return 0;
        }
        for (size_t j = 1; j <= i; j++) {
            if ((bytes[j] & 0xc0) != 0x80) {
                return 0;
            }
            code = code << 6 | (bytes[j] & 0x3f);
        }
        bool is_surrogate = code >= 0xd800 && code <= 0xdfff;
        return code >= forms[i].min && code <= 0x10ffff && !is_surrogate ? i + 1 : 0;
    }
    return 0;
}

/* Adds a string without quotes, escaped as JSON wants it; readable lines use the same escapes, so
 * that nobody can forge a line or send control sequences to a terminal. */
static void add_escaped(struct line *line, const char *text, size_t len)
{
    const unsigned char *bytes = (const unsigned char *)text;
    while (len > 0 && !line->is_cut) {
        size_t step = utf8_len(bytes, len);
        char escape[8];
        if (step == 0) {
            add_text(line, "\xef\xbf\xbd"); /* U+FFFD */
            step = 1;
        } else if (bytes[0] == '"' || bytes[0] == '\\') {
            escape[0] = '\\';
            escape[1] = (char)bytes[0];
            add_bytes(line, escape, 2);
        } else if (bytes[0] == '\n') {
            add_text(line, "\\n");
        } else if (bytes[0] < 0x20 || bytes[0] == 0x7f) {
            snprintf(escape, sizeof(escape), "\\u%04x", bytes[0]);
            add_text(line, escape);
        } else if (step == 2 && bytes[0] == 0xc2 && bytes[1] < 0xa0) { /* C1 controls */
            snprintf(escape, sizeof(escape), "\\u%04x", bytes[1]);
            add_text(line, escape);
        } else {
            add_bytes(line, (const char *)bytes, step);
        }
        bytes += step;
        len -= step;
    }
}

/* Readable lines quote a string only when it could be misread. */
static void add_string(struct line *line, const char *text, size_t len)
{
    bool is_plain = !line->is_json && len > 0;
    for (size_t i = 0; is_plain && i < len; i++) {
        is_plain =
            text[i] > ' ' && text[i] != '"' && text[i] != '=' && text[i] != '\\' && text[i] != 0x7f;
    }
    add_text(line, is_plain ? "" : "\"");
    add_escaped(line, text, len);
    add_text(line, is_plain ? "" : "\"");
}

/* --- fields --------------------------------------------------------------------------------- */

enum length {
    LENGTH_INT,
    LENGTH_LONG,
    LENGTH_LONG_LONG,
    LENGTH_SIZE,
    LENGTH_MAX,
    LENGTH_PTRDIFF,
};

/* A conversion such as `%.3f` or `%.*s`. */
struct conversion {
    int precision; /* -1: none; -2: an argument of type int gives it */
    enum length length;
    char kind;
};

/* The arguments of a line: a va_list in a struct can be handed on by pointer everywhere. */
struct arguments {
    va_list list;
};

/* Reads what follows '%'; returns where it ends. */
static const char *read_conversion(const char *format, struct conversion *conversion)
{
    static const struct {
        const char *text;
        enum length length;
    } lengths[] = {{"ll", LENGTH_LONG_LONG},
                   {"l", LENGTH_LONG},
                   {"z", LENGTH_SIZE},
                   {"j", LENGTH_MAX},
                   {"t", LENGTH_PTRDIFF}};
    *conversion = (struct conversion){.precision = -1, .length = LENGTH_INT};
    if (format[0] == '.' && format[1] == '*') {
        conversion->precision = -2;
        format += 2;
    } else if (format[0] == '.') {
        conversion->precision = 0;
        for (format++; *format >= '0' && *format <= '9'; format++) {
            conversion->precision = conversion->precision * 10 + (*format - '0');
        }
    }
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        size_t len = strlen(lengths[i].text);
        if (strncmp(format, lengths[i].text, len) == 0) {
            conversion->length = lengths[i].length;
            format += len;
            break;
        }
    }
    conversion->kind = *format;
    return *format == '\0' ? format : format + 1;
}

static intmax_t next_signed(struct arguments *arguments, enum length length)
{
    switch (length) {
    case LENGTH_LONG:
        return va_arg(arguments->list, long);
    case LENGTH_LONG_LONG:
        return va_arg(arguments->list, long long);
    case LENGTH_SIZE:
        return va_arg(arguments->list, ssize_t);
    case LENGTH_MAX:
        return va_arg(arguments->list, intmax_t);
    case LENGTH_PTRDIFF:
        return va_arg(arguments->list, ptrdiff_t);
    case LENGTH_INT:
        break;
    }
    return va_arg(arguments->list, int);
}

static uintmax_t next_unsigned(struct arguments *arguments, enum length length)
{
    switch (length) {
    case LENGTH_LONG:
        return va_arg(arguments->list, unsigned long);
    case LENGTH_LONG_LONG:
        return va_arg(arguments->list, unsigned long long);
    case LENGTH_SIZE:
        return va_arg(arguments->list, size_t);
    case LENGTH_MAX:
        return va_arg(arguments->list, uintmax_t);
    case LENGTH_PTRDIFF:
        return (uintmax_t)va_arg(arguments->list, ptrdiff_t);
    case LENGTH_INT:
        break;
    }
    return va_arg(arguments->list, unsigned);
}

static void add_string_argument(struct line *line, int precision, struct arguments *arguments)
{
    int limit = precision == -2 ? va_arg(arguments->list, int) : precision;
    const char *text = va_arg(arguments->list, const char *);
    if (text == NULL) {
        add_text(line, "null");
    } else {
        add_string(line, text, limit < 0 ? strlen(text) : strnlen(text, (size_t)limit));
    }
}

/* JSON has no infinities and no NaN: they are strings there. */
static void add_double(struct line *line, const struct conversion *conversion, double number)
{
    char text[352];
    int precision = conversion->precision < 0 ? 6 : conversion->precision;
    precision = precision > 30 ? 30 : precision;
    if (conversion->kind == 'g') {
        snprintf(text, sizeof(text), "%.*g", precision, number);
    } else {
        snprintf(text, sizeof(text), "%.*f", precision, number);
    }
    bool is_finite = number - number == 0;
    if (is_finite) {
        add_text(line, text);
    } else {
        add_string(line, text, strlen(text));
    }
}

static void add_value(struct line *line, const struct conversion *conversion,
                      struct arguments *arguments)
{
    char text[64] = "";
    switch (conversion->kind) {
    case 's':
        add_string_argument(line, conversion->precision, arguments);
        break;
    case 'c':
        text[0] = (char)va_arg(arguments->list, int);
        add_string(line, text, 1);
        break;
    case 'd':
    case 'i':
        snprintf(text, sizeof(text), "%" PRIdMAX, next_signed(arguments, conversion->length));
        add_text(line, text);
        break;
    case 'u':
        snprintf(text, sizeof(text), "%" PRIuMAX, next_unsigned(arguments, conversion->length));
        add_text(line, text);
        break;
    case 'x':
        snprintf(text, sizeof(text), "%" PRIxMAX, next_unsigned(arguments, conversion->length));
        add_string(line, text, strlen(text));
        break;
    case 'f':
    case 'g':
        add_double(line, conversion, va_arg(arguments->list, double));
        break;
    default:
        /* A conversion that is not offered: its argument cannot be skipped, so the rest is lost. */
        line->is_cut = true;
        break;
    }
}

/* Adds `name=conversion` pairs. */
static void add_fields(struct line *line, const char *fields, struct arguments *arguments)
{
    for (fields += strspn(fields, " "); *fields != '\0'; fields += strspn(fields, " ")) {
        size_t name_len = strcspn(fields, "=");
        if (fields[name_len] == '\0' || fields[name_len + 1] != '%') {
            line->is_cut = true;
            return;
        }
        size_t start = line->len;
        struct conversion conversion;
        add_text(line, line->is_json ? ",\"" : " ");
        add_escaped(line, fields, name_len);
        add_text(line, line->is_json ? "\":" : "=");
        fields = read_conversion(fields + name_len + 2, &conversion);
        add_value(line, &conversion, arguments);
        if (line->is_cut) {
            line->len = start; /* a field is there as a whole or not at all */
            return;
        }
    }
}

static void add_time(struct line *line)
{
    struct timespec now;
    struct tm parts;
    char date[40];
    char text[64];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text, sizeof(text), "%s.%03ldZ", date, now.tv_nsec / 1000000);
    add_text(line, text);
}

static void add_start(struct line *line, enum hf_log_level level, const char *message)
{
    if (line->is_json) {
        add_text(line, "{\"level\":\"");
        add_text(line, level_names[level]);
        add_text(line, "\",\"time\":\"");
        add_time(line);
        add_text(line, "\",\"message\":\"");
    } else {
        char name[8];
        snprintf(name, sizeof(name), " %-5s ", level_names[level]);
        add_time(line);
        add_text(line, name);
    }
    add_escaped(line, message, strlen(message));
    add_text(line, line->is_json ? "\"" : "");
}

static void write_line(int fd, const struct line *line)
{
    ssize_t written;
    do {
        written = write(fd, line->text, line->len);
    } while (written < 0 && errno == EINTR);
}

void hf_log_write(enum hf_log_level level, const char *message, const char *fields, ...)
{
    struct line line;
    struct arguments arguments;
    int saved_errno = errno;
    int fd = atomic_load(&log_fd);

    line.len = 0;
    line.limit = sizeof(line.text) - TAIL_LEN;
    line.is_json = fd != STDERR_FILENO || isatty(STDOUT_FILENO) == 0;
    line.is_cut = false;
    add_start(&line, level, message);
    if (line.is_cut) {
        /* Only the message can be too long here: close its string. */
        line.limit = sizeof(line.text);
        line.is_cut = false;
        add_text(&line, line.is_json ? "\",\"cut\":true" : " (cut)");
    } else {
        va_start(arguments.list, fields);
        add_fields(&line, fields, &arguments);
        va_end(arguments.list);
        bool is_cut = line.is_cut;
        line.limit = sizeof(line.text);
        line.is_cut = false;
        if (is_cut) {
            add_text(&line, line.is_json ? ",\"cut\":true" : " (cut)");
        }
    }
    add_text(&line, line.is_json ? "}\n" : "\n");
    write_line(fd, &line);
    errno = saved_errno;
}

/* --- holding back --------------------------------------------------------------------------- */

bool hf_log_limit_pass_at(struct hf_log_limit *limit, int64_t now_ms, int64_t interval_ms,
                          uint32_t *suppressed)
{
    int64_t next_ms = atomic_load(&limit->next_ms);
    /* Of several threads that come at the same time, the one that moves the time passes. */
    if ((next_ms != 0 && now_ms < next_ms) ||
        !atomic_compare_exchange_strong(&limit->next_ms, &next_ms, now_ms + interval_ms)) {
        atomic_fetch_add(&limit->suppressed, 1);
        return false;
    }
    uint32_t held_back = atomic_exchange(&limit->suppressed, 0);
    if (suppressed != NULL) {
        *suppressed = held_back;
    }
    return true;
}

bool hf_log_limit_pass(struct hf_log_limit *limit, int64_t interval_ms, uint32_t *suppressed)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + 1;
    return hf_log_limit_pass_at(limit, now_ms, interval_ms, suppressed);
}
