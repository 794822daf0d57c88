#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config/value.h"

struct unit {
    const char *name;
    int64_t nanoseconds;
};

/* A name that starts another one comes after it. */
static const struct unit units[] = {
    {"ns", 1},
    {"us", 1000},
    {"\xc2\xb5s", 1000}, /* micro sign */
    {"\xce\xbcs", 1000}, /* Greek mu */
    {"ms", 1000000},
    {"s", INT64_C(1000000000)},
    {"m", INT64_C(60000000000)},
    {"h", INT64_C(3600000000000)},
};

#define NANOSECONDS_PER_MS 1000000

/* The unit at the start of text, or NULL. */
static const struct unit *find_unit(const char *text, size_t *len)
{
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        *len = strlen(units[i].name);
        if (strncmp(text, units[i].name, *len) == 0) {
            return &units[i];
        }
    }
    return NULL;
}

/* Reads digits into *number and moves *text; false on overflow. */
static bool read_digits(const char **text, int64_t *number)
{
    *number = 0;
    for (; isdigit((unsigned char)**text); (*text)++) {
        if (__builtin_mul_overflow(*number, 10, number) ||
            __builtin_add_overflow(*number, **text - '0', number)) {
            return false;
        }
    }
    return true;
}

/* The part after the point: each digit is worth a tenth of the one before. Digits below a
 * nanosecond are dropped, as Go does. */
static int64_t read_fraction(const char **text, int64_t unit_nanoseconds, const char *digits)
{
    int64_t sum = 0;
    int64_t divisor = 1;
    for (const char *digit = digits; digit < *text; digit++) {
        if (divisor > unit_nanoseconds) {
            break;
        }
        divisor *= 10;
        sum += unit_nanoseconds / divisor * (*digit - '0');
    }
    return sum;
}

/* Reads one `number unit` pair and adds it to *sum. */
static enum hf_duration_result read_part(const char **text, int64_t *sum)
{
    const char *start = *text;
    int64_t number;
    if (!read_digits(text, &number)) {
        return HF_DURATION_MALFORMED;
    }
    size_t digits = (size_t)(*text - start);
    const char *fraction = *text;
    const char *fraction_end = *text;
    if (**text == '.') {
        fraction = ++*text;
        while (isdigit((unsigned char)**text)) {
            (*text)++;
        }
        fraction_end = *text;
        digits += (size_t)(fraction_end - fraction);
    }
    if (digits == 0) {
        return HF_DURATION_MALFORMED;
    }
    if (**text == '\0') {
        return HF_DURATION_BARE_NUMBER;
    }
    size_t len;
    const struct unit *unit = find_unit(*text, &len);
    if (unit == NULL) {
        return HF_DURATION_MALFORMED;
    }
    *text += len;
    int64_t part;
    if (__builtin_mul_overflow(number, unit->nanoseconds, &part) ||
        __builtin_add_overflow(*sum, part, sum) ||
        __builtin_add_overflow(*sum, read_fraction(&fraction_end, unit->nanoseconds, fraction),
                               sum)) {
        return HF_DURATION_MALFORMED;
    }
    return HF_DURATION_OK;
}

enum hf_duration_result hf__duration_parse(const char *text, int64_t *duration_ms)
{
    bool is_negative = *text == '-';
    if (*text == '-' || *text == '+') {
        text++;
    }
    if (strcmp(text, "0") == 0) {
        *duration_ms = 0;
        return HF_DURATION_OK;
    }
    if (*text == '\0') {
        return HF_DURATION_MALFORMED;
    }
    bool is_first = true;
    int64_t nanoseconds = 0;
    while (*text != '\0') {
        enum hf_duration_result result = read_part(&text, &nanoseconds);
        if (result != HF_DURATION_OK) {
            return is_first ? result : HF_DURATION_MALFORMED;
        }
        is_first = false;
    }
    if (nanoseconds % NANOSECONDS_PER_MS != 0) {
        return HF_DURATION_TOO_FINE;
    }
    int64_t milliseconds = nanoseconds / NANOSECONDS_PER_MS;
    *duration_ms = is_negative ? -milliseconds : milliseconds;
    return HF_DURATION_OK;
}

void hf__duration_format(int64_t duration_ms, char *text, size_t size)
{
    if (duration_ms == 0) {
        snprintf(text, size, "0s");
    } else if (duration_ms % 3600000 == 0) {
        snprintf(text, size, "%" PRId64 "h", duration_ms / 3600000);
    } else if (duration_ms % 60000 == 0) {
        snprintf(text, size, "%" PRId64 "m", duration_ms / 60000);
    } else if (duration_ms % 1000 == 0) {
        snprintf(text, size, "%" PRId64 "s", duration_ms / 1000);
    } else {
        snprintf(text, size, "%" PRId64 "ms", duration_ms);
    }
}
